"""Notebooks of the tutorial: each is run when the site is built, and becomes a page with what its cells show.

Called by mkdocs, as ``hooks`` in mkdocs.yml says. One whose code fails ends the build.
"""

import base64
import html
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

logger = logging.getLogger("mkdocs.hooks.notebooks")

RUNNER = Path(__file__).with_name("run_cells.py")
NOTEBOOK = re.compile(r"tutorial/\d\w*\.py")
PLAYER = '<audio controls preload="metadata" src="{}"></audio>'
SLOT = re.compile(r"<p>offkey-output-(\d+)</p>")

shown = {}
"""What the cells of each page show, as HTML, by the page's path."""


def on_files(files, config):
    """Run all notebooks, two at a time, and put pages, pictures and Jupyter's own files in their place."""
    notebooks = [file for file in list(files) if NOTEBOOK.fullmatch(file.src_uri)]
    paths = [Path(file.abs_src_path) for file in notebooks]
    with ThreadPoolExecutor(2) as pool:
        ran = pool.map(_run, paths, [path.read_text(encoding="utf-8") for path in paths])
        for file, cells in zip(notebooks, ran, strict=True):
            files.remove(file)
            stem = file.src_uri.removesuffix(".py")
            for uri, content in _made(stem, cells):
                files.append(File.generated(config, uri, content=content))
    return files


def on_page_content(text, page, config, files):
    """Put what the cells show into the page."""
    outputs = shown.get(page.file.src_uri, [])
    return SLOT.sub(lambda slot: outputs[int(slot[1])], text) if outputs else text


@cache
def _run(path, text):
    """Run a notebook; one whose text is the same is not run again by ``mkdocs serve``."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "cells.json")
        work = Path(folder, "work")
        work.mkdir()
        done = subprocess.run(
            [sys.executable, str(RUNNER), str(path), str(out)],
            cwd=work, env=_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PluginError(f"{path}: the code of the notebook fails.\n{done.stderr}")
        logger.info("Ran %s in %.0f s", path.name, time.monotonic() - began)
        return json.loads(out.read_text(encoding="utf-8"))


def _environment():
    """Return what notebooks run with: no windows, and no real recordings, which are not ours to publish."""
    return {name: value for name, value in os.environ.items() if name != "OFFKEY_DATA"} | {"MPLBACKEND": "agg"}


def _made(stem, cells):
    """Yield the files that a notebook becomes: its path in the site, and its content."""
    name, slots, parts = Path(stem).name, [], []
    for cell in cells:
        if cell["kind"] == "markdown":
            parts.append(cell["source"])
            continue
        own = [f"```python\n{cell['source']}\n```"] if cell["source"] else []
        for kind, data, *text in cell["outputs"]:
            own.append(f"offkey-output-{len(slots)}")
            if kind in ("png", "wav"):
                file = f"{name}_{len(slots)}.{kind}"
                yield f"tutorial/{file}", base64.b64decode(data)
                data = PLAYER.format(file) if kind == "wav" else f'<img src="{file}" alt="{html.escape(text[0])}">'
            elif kind == "text":
                data = f"<pre>{html.escape(data)}</pre>"
            else:
                data = re.sub(r"<style.*?</style>", "", data, flags=re.DOTALL)
            slots.append(f'<div class="output">{data}</div>')
        parts += [_folded("\n\n".join(own))] if "solution" in cell["tags"] else own
    shown[f"{stem}.md"] = slots
    title, _, rest = "\n\n".join(parts).partition("\n")
    yield f"{stem}.md", f"{title}\n\n[Take it as a notebook]({name}.ipynb){{ download={name}.ipynb }}\n{rest}\n"
    yield f"{stem}.ipynb", json.dumps(_as_jupyter(cells), indent=1)


def _folded(text):
    return '??? success "Solution"\n' + textwrap.indent(text, "    ")


def _as_jupyter(cells):
    """Return the notebook as Jupyter keeps it (nbformat 4.5), with what its cells show."""
    made = []
    for number, cell in enumerate(cells):
        metadata = {"tags": cell["tags"]} if cell["tags"] else {}
        own = {"cell_type": cell["kind"], "id": f"cell-{number}", "metadata": metadata, "source": cell["source"]}
        if cell["kind"] == "code":
            outputs = [
                {"output_type": "display_data", "metadata": {}, "data": _mime(kind, data)}
                for kind, data, *_ in cell["outputs"]
            ]
            own |= {"execution_count": None, "outputs": outputs}
        made.append(own)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _mime(kind, data):
    if kind == "wav":
        return {"text/html": PLAYER.format(f"data:audio/wav;base64,{data}")}
    return {{"text": "text/plain", "html": "text/html", "png": "image/png"}[kind]: data}
