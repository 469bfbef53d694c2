"""The tutorial's notebooks are whole, run, and take as long as they say; the talk behind them is complete."""

import ast
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorial"
TALK = FOLDER.parent / "talk.md"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
TRAINING = ("4_autoencoder.py", "5_interpolation.py")
WITH_REAL_CLIPS = ("2_data.py", "3_representations.py", "6_boundaries.py")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path):
    """Return kind and text of each cell of a notebook in jupytext's percent format; comments without their mark."""
    _, header, body = path.read_text(encoding="utf-8").split("# ---\n", 2)
    parts = re.split(r"^# %%(.*)\n", body, flags=re.MULTILINE)
    assert not parts[0].strip(), "something stands before the first cell"
    cells = []
    for mark, text in zip(parts[1::2], parts[2::2], strict=True):
        if "[markdown]" in mark:
            lines = text.strip().splitlines()
            assert all(line == "#" or line.startswith("# ") for line in lines), "a text cell holds code"
            cells.append(("text", "\n".join(line[2:] for line in lines)))
        else:
            cells.append(("code", text.strip()))
    return header, cells


def texts_of(path):
    return [text for kind, text in cells_of(path)[1] if kind == "text"]


def sections_of(path):
    """Return the sections of a page by their headings."""
    found = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {title: " ".join(text.split()) if "|" not in text else text for title, text in found}


def minutes_of(path):
    (minutes,) = re.findall(r"^\*Part \d of 7\. (\d+) minutes to read\.\*$", texts_of(path)[0], re.MULTILINE)
    return int(minutes)


def test_there_are_seven_notebooks_in_order():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n}_" for n in range(1, 8)]


@each_notebook
def test_a_notebook_opens_in_jupyter(path):
    header, cells = cells_of(path)
    for line in ("format_name: percent", "language: python", "name: python3"):
        assert f" {line}\n" in header
    assert {kind for kind, _ in cells} == {"text", "code"}
    assert all(text for _, text in cells), "an empty cell"


@each_notebook
def test_a_notebook_is_plain_python_without_magics(path):
    ast.parse(path.read_text(encoding="utf-8"))
    for kind, text in cells_of(path)[1]:
        if kind == "code":
            ast.parse(text)  # each cell on its own, too
            assert "get_ipython" not in text


@each_notebook
def test_a_notebook_begins_with_its_only_title_its_place_and_what_it_teaches(path):
    first, *others = texts_of(path)
    title = re.match(r"# (\d)\. .+\n", first)
    assert title
    assert title[1] == path.name[0]
    assert f"*Part {title[1]} of 7." in first
    assert "After this part you can\n\n- " in first
    assert not any(re.search(r"^# ", text, re.MULTILINE) for text in others)


@each_notebook
def test_a_notebook_has_two_exercises_or_more_each_followed_by_its_solution(path):
    _, cells = cells_of(path)
    numbers = []
    for (_, text), (kind, following) in pairwise(cells):
        found = re.search(r"^### Exercise (\d)", text, re.MULTILINE)
        if found:
            numbers.append(int(found[1]))
            assert kind == "code"
            assert following.startswith(f"# Solution {found[1]}\n")
    assert len(numbers) >= 2
    assert numbers == list(range(1, len(numbers) + 1))


@each_notebook
def test_a_notebook_ends_with_takeaways(path):
    last = texts_of(path)[-1]
    assert "## Takeaways\n\n- " in last
    takeaways = last.partition("## Takeaways")[2]
    assert 3 <= len(re.findall(r"^- ", takeaways, re.MULTILINE)) <= 5


@each_notebook
def test_a_notebook_has_pictures_and_checks_what_it_claims(path):
    code = "\n".join(text for kind, text in cells_of(path)[1] if kind == "code")
    assert code.count("plt.show()") >= 4
    assert code.count("assert ") >= 5
    assert "savefig" not in code


@each_notebook
def test_a_notebook_says_that_its_machines_are_simulated_and_names_no_folder_of_anybody(path):
    text = path.read_text(encoding="utf-8")
    assert "simulate" in "".join(texts_of(path)).lower()
    assert not re.search(r"[\"' (](/work|/home|/tmp|/Users|[A-Z]:\\)", text)
    assert ("OFFKEY_DATA" in text) == (path.name in WITH_REAL_CLIPS)


@each_notebook
def test_tensorflow_is_needed_only_where_networks_are_trained(path):
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert bool(imported & {"tensorflow", "keras"}) == (path.name in TRAINING)


def test_the_minutes_are_those_of_the_index_and_about_45_in_all():
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d) \| \[(.+?)\]\((.+?)\) \| (\d+) \|", index, re.MULTILINE)
    assert [name for _, _, name, _ in listed] == [path.name for path in NOTEBOOKS]
    for (number, title, _, minutes), path in zip(listed, NOTEBOOKS, strict=True):
        assert texts_of(path)[0].startswith(f"# {number}. {title}\n")
        assert int(minutes) == minutes_of(path)
    assert 40 <= sum(minutes_of(path) for path in NOTEBOOKS) <= 50


def test_the_talk_has_all_its_parts_and_their_lengths():
    sections = sections_of(TALK)
    assert list(sections) == ["Title", "Tweet", "Abstract", "Description", "Outline"]
    assert 10 <= len(sections["Title"]) <= 100
    assert 60 <= len(sections["Tweet"]) <= 280
    assert 200 <= len(sections["Abstract"]) <= 1500
    parts = re.findall(r"^### (.+)$", TALK.read_text(encoding="utf-8"), re.MULTILINE)
    assert parts == ["Problem", "Why it matters to you", "Solutions", "Takeaways", "Audience"]


def test_the_minutes_of_the_talk_are_those_it_states():
    outline = sections_of(TALK)["Outline"]
    stated = int(re.search(r"(\d+) minutes, questions included", outline)[1])
    assert sum(int(minutes) for minutes in re.findall(r"^\| (\d+) \|", outline, re.MULTILINE)) == stated == 45


def run(path, folder, **more):
    """Run a notebook as a script in an empty folder, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "OFFKEY_DATA"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore:FigureCanvasAgg is non-interactive", str(path)],
        cwd=folder,
        env=environment | {"MPLBACKEND": "Agg"} | more,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\b\w*Warning: ", done.stdout + done.stderr), done.stderr
    assert not re.search(r"^(WARNING|ERROR):offkey", done.stderr, re.MULTILINE), done.stderr
    assert not list(folder.iterdir()), "files were left behind"
    return done.stdout


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_as_a_script(path, tmp_path):
    printed = run(path, tmp_path)
    assert ("go on with simulated sound" in printed) == (path.name in WITH_REAL_CLIPS)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("name", WITH_REAL_CLIPS)
def test_a_notebook_shows_real_clips_where_they_are(name, data, tmp_path):
    assert "go on with simulated sound" not in run(FOLDER / name, tmp_path, OFFKEY_DATA=str(data.resolve()))
