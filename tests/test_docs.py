"""The code of README, docs and CONTRIBUTING runs, and their links lead somewhere."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from offkey import write
from offkey.cli.app import VERBS, make_app
from offkey.datasets import simulate_clip

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
QUICK = {"index.md", "every-night.md", "explain.md", "false-alarms.md", "live.md", "motor-current.md", "ship.md"}
"""Pages that are run before every commit; the others with all tests."""


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def all_blocks(page):
    """Give the language, the title and the text of each block that is code to run."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r'^```(python|sh|bash)(?: title="(.+?)")?\n(.*?)^```$', text, flags=re.DOTALL | re.MULTILINE)


def run_command(line, capsys):
    """Run a line that begins with offkey in this process, and check its exit status."""
    words = shlex.split(line, comments=True)
    with pytest.raises(SystemExit) as stop:
        make_app([words[1]])(words[1:])
    assert stop.value.code == (1 if "--fail-on-anomaly" in words else 0), f"{line}: {capsys.readouterr().err}"


def run_page(page, capsys):
    """Run a page from top to bottom: Python with the same names throughout, commands, scripts; titles name files."""
    names = {"__name__": "page"}
    for language, title, text in all_blocks(page):
        if title:
            Path(title).write_text(text, encoding="utf-8")
        if language == "python" and not title:
            exec(compile(text, page.name, "exec"), names)
        elif language == "bash":
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            done = subprocess.run(["bash", "-c", text], env=os.environ | {"PATH": path}, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
        elif language == "sh":
            for line in text.splitlines():
                if line.startswith("offkey "):
                    run_command(line, capsys)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folders that the README names."""
    folder = tmp_path_factory.mktemp("made")
    for name, fault, numbers in (
        ("recordings/normal", None, range(24)),
        ("today", "bearing", range(100, 102)),
        ("labelled/normal", None, range(200, 204)),
        ("labelled/anomaly", "bearing", range(200, 204)),
        ("held-out", None, range(400, 406)),
        ("this-week", None, range(500, 512)),
    ):
        (folder / name).mkdir(parents=True)
        duration_s = 75.0 if name == "this-week" else 2.0
        for i in numbers:
            write(simulate_clip("pump", fault, number=i, duration_s=duration_s), folder / name / f"{i}.wav")
    write(simulate_clip("pump", number=300, duration_s=2.0), folder / "recordings" / "today.wav")
    return folder


@pytest.fixture
def logs(recordings):
    """Logs of sensors, and tables of a model's inputs, that the README names."""
    rng = np.random.default_rng(0)
    for name, columns, n_rows in (
        *((f"vibration/normal/{i}", ["x [g]", "y [g]"], 4096) for i in range(8)),
        ("vibration/today/0", ["x [g]", "y [g]"], 4096),
        *((f"circuit/normal/{i}", ["flow [l/min]", "pressure [bar]"], 300) for i in range(8)),
    ):
        table = pd.DataFrame(rng.normal(size=(n_rows, len(columns))), columns=columns)
        table.insert(0, "time", np.arange(n_rows) / (2048 if n_rows > 300 else 1))
        (recordings / name).parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(recordings / f"{name}.csv", index=False)
    for name in ("reference", "today"):
        pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "b", "c"]).to_csv(recordings / f"{name}.csv", index=False)


@pytest.fixture
def recordings(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] * (page.name == "decision-boundaries.md"))
        for page in PAGES
        if page not in HOW_TO
        and page.name != "CONTRIBUTING.md"
        and any(block[0] == "python" for block in all_blocks(page))
    ],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page, recordings, capsys):
    code = "\n".join(blocks(page, "python"))
    assert code
    exec(compile(code, page.name, "exec"), {"__name__": "page"})


@pytest.mark.skipif(sys.platform == "win32", reason="scripts on the pages need bash")
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=[pytest.mark.slow] * (page.name not in QUICK)) for page in HOW_TO],
)
def test_a_how_to_page_runs_from_top_to_bottom(page, recordings, monkeypatch, capsys):
    if page.name == "dcase.md":
        pytest.importorskip("tensorflow")
    monkeypatch.syspath_prepend(recordings)
    before = set(sys.modules)
    run_page(page, capsys)
    for name in set(sys.modules) - before:  # files that the page made
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(recordings)):
            del sys.modules[name]


def test_the_commands_of_the_start_page_run(recordings, capsys):
    run_page(DOCS / "index.md", capsys)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(logs, capsys):
    commands = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    ours = [line.partition("#")[0].split() for line in commands if line.startswith("offkey ")]
    verbs = "fit report score evaluate info fit report fit drift drift calibrate calibrate score threshold"
    assert [words[1] for words in ours] == [*verbs.split(), "sensitivity", "simulate", "compare", "dcase"]
    for words in ours:
        with pytest.raises(SystemExit) as stop:
            make_app()(words[1:])
        assert stop.value.code == (1 if "--fail-on-anomaly" in words else 0), capsys.readouterr().err


@pytest.mark.slow
def test_the_commands_of_the_page_on_boundaries_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks(ROOT / "docs" / "decision-boundaries.md", "sh") for line in block.splitlines()]
    verbs = {command.split()[1] for command in commands}
    assert verbs >= {"simulate", "fit", "score", "info", "calibrate", "threshold", "sensitivity"}
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            make_app()(command.split()[1:])
        assert stop.value.code == 0, f"{command}: {capsys.readouterr().err}"


