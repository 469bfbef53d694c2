"""The command line: what it prints, writes and returns."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from offkey import Clip, write
from offkey.cli.console import detector_class, make_detector, parse_duration, parse_rate
from offkey.datasets import simulate
from offkey.errors import InputError


def offkey(*arguments, cwd=None):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "offkey", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", cwd=cwd, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A folder of a synthetic pump, fitted by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    simulate(folder, ["pump"], n_train=24, n_test_normal=4, n_test_anomaly=4, duration_s=1.0, rate=8000, snr_db=20)
    done = offkey("fit", "pump/train", "-o", "pump.offkey", "--window", "0.5s", "--false-alarms", "5%", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "learned from 24 recordings" in done.stdout
    assert "Strangest training recordings" in done.stdout
    assert done.stderr == ""
    return folder


def test_score_says_what_is_an_anomaly(machine):
    done = offkey("score", "pump/test", "-m", "pump.offkey", cwd=machine)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert sum(line.startswith("ANOMALY") and "anomaly_id" in line for line in lines) == 4
    assert sum(line.startswith("normal ") and "normal_id" in line for line in lines) >= 3
    assert "of 8 recordings are anomalies" in lines[-1]


def test_score_exits_with_1_only_if_asked(machine):
    faulty = "pump/test/anomaly_id_00_00000000.wav"
    assert offkey("score", faulty, "-m", "pump.offkey", cwd=machine).returncode == 0
    assert offkey("score", faulty, "-m", "pump.offkey", "--fail-on-anomaly", cwd=machine).returncode == 1
    normal = "pump/train/normal_id_00_00000000.wav"
    assert offkey("score", normal, "-m", "pump.offkey", "--fail-on-anomaly", cwd=machine).returncode == 0


def test_score_writes_json_and_tables(machine, tmp_path):
    csv = tmp_path / "scores.csv"
    done = offkey("score", "pump/test", "-m", "pump.offkey", "--json", "--windows", "--csv", csv, cwd=machine)
    document = json.loads(done.stdout)
    assert document["n_scored"] == 8
    n_windows = len(document["clips"][0]["windows"])
    assert n_windows == 4
    table = pd.read_csv(csv)
    assert list(table.columns) == ["path", "start_s", "stop_s", "score", "p_value", "is_anomaly"]
    assert len(table) == 8 * n_windows


def test_a_failure_is_reported_and_the_rest_is_scored(machine, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound", encoding="utf-8")
    write(Clip(np.random.default_rng(0).normal(0, 0.01, 16_000), 8000), tmp_path / "good ß.wav")
    done = offkey("score", tmp_path, "-m", "pump.offkey", cwd=machine)
    assert done.returncode == 2
    assert "good ß.wav" in done.stdout
    assert "bad.wav: is not a readable sound file" in done.stderr
    assert "1 of 2 recordings could not be scored" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_that_the_output_cannot_show_do_not_end_the_batch(machine, tmp_path):
    write(Clip(np.random.default_rng(0).normal(0, 0.01, 16_000), 8000), tmp_path / "ポンプ.wav")
    write(Clip(np.random.default_rng(1).normal(0, 0.01, 16_000), 8000), tmp_path / "zz.wav")
    command = [sys.executable, "-m", "offkey", "score", str(tmp_path), "-m", "pump.offkey"]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, cwd=machine, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"zz.wav" in done.stdout
    assert b"of 2 recordings" in done.stdout


def test_a_crash_is_not_taken_for_an_anomaly(machine, tmp_path):
    own = tmp_path / "broken.py"
    own.write_text(OWN.replace("max(axis=1)", "nonsense(axis=1)"), encoding="utf-8")
    out = tmp_path / "x.offkey"
    done = offkey("fit", "pump/train", "-o", out, "--detector", f"{own}:Loudest", "--window", "0.5s", cwd=machine)
    assert done.returncode == 2
    assert "unexpected AttributeError" in done.stderr
    assert "Traceback" not in done.stderr


def test_resampling_is_said(machine, tmp_path):
    write(Clip(np.random.default_rng(0).normal(0, 0.01, 44_100), 44_100), tmp_path / "cd.wav")
    done = offkey("score", tmp_path / "cd.wav", "-m", "pump.offkey", cwd=machine)
    assert "1 of 1 recordings were resampled to 8000 Hz" in done.stderr


def test_recordings_named_as_anomalies_are_warned_of(machine, tmp_path):
    done = offkey("fit", "pump", "-o", tmp_path / "all.offkey", "--window", "0.5s", cwd=machine)
    assert done.returncode == 0
    assert "warning: 4 recordings are named as anomalies" in done.stderr


def test_nothing_scored_is_not_an_all_clear(machine):
    done = offkey("score", "gone.wav", "-m", "pump.offkey", cwd=machine)
    assert done.returncode == 2
    assert "No recording could be scored." in done.stdout


def test_long_recordings_show_their_segments(machine, tmp_path):
    rng = np.random.default_rng(0)
    write(Clip(rng.normal(0, 0.01, 40_000), 8000), tmp_path / "long.wav")
    done = offkey("score", tmp_path / "long.wav", "-m", "pump.offkey", "--windows", cwd=machine)
    assert "segment 0.00-" in done.stdout
    assert "of single windows" in done.stdout


def test_evaluate_prints_figures(machine, tmp_path):
    done = offkey("evaluate", "pump", "-m", "pump.offkey", "--csv", tmp_path / "f.csv", cwd=machine)
    assert done.returncode == 0, done.stderr
    assert "AUC               1.000" in done.stdout
    assert pd.read_csv(tmp_path / "f.csv")["auc"][0] == 1
    document = json.loads(offkey("evaluate", "pump", "-m", "pump.offkey", "--json", cwd=machine).stdout)
    assert document["figures"][0]["n_anomaly"] == 4


def test_info_tells_what_is_inside(machine):
    done = offkey("info", "pump.offkey", cwd=machine)
    assert done.returncode == 0
    for words in ("NearestNeighbors()", "LogMel()", "8000 Hz", "Conformal(rate=0.05)", "24 recordings", "sha256"):
        assert words in done.stdout
    document = json.loads(offkey("info", "pump.offkey", "--json", cwd=machine).stdout)
    assert document["clips"]["n_recordings"] == 24


def test_fit_takes_tables_settings_and_other_detectors(machine, tmp_path):
    out = tmp_path / "nn.offkey"
    done = offkey(
        "fit", "table.csv", "-o", out, "--detector", "nearest-neighbors", "--set", "n_neighbors=2", "--window", "500ms",
        "--threshold", "gamma", "--drop-strangest", "1", "--json", cwd=machine,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["detector"] == "NearestNeighbors(n_neighbors=2)"
    assert outcome["n_recordings"] == 23


OWN = """
from offkey.detectors import Detector
from offkey.detectors.base import time_statistics

