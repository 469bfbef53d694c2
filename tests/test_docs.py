"""The code of README, docs and CONTRIBUTING runs, and their links lead somewhere."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from offkey import write
from offkey.cli.app import make_app
from offkey.datasets import simulate_clip

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


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
def recordings(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("all-of-it", "decision-boundaries", "detectors"))],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page, recordings, capsys):
    code = "\n".join(blocks(page, "python"))
    assert code
    exec(compile(code, page.name, "exec"), {"__name__": "page"})


def test_the_commands_of_the_readme_run(recordings, capsys):
    commands = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    ours = [line.partition("#")[0].split() for line in commands if line.startswith("offkey ")]
    verbs = "fit score evaluate info calibrate calibrate score threshold sensitivity simulate compare dcase"
    assert [words[1] for words in ours] == verbs.split()
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
def test_the_pictures_of_the_page_on_boundaries_are_drawn_from_its_code(tmp_path):
    import runpy

    import matplotlib.image

    page = ROOT / "docs" / "decision-boundaries.md"
    runpy.run_path(str(page.parent / "pictures" / "draw.py"))["main"](tmp_path)
    named = re.findall(r"!\[[^\]]+\]\(pictures/(.+?)\)", page.read_text(encoding="utf-8"))
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert sorted(named) == drawn == sorted(path.name for path in (page.parent / "pictures").glob("*.png"))
    for name in drawn:
        assert (page.parent / "pictures" / name).stat().st_size < 60_000
        assert matplotlib.image.imread(tmp_path / name).shape[1] == 900


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_detector_and_the_glossary_every_noun():
    from offkey import detectors

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in detectors.__all__ if name != "Detector")
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert all(f"| {noun} |" in glossary for noun in ("clip", "frame", "window", "detector", "threshold", "bundle"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs make")
def test_make_help_lists_about_seven_words():
    import subprocess

    done = subprocess.run(
        ["make", "--no-print-directory", "help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "help", "install", "demo", "test", "check", "docs", "bench", "clean",
    ]  # fmt: skip