def test_the_detector_of_contributing_works(pump_clips, whining_pump):
    from offkey import Pipeline
    from offkey.decisions import Conformal

    (code,) = blocks(ROOT / "CONTRIBUTING.md", "python")
    names = {"__name__": "contributed"}
    exec(compile(code, "loudest.py", "exec"), names)
    pipeline = Pipeline(names["Loudest"](), window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)
    assert np.isfinite(pipeline.decide(whining_pump).score)


@pytest.mark.slow
def test_the_pictures_of_the_pages_are_drawn_from_their_code(tmp_path):
    import matplotlib.image

    runpy.run_path(str(DOCS / "pictures" / "draw.py"))["main"](tmp_path)
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    named = {name for text in texts for name in re.findall(r"!\[[^\]]+\]\([./]*pictures/(.+?)\)", text)}
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert sorted(named) == drawn == sorted(path.name for path in (DOCS / "pictures").glob("*.png"))
    for name in drawn:
        assert (DOCS / "pictures" / name).stat().st_size < 60_000
        assert matplotlib.image.imread(tmp_path / name).shape[1] == 900


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_decision_is_listed():
    index = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    for page in sorted((DOCS / "decisions").glob("0*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


def test_every_page_is_in_the_navigation():
    _, _, nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")
    entries = re.findall(r"([\w/*-]+(?:\.md|\*))$", nav, flags=re.MULTILINE)
    for page in sorted(DOCS.rglob("*.md")):
        name = page.relative_to(DOCS).as_posix()
        assert any(fnmatch(name, entry) for entry in entries), name


def test_every_verb_and_option_is_in_the_reference():
    from typer.main import get_command

    made = runpy.run_path(str(DOCS / "hooks" / "command_line.py"))["verbs_as_markdown"]()
    assert re.findall(r"^## `offkey (.+)`$", made, flags=re.MULTILINE) == list(VERBS)
    for command in get_command(make_app()).commands.values():
        options = [name for param in command.params for name in param.opts if name.startswith("-")]
        assert all(f"`{name}`" in made for name in options)


def test_every_room_that_users_import_from_is_in_the_reference():
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md")}
    rooms = re.findall(r"^::: (offkey\.[a-z]+)$", "\n".join(pages.values()), flags=re.MULTILINE)
    assert set(rooms) >= {f"offkey.{room}" for room in import_module("offkey").__all__ if room.islower()} - {
        f"offkey.{name}" for name in ("blocks", "load", "read", "write", "__version__")
    }
    for room in map(import_module, rooms):  # a function that has its module's name hides from the reference
        for name in room.__all__:
            if f"{room.__name__}.{name}" in sys.modules:
                assert f"::: {room.__name__}.{name}.{name}\n" in pages[room.__name__.partition(".")[2]], name


NOTEBOOK = """# ---
# jupyter: {}
# ---

# %% [markdown]
# # A title
#
# Some *text*.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Audio, display

print("one")
print("two")
plt.plot([1, 2])
plt.title("a line");

# %%
display(Audio(np.sin(np.arange(800)), rate=8000))
pd.DataFrame({"name": ["<fan>"]})

# %% tags=["remove-output"]
print("not shown")
nobody
"""


def run_notebook(folder, text):
    folder.joinpath("notebook.py").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(DOCS / "hooks" / "run_cells.py"), "notebook.py", "cells.json"],
        cwd=folder, env=os.environ | {"MPLBACKEND": "agg"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_page_of_the_tutorial_shows_what_its_cells_show(tmp_path):
    pytest.importorskip("matplotlib")
    done = run_notebook(tmp_path, NOTEBOOK.replace("nobody", "None"))
    assert (done.returncode, done.stderr) == (0, "")
    title, first, second, third = json.loads((tmp_path / "cells.json").read_text(encoding="utf-8"))
    assert third["tags"] == ["remove-output"]
    assert title["source"] == "# A title\n\nSome *text*."
    assert first["outputs"][0] == ["text", "one\ntwo\n"]
    kind, data, said = first["outputs"][1]
    assert (kind, said, data[:11]) == ("png", "a line", "iVBORw0KGgo")
    assert [output[0] for output in second["outputs"]] == ["wav", "html"]
    assert "&lt;fan&gt;" in second["outputs"][1][1]
    assert third["outputs"] == []


def test_a_notebook_that_fails_says_where(tmp_path):
    pytest.importorskip("matplotlib")
    done = run_notebook(tmp_path, NOTEBOOK)
    assert done.returncode == 1
    line = NOTEBOOK.splitlines().index("nobody") + 1
    assert f'notebook.py", line {line}' in done.stderr
    assert not (tmp_path / "cells.json").exists()


def test_the_readme_names_every_detector_and_the_glossary_every_noun():
    from offkey import detectors

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in detectors.__all__ if name != "Detector")
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert all(f"| {noun} |" in glossary for noun in ("clip", "frame", "window", "detector", "threshold", "bundle"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs make")
def test_make_help_lists_about_seven_words():
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "help", "install", "demo", "test", "check", "docs", "bench", "clean",
    ]  # fmt: skip
