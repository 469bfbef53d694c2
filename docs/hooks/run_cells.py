"""Run the cells of a notebook (a Python file in jupytext's percent format) and write down what they show.

Usage: python run_cells.py NOTEBOOK.py OUT.json     (in the folder that the notebook is to work in)

Code that fails ends the run with its traceback. What is written is a list of cells, each with ``kind`` (``"markdown"``
or ``"code"``), ``source``, ``tags``, and ``outputs``: lists of a type (``"text"``, ``"html"``, ``"png"`` or ``"wav"``)
and data. The tag ``remove-output`` drops the outputs of a cell.

``IPython.display`` is a stand-in, so that a notebook can show things and play sound without Jupyter being installed.
"""

import ast
import base64
import io
import json
import re
import sys
import types
from contextlib import redirect_stdout
from pathlib import Path

DPI = 110

outputs = []
"""What the cell that is running has shown so far."""


def cells_of(text):
    """Return the cells of a notebook: kind, source, and the line of the file that the source begins with."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    return [
        _cell(lines[start], lines[start + 1 : stop], start + 2)
        for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]


def _cell(head, lines, first):
    tags = re.search(r"tags=(\[.*?\])", head)
    cell = {"kind": "code", "tags": json.loads(tags[1]) if tags else [], "line": first + _n_empty(lines)}
    if "[markdown]" not in head:
        return cell | {"source": "\n".join(lines).strip("\n")}
    source = "\n".join(lines).strip()
    if source.startswith(('"""', 'r"""')):
        source = ast.literal_eval(source)
    else:
        source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
    return cell | {"kind": "markdown", "source": source.strip()}


def _n_empty(lines):
    return next((i for i, line in enumerate(lines) if line.strip()), 0)


def run(path, cells):
    """Run the code of the cells, one after the other with the same names, and add what each shows."""
    names = {"__name__": "__main__"}
    for cell in cells:
        outputs.clear()
        if cell["kind"] == "code":
            with redirect_stdout(_Printed()):
                _run_cell(path, cell, names)
        cell["outputs"] = [] if "remove-output" in cell["tags"] else list(outputs)


def _run_cell(path, cell, names):
    tree = ast.parse("\n" * (cell["line"] - 1) + cell["source"], str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(path), "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
        if value is not None and not cell["source"].rstrip().endswith(";"):
            display(value)
    _show_figures()


class _Printed(io.TextIOBase):
    """Takes what is printed."""

    def write(self, text):
        if outputs and outputs[-1][0] == "text":
            outputs[-1][1] += text
        else:
            outputs.append(["text", text])
        return len(text)


class Audio:
    """Sound to play: samples (n_samples,), and their rate in hertz; made as loud as it can be, as Jupyter does."""

    def __init__(self, data, rate, normalize=True):
        samples = data / max(abs(data).max(), 1e-9) if normalize else data
        self.data, self.rate = samples, rate


def display(*values):
    """Show values as a notebook does."""
    for value in values:
        if isinstance(value, Audio):
            outputs.append(["wav", _as_wav(value)])
        elif hasattr(value, "savefig"):
            outputs.append(_picture(value))
        elif as_html := getattr(value, "_repr_html_", lambda: None)():
            outputs.append(["html", as_html])
        else:
            sys.stdout.write(f"{value!r}\n")


def _as_wav(sound):
    import soundfile

    data = io.BytesIO()
    soundfile.write(data, sound.data, sound.rate, format="WAV", subtype="PCM_16")
    return base64.b64encode(data.getvalue()).decode()


def _stand_in_for_ipython():
    module = types.ModuleType("IPython.display")  # without the package itself, whose presence changes matplotlib
    module.Audio, module.display = Audio, display
    sys.modules["IPython.display"] = module


def _show_figures():
    """Show the figures that are open, and close them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        outputs.extend(_picture(pyplot.figure(number)) for number in pyplot.get_fignums())
        pyplot.close("all")


def _picture(figure):
    """Return a figure as PNG, with a text for those who do not see it."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, bbox_inches="tight")
    titles = [figure.get_suptitle(), *(ax.get_title() or ax.get_ylabel() for ax in figure.axes)]
    return ["png", base64.b64encode(data.getvalue()).decode(), "; ".join(filter(None, titles))]


if __name__ == "__main__":
    notebook, out = map(Path, sys.argv[1:])
    sys.path.insert(0, str(notebook.parent))
    _stand_in_for_ipython()
    found = cells_of(notebook.read_text(encoding="utf-8"))
    run(notebook, found)
    out.write_text(json.dumps(found), encoding="utf-8")
