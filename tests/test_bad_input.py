"""Thousands of damaged and hostile files: a clear sentence or a finite score for each, never a traceback or a hang."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from offkey import Pipeline

HOSTILE = Path(__file__).with_name("hostile.py")


@pytest.fixture(scope="module")
def results(pump_clips, tmp_path_factory):
    if os.name == "nt":
        pytest.skip("limits are POSIX's")
    folder = tmp_path_factory.mktemp("hostile")
    bundle = folder / "pump.offkey"
    Pipeline(window_s=0.5).fit(pump_clips).save(bundle)
    command = [sys.executable, str(HOSTILE), str(bundle), str(folder), "190"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stdout[-300:]} {done.stderr[-2000:]}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_every_hostile_file_gives_a_score_or_a_sentence(results):
    assert len(results) >= 2000
    tracebacks = [(name, text) for name, kind, text in results if kind == "traceback"]
    assert tracebacks == []
    kinds = [kind for _, kind, _ in results]
    assert kinds.count("failure") > 500
    assert kinds.count("decision") > 100


@pytest.mark.slow
def test_every_failure_names_its_file_and_is_one_line(results):
    for name, kind, text in results:
        if kind == "failure":
            assert name in text
            assert "\n" not in text
            assert text.endswith(".")
            assert len(text) < 500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("value-nan.wav", "NaN"), ("value-inf.wav", "NaN or infinite"), ("length-0.wav", "no samples"),
        ("length-1.wav", "shorter than a window"), ("channels-64.wav", "64 channels"), ("text.wav", "not a readable"),
        ("empty.wav", "0 bytes"), ("link.wav", "broken link"), ("pipe.wav", "device or pipe"),
        ("gone.wav", "does not exist"), ("rate-8.wav", ""), ("rate-1000000.wav", "shorter than a window"),
        ("header-data-2147483647.wav", ""),
    ],
)  # fmt: skip
def test_some_hostile_files_and_what_is_said_of_them(results, name, words):
    found = {each: (kind, text) for each, kind, text in results}
    kind, text = found[name]
    assert words in text
    assert kind == ("failure" if words else kind)


@pytest.mark.slow
def test_hostile_files_through_the_command_line(pipeline, tmp_path):
    sys.path.insert(0, str(HOSTILE.parent))
    import hostile

    folder = tmp_path / "files"
    folder.mkdir()
    files = list(hostile.hostile())[:24] + list(hostile.mutated(1))
    for name, content in files:
        (folder / name).write_bytes(content)
    pipeline.save(tmp_path / "pump.offkey")
    command = [sys.executable, "-m", "offkey", "score", str(folder), "-m", str(tmp_path / "pump.offkey")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert len(files) >= 30
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    reported = [line for line in done.stderr.splitlines() if line.startswith("not scored: ")]
    scored = [line for line in done.stdout.splitlines() if line.startswith(("normal", "ANOMALY"))]
    assert len(reported) + len(scored) == len(files)
    others = [line for line in done.stderr.splitlines() if line not in reported]  # no chatter of decoders comes through
    assert [line.partition(" of ")[2] for line in others] == [
        "35 recordings: check that first.",
        "35 recordings were resampled to 8000 Hz.",
        "35 recordings could not be scored.",
    ]
