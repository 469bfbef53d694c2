"""``offkey datasets``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from offkey.cli.console import note, print_json, progress, say

__all__ = ["datasets"]

datasets = typer.Typer(no_args_is_help=True, help="List, download and check public data sets of machine sounds.")

AS_JSON = typer.Option("--json", help="Print the outcome as JSON.")


@datasets.command("list")
def show(as_json: Annotated[bool, AS_JSON] = False) -> None:
    """List the data sets that can be downloaded; needs no network.

    Example: offkey datasets list
    """
    from offkey.datasets.archives import ARCHIVES

    if as_json:
        print_json([{**asdict(archive), "page": archive.page} for archive in ARCHIVES])
        return
    for archive in ARCHIVES:
        say(f"{archive.name:15} {archive.year}  {archive.page:36}  {archive.what}")
    say("Sizes and licences are shown before a download starts. Next: offkey datasets download NAME DEST")


@datasets.command("download")
def fetch(
    name: Annotated[str, typer.Argument(help="One of offkey datasets list.")],
    dest: Annotated[Path, typer.Argument(help="Folder to write to.")],
    only: Annotated[
        str | None, typer.Option(help="Machines, or other words of the names of archives: fan,pump. All if not given.")
    ] = None,
    unpack: Annotated[bool, typer.Option("--unpack/--no-unpack", help="Unpack zips.")] = True,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep zips that were unpacked.")] = False,
    server: Annotated[str | None, typer.Option(help="A mirror to ask in place of https://zenodo.org")] = None,
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Download a data set, check it and unpack it; give the same command again to go on, or to repair.

    Example: offkey datasets download dcase2020-dev dcase2020/ --only fan,pump
    """
    from offkey.datasets.archives import SERVER
    from offkey.datasets.download import download

    words = [word for word in only.split(",") if word.strip()] if only is not None else None
    with progress():
        done = download(
            name, dest, only=words, unpack=unpack, keep_archives=keep_archives, server=server or SERVER,
            tell=note if as_json else say,
        )  # fmt: skip
    if as_json:
        print_json(
            {
                "name": name, "folder": str(dest), "record": done.record.number, "title": done.record.title,
                "licence": done.record.licence, "complete": done.complete, "fetched": done.fetched,
            }
        )  # fmt: skip
        return
    for volume in (file for file in done.complete + done.fetched if file.endswith(".7z.001")):
        say(f"Not unpacked, which needs another program: 7z x {dest / volume} -o{dest}")
    say(f"Next: offkey datasets check {dest}")


@datasets.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that was downloaded, or one of recordings.")],
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Check that every file of a downloaded data set is there and whole; exit status 2 if not.

    Example: offkey datasets check dcase2020/
    """
    from offkey.datasets.check import check_folder

    with progress():
        found = check_folder(folder)
    if as_json:
        print_json(asdict(found))
    else:
        for problem in found.problems:
            say(problem)
        say(f"Checked {found.what}.")
        say(f"{found.n_files} files, {len(found.problems) or 'no'} problems.")
    if found.problems:
        raise typer.Exit(2)
