"""The command ``offkey``."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from offkey.cli.console import note
from offkey.errors import OffkeyError
from offkey.version import __version__

__all__ = ["VERBS", "main", "make_app"]

VERBS = (
    "demo", "fit", "score", "report", "evaluate", "compare", "calibrate", "threshold", "sensitivity", "drift",
    "info", "simulate", "datasets", "dcase",
)  # fmt: skip


def make_app(verbs: Sequence[str] = VERBS) -> typer.Typer:
    """Return the command with some verbs, each a module of this room: importing all of them takes time."""
    app = typer.Typer(
        name="offkey",
        help="offkey hears when a machine sounds wrong: fit on normal recordings, score new ones.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for verb in verbs:
        command = getattr(import_module(f"offkey.cli.{verb}"), verb)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=verb)
        else:
            app.command(verb)(command)
    app.callback()(options)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"offkey {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and what libraries print.")] = False,
) -> None:
    """Take the options that come before the verb; `main` looks for ``--debug`` itself, before anything is imported."""


def main() -> None:
    """Run the command line: exit status 0 done, 1 anomaly found (if asked for), 2 bad usage or input, or a failure."""
    debug = "--debug" in sys.argv[1:]
    if not debug:
        _silence_native_stderr()
    _show_logs(debug)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show must not end the batch
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    asked = sys.argv[1:2] if sys.argv[1:2] != ["--debug"] else sys.argv[2:3]
    try:
        status = make_app(asked if asked and asked[0] in VERBS else VERBS)(standalone_mode=False)
    except OffkeyError as error:
        if debug:
            raise
        note(f"offkey: {error}")
        status = 2
    except Exception as error:
        status = _usage_status(error)
        if status is None:
            if debug:
                raise
            note(
                f"offkey: unexpected {type(error).__name__}: {error}. Run offkey --debug ... and report what it shows."
            )
            status = 2
    sys.exit(status or 0)


def _usage_status(error: Exception) -> int | None:
    """Return the exit status of what the parser of the command line raises: bad usage is shown, Ctrl-C is said."""
    if hasattr(error, "show") and hasattr(error, "exit_code"):
        error.show()
        return int(error.exit_code)
    if type(error).__name__ == "Abort":
        note("offkey: interrupted.")
        return 130
    return None


def _show_logs(debug: bool) -> None:
    """Show what the library warns of; what `fit` lists as notes and failures is shown there."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.CRITICAL, format="%(name)s: %(message)s")
    if not debug:
        for room in ("features", "datasets"):
            logging.getLogger(f"offkey.{room}").setLevel(logging.WARNING)


def _silence_native_stderr() -> None:
    """Keep ``sys.stderr``, and send away what decoders and TensorFlow write to the descriptor behind it."""
    try:
        ours = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    except OSError:  # there is no standard error
        return
    sys.stderr = ours