class Loudest(Detector):
    def _fit(self, windows):
        self.normal_ = float(time_statistics(windows).max())

    def _score(self, windows):
        return time_statistics(windows).max(axis=1) - self.normal_
"""


def test_a_detector_of_your_own(machine, tmp_path):
    own, out = tmp_path / "own.py", tmp_path / "own.offkey"
    own.write_text(OWN, encoding="utf-8")
    done = offkey("fit", "pump/train", "-o", out, "--detector", f"{own}:Loudest", "--window", "0.5s", cwd=machine)
    assert done.returncode == 0, done.stderr
    done = offkey("score", "pump/test", "-m", out, "--detector", f"{own}:Loudest", cwd=machine)
    assert done.returncode == 0, done.stderr
    done = offkey("score", "pump/test", "-m", out, cwd=machine)
    assert done.returncode == 2
    assert "--detector my_file.py:Loudest" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "nowhere", "-o", "x.offkey"], "does not exist"),
        (["fit", "pump/train", "-o", "no/such/folder.offkey"], "does not exist"),
        (["fit", "pump/train", "-o", "x.offkey", "--detector", "magic"], "There are: autoencoder"),
        (["fit", "pump/train", "-o", "x.offkey", "--detector", "gone.py:Magic"], "does not exist"),
        (["fit", "pump/train", "-o", "x.offkey", "--set", "depth=3"], "no parameter"),
        (["fit", "pump/train", "-o", "x.offkey", "--set", "depth"], "epochs=20"),
        (["fit", "pump/train", "-o", "x.offkey", "--window", "ten"], "above zero"),
        (["fit", "pump/train", "-o", "x.offkey", "--window", "1h"], "above zero"),
        (["fit", "pump/train", "-o", "x.offkey", "--false-alarms", "200%"], "between 0 and 100%"),
        (["fit", "pump/train", "-o", "x.offkey", "--threshold", "magic"], "conformal"),
        (["fit", "pump/train", "-o", "x.offkey", "--window", "20s"], "shorter than a window"),
        (["fit", "table.csv", "pump", "-o", "x.offkey"], "one table"),
        (["fit", "-o", "x.offkey"], "Missing argument"),
        (["fit", "pump/train", "-o", "x.offkey", "--drop-strangest", "22"], "Drop fewer"),
        (["score", "pump", "-m", "gone.offkey"], "does not exist"),
        (["score", "pump", "-m", "table.csv"], "not a bundle"),
        (["evaluate", "gone", "-m", "pump.offkey"], "neither a folder"),
        (["info", "pump"], "cannot be opened"),
        (["simulate", "x", "--machine", "toaster"], "There are: fan"),
        (["simulate", "x", "--duration", "1000min"], "at most"),
        (["fit", "pump/train", "-o", "."], "is a folder"),
        (["fit", "pump/train", "-o", "x.offkey", "--rate", "0"], "--rate"),
        (["fit", "pump/train", "-o", "x.offkey", "--exclude", "typo.wav"], "not among"),
        (["fit", "pump/train", "-o", "x.offkey", "--set", "n_neighbors=abc"], "whole number"),
        (["fit", "pump/train", "-o", "x.offkey", "--seed", "-1"], "--seed"),
        (["simulate", "x", "--rate", "1000"], "8000"),
        (["sing"], "No such command"),
    ],
)
def test_bad_usage_is_one_message_and_status_2(arguments, words, machine):
    done = offkey(*arguments, cwd=machine)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert not (machine / "x.offkey").exists()


def test_debug_shows_the_traceback(machine):
    assert "Traceback" in offkey("--debug", "info", "gone.offkey", cwd=machine).stderr


@pytest.mark.parametrize("verb", [[], ["demo"], ["fit"], ["score"], ["evaluate"], ["info"], ["simulate"]])
def test_every_verb_has_help_with_an_example(verb):
    done = offkey(*verb, "--help")
    assert done.returncode == 0
    assert not verb or f"offkey {verb[0]}" in done.stdout


def test_version():
    from offkey import __version__

    assert offkey("--version").stdout.strip() == f"offkey {__version__}"


def test_a_reader_that_goes_away_is_no_error(machine):
    command = f"{sys.executable} -m offkey score pump/test pump/train -m pump.offkey | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=machine, check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout.strip() in ("141", "0")  # 0 if it was quicker than its reader


@pytest.mark.skipif(os.name == "nt", reason="there is no pseudo terminal")
def test_progress_bars_show_on_a_terminal_and_nowhere_else(machine):
    import pty

    parent, child = pty.openpty()
    command = [sys.executable, "-m", "offkey", "score", "pump/test", "-m", "pump.offkey"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=child, cwd=machine, check=False)
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    assert done.returncode == 0
    assert b"scoring" in shown
    assert b"scoring" not in done.stdout


def test_times_and_rates_are_read_as_people_write_them():
    assert [parse_duration(text) for text in ("10s", "500ms", "2min", "1.5", None)] == [10, 0.5, 120, 1.5, None]
    assert [parse_rate(text) for text in ("1%", "0.05", "0.1%")] == pytest.approx([0.01, 0.05, 0.001])
    for text in ("0s", "-1s", "s", "inf", "nan"):
        with pytest.raises(InputError):
            parse_duration(text)
    for text in ("0", "100%", "x%", "nan"):
        with pytest.raises(InputError):
            parse_rate(text)


def test_every_detector_has_a_name_on_the_command_line():
    from offkey import detectors

    names = ["level", "gaussian", "nearest-neighbors", "autoencoder", "interpolation-autoencoder"]
    assert {detector_class(name) for name in names} == {
        getattr(detectors, n) for n in detectors.__all__ if n != "Detector"
    }
    assert make_detector("autoencoder", ["units=(8, 8)", "score=mse"]).get_params()["units"] == (8, 8)


@pytest.mark.slow
def test_demo_catches_its_faults_and_states_its_figures(tmp_path):
    pytest.importorskip("tensorflow")
    document = json.loads(offkey("demo", "--json", cwd=tmp_path).stdout)
    for name in ("gaussian", "autoencoder"):
        figures = document[name]["figures"]
        assert figures["auc"] > 0.95
        assert figures["recall"] > 0.8
        assert figures["false_alarm_rate"] <= 0.1
    assert document["level"]["figures"]["auc"] < document["gaussian"]["figures"]["auc"]
    assert (tmp_path / "offkey-demo" / "demo.png").stat().st_size > 10_000
