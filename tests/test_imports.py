"""What is imported when: heavy libraries only where they are needed."""

import json
import subprocess
import sys

import pytest

from offkey import Clip, write

HEAVY = {"tensorflow", "keras", "librosa", "pandas", "matplotlib", "sklearn", "onnxruntime", "h5py"}


def loaded_after(code, *arguments):
    """Names of the top-level modules that a fresh interpreter holds after some code."""
    tail = "\nimport sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-c", code + tail, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_offkey_loads_nothing_heavy():
    assert not loaded_after("import offkey") & (HEAVY | {"scipy", "soundfile"})


def test_help_loads_nothing_heavy():
    code = "from offkey.cli.app import make_app\ntry:\n    make_app()(['--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_after(code) & HEAVY


SCORE = """
import sys
sys.argv = ["offkey", "score", sys.argv[1], "-m", sys.argv[2]]
from offkey.cli.app import make_app
try:
    make_app()()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


NETWORKS = [pytest.param(f"{kind}_pipeline", marks=pytest.mark.slow) for kind in ("network", "classifier", "embedding")]


@pytest.mark.parametrize("kind", ["pipeline", *NETWORKS])
def test_scoring_loads_nothing_heavy(kind, request, tmp_path, pump_clips):
    bundle, recording = tmp_path / "pump.offkey", tmp_path / "pump.wav"
    request.getfixturevalue(kind).save(bundle)
    write(Clip(pump_clips[0].samples, pump_clips[0].rate), recording)
    loaded = loaded_after(SCORE, recording, bundle)
    assert "numpy" in loaded
    assert not loaded & HEAVY
