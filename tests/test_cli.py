"""The command line: what it prints, writes and returns."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from offkey import Clip, write
from offkey.cli import app
from offkey.cli.detectors import make_detector, parse_settings
from offkey.cli.options import parse_duration, parse_rate
from offkey.datasets import simulate
from offkey.errors import InputError
from offkey.recipes import RECIPES


def offkey(*arguments, cwd=None):
    """Run the command in this process: what it printed, and its exit status."""
    out, err, here = io.StringIO(), io.StringIO(), Path.cwd()
    try:
        os.chdir(cwd or here)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["offkey", *map(str, arguments)])
            patch.setattr(app, "_silence_native_stderr", lambda: None)
            with pytest.raises(SystemExit) as stop:
                app.main()
    finally:
        os.chdir(here)
    return subprocess.CompletedProcess(arguments, stop.value.code, out.getvalue(), err.getvalue())


def offkey_alone(*arguments, cwd=None):
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


def test_recipes_are_named_in_the_help_and_stand_alone(machine):
    help_text = offkey("fit", "--help").stdout
    assert all(name in help_text for name in RECIPES)
    both = offkey(
        "fit", "pump/train", "-o", "r.offkey", "--recipe", "dcase2023-mse", "--detector", "level", cwd=machine
    )
    assert both.returncode == 2
    assert "give one of both" in both.stderr
    unknown = offkey("fit", "pump/train", "-o", "r.offkey", "--recipe", "dcase", cwd=machine)
    assert unknown.returncode == 2
    assert "dcase2020-autoencoder, dcase2021-autoencoder" in unknown.stderr
    assert not (machine / "r.offkey").exists()


@pytest.mark.slow
def test_fit_takes_a_recipe_that_other_options_change(machine):
    pytest.importorskip("tensorflow")
    done = offkey(
        "fit", "pump", "-o", "recipe.offkey", "--recipe", "dcase2023-selective", "--set", "epochs=1",
        "--set", "units=(8,)", "--false-alarms", "20%", "--hop", "0.25s", cwd=machine,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "24 recordings" in done.stdout
    assert "Nothing tells the domain" in done.stdout
    told = offkey("info", "recipe.offkey", cwd=machine).stdout
    assert "score='selective-mahalanobis', seed=13711" in told
    assert "GammaTail(rate=0.2)" in told
    assert "window      0.96 s, every 0.256 s" in told


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
    assert offkey_alone("score", faulty, "-m", "pump.offkey", "--fail-on-anomaly", cwd=machine).returncode == 1
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
    done = offkey_alone("fit", "pump/train", "-o", out, "--detector", f"{own}:Loudest", "--window", "0.5s", cwd=machine)
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


def test_sensitivity_says_what_would_be_heard(machine, tmp_path):
    normal = [f"pump/train/normal_id_00_0000000{i}.wav" for i in range(6)]
    options = ["-m", "pump.offkey", "--fault", "bearing", "--fault", "louder", "--band", "1000"]
    files = ["--csv", tmp_path / "f.csv", "--picture", tmp_path / "f.png"]
    done = offkey("sensitivity", *normal, "pump/test/anomaly_id_00_00000000.wav", *options, *files, cwd=machine)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("bearing") and "1 kHz" in line and line.endswith("dB SNR") for line in lines)
    assert lines[-1].startswith(
        "At 5 % false alarms, half of the recordings with the fault bearing in the octave at 1 kHz"
    )
    assert lines[-1].endswith("dB SNR on.")
    assert "6 of 6 recordings are among those" in done.stderr
    assert "1 recordings are named as anomalies and were left out" in done.stderr
    assert list(pd.read_csv(tmp_path / "f.csv")["fault"]) == ["bearing", "louder"]
    assert (tmp_path / "f.png").stat().st_size > 10_000
    (tmp_path / "bad.wav").write_text("no sound", encoding="utf-8")
    done = offkey("sensitivity", tmp_path, *normal, *options, "--json", cwd=machine)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert len(document["rows"][0]["ladder"]) == len(document["rows"][0]["caught"])
    assert "1 recordings could not be used" in done.stderr


@pytest.fixture
def bundle(machine, tmp_path):
    """A copy of the machine's bundle, to write to."""
    return shutil.copy(machine / "pump.offkey", tmp_path / "pump.offkey")


def test_threshold_rewrites_the_bundle_and_decisions_change(machine, bundle, tmp_path):
    low = tmp_path / "low.offkey"
    fit = ("fit", "pump/train", "-o", low, "--window", "0.5s", "--threshold", "-100")
    assert offkey(*fit, cwd=machine).returncode == 0
    assert "8 of 8 recordings are anomalies" in offkey("score", "pump/test", "-m", low, cwd=machine).stdout
    done = offkey("threshold", "pump", "-m", low, cwd=machine)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "4 normal and 4 anomalous recordings" in done.stdout
    (chosen,) = [line for line in done.stdout.splitlines() if line.startswith(">")]
    assert chosen.split()[2:] == ["100.0%", "0.0%", "100.0%", "1", "chosen"]
    assert any(line.endswith("until now") for line in done.stdout.splitlines())
    assert "Chosen for the best F1: a threshold of " in done.stdout
    assert "how much cannot be said: 5 recordings of each kind are needed, and there are 4" in done.stdout
    assert "4 of 8 recordings are anomalies" in offkey("score", "pump/test", "-m", low, cwd=machine).stdout
    assert "by FBeta()" in offkey("info", low).stdout


def test_threshold_leaves_the_bundle_on_a_dry_run_and_where_another_is_named(machine, bundle, tmp_path):
    before, out = (tmp_path / "pump.offkey").read_bytes(), tmp_path / "out.offkey"
    csv, png = tmp_path / "curve.csv", tmp_path / "curve.png"
    options = ["--miss-cost", "50", "--anomaly-fraction", "1%", "--csv", csv, "--picture", png, "--json"]
    done = offkey("threshold", "pump", "-m", bundle, *options, "--dry-run", cwd=machine)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["bundle"] is None
    assert document["rule"] == "MinimumCost(anomaly_fraction=0.01)"
    assert len(document["curve"]) == len(pd.read_csv(csv)) == 9
    assert png.stat().st_size > 10_000
    done = offkey("threshold", "pump", "-m", bundle, "--recall", "70%", "-o", out, cwd=machine)
    assert "Chosen for a recall of 70.0%" in done.stdout
    assert "by FixedRecall(recall=0.7)" in offkey("info", out).stdout
    assert (tmp_path / "pump.offkey").read_bytes() == before


def test_threshold_reports_what_could_not_be_scored(machine, bundle, tmp_path):
    table = pd.read_csv(machine / "table.csv")
    table["path"] = [str(machine / path) for path in table["path"]]
    table.loc[len(table)] = {"path": str(tmp_path / "gone.wav"), "label": 1, "split": "test"}
    table.to_csv(tmp_path / "table.csv", index=False)
    done = offkey("threshold", tmp_path / "table.csv", "-m", bundle)
    assert done.returncode == 2
    assert "gone.wav: does not exist" in done.stderr
    assert f"Wrote {bundle}" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--beta", "0"], "A beta of 0.0 was given"),
        (["--beta", "2", "--recall", "95%"], "--beta and --recall were given"),
        (["--recall", "95%", "--miss-cost", "5"], "--recall and --miss-cost were given"),
        (["--anomaly-fraction", "1%"], "without --miss-cost"),
        (["--miss-cost", "nan"], "A cost of nan was given"),
        (["--miss-cost", "5", "--false-alarm-cost", "-1"], "A cost of -1.0 was given"),
        (["--miss-cost", "5", "--anomaly-fraction", "2"], "The anomaly fraction '2' was given"),
        (["--recall", "120%"], "The recall '120%' was given"),
        (["--picture", "gone/curve.png"], "cannot be written"),
        (["-o", "."], "is a folder"),
    ],
)
def test_threshold_changes_nothing_on_bad_usage(options, words, machine):
    before = (machine / "pump.offkey").read_bytes()
    done = offkey("threshold", "pump", "-m", "pump.offkey", *options, cwd=machine)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert (machine / "pump.offkey").read_bytes() == before


@pytest.mark.parametrize(("labels", "words"), [([0, 0], "one class only"), ([None, None], "No labelled recording")])
def test_threshold_needs_labels_of_both_kinds(labels, words, machine, tmp_path):
    paths = [machine / "pump" / "test" / f"normal_id_00_0000000{i}.wav" for i in (0, 1)]
    pd.DataFrame({"path": paths, "label": labels}).to_csv(tmp_path / "table.csv", index=False)
    done = offkey("threshold", tmp_path / "table.csv", "-m", "pump.offkey", cwd=machine)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_calibrate_refits_the_boundary_and_says_what_changed(machine, bundle):
    before = bundle.read_bytes()
    done = offkey("calibrate", "-m", bundle, "--false-alarms", "20%", cwd=machine)
    assert done.returncode == 0, done.stderr
    assert "24 calibration recordings and 0 more: threshold" in done.stdout
    assert bundle.read_bytes() != before
    normal = "pump/test/normal_id_00_00000000.wav"
    marked = offkey("calibrate", "-m", bundle, "pump/train", "--mark-normal", normal, "--json", cwd=machine)
    assert marked.returncode == 2, "the training recordings count already, and that is reported"
    assert json.loads(marked.stdout)["n_added"] == 1
    assert marked.stderr.count("counts already") == 24
    story = offkey("info", bundle, cwd=machine).stdout
    for words in ("25 recordings: 24 of the fit", "1 false alarms marked as normal", "rate=0.2", "no promise"):
        assert words in story


def test_a_budget_is_told_in_plain_words_and_decides_by_events(machine, bundle):
    other = bundle.with_name("budget.offkey")
    done = offkey("calibrate", "-m", bundle, "--false-alarms", "120/h", "--cooldown", "1s", "-o", other, cwd=machine)
    assert done.returncode == 0, done.stderr
    assert "120 false alarms an hour need a threshold of" in done.stdout
    assert "90 % interval" in done.stdout
    story = offkey("info", other, cwd=machine).stdout
    assert story.count("120 false alarms an hour") == 1
    assert "cooldown_s=1.0" in story
    scored = offkey("score", "pump/test", "-m", other, "--events", cwd=machine)
    assert "at most 120/h false alarms are expected" in scored.stdout
    assert 1 <= scored.stdout.count("ANOMALY") <= scored.stdout.count("\nevent ")
    document = json.loads(offkey("score", "pump/test", "-m", other, "--json", cwd=machine).stdout)
    for clip in document["clips"]:
        assert clip["is_anomaly"] == bool(clip["events"])
        assert clip["n_events"] == len(clip["events"])


def test_a_false_discovery_rate_decides_about_the_batch(machine, tmp_path):
    csv = tmp_path / "batch.csv"
    done = offkey("score", "pump/test", "-m", "pump.offkey", "--fdr", "20%", "--csv", csv, cwd=machine)
    assert done.returncode == 0
    table = pd.read_csv(csv)
    n_reported = table["is_anomaly"].sum()
    assert table["is_anomaly"][table["path"].str.contains("anomaly")].all()
    said = f"{n_reported} of 8 recordings are reported; at most 20% of those are expected to be false alarms."
    assert said in done.stdout
    assert "24 calibration recordings no p-value is below 0.04: at least 2 of 8 must be so strange" in done.stdout
    none = offkey("score", "pump/test", "-m", "pump.offkey", "--fdr", "1%", "--fail-on-anomaly", cwd=machine)
    assert "0 of 8 recordings are reported" in none.stdout
    assert none.returncode == 0


def test_groups_of_a_folder_get_boundaries_of_their_own(tmp_path):
    simulate(tmp_path, ["pump"], n_units=2, n_train=12, n_test_normal=1, n_test_anomaly=1, duration_s=1.0, rate=8000)
    options = ("--window", "0.5s", "--false-alarms", "20%", "--group-by", "section")
    done = offkey("fit", "pump", "-o", "pump.offkey", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    story = json.loads(offkey("info", "pump.offkey", "--json", cwd=tmp_path).stdout)
    assert set(story["boundaries"]) == {"all", "section id_00", "section id_01"}
    own = offkey("score", "pump/test", "-m", "pump.offkey", "--group", "section=id_01", "--json", cwd=tmp_path)
    assert {clip["group"] for clip in json.loads(own.stdout)["clips"]} == {"section id_01"}
    by_table = offkey("score", "table.csv", "-m", "pump.offkey", "--json", cwd=tmp_path)
    assert {clip["group"] for clip in json.loads(by_table.stdout)["clips"]} == {"section id_00", "section id_01"}
    evaluated = offkey("evaluate", "pump", "-m", "pump.offkey", "--clips", cwd=tmp_path)
    assert evaluated.stdout.startswith("label    decision       score   p-value  events  recording")


def test_info_tells_what_is_inside(machine):
    done = offkey("info", "pump.offkey", cwd=machine)
    assert done.returncode == 0
    for words in ("Ensemble()", "LogMel()", "8000 Hz", "Conformal(rate=0.05)", "24 recordings", "sha256"):
        assert words in done.stdout
    document = json.loads(offkey("info", "pump.offkey", "--json", cwd=machine).stdout)
    assert document["boundaries"]["all"]["clips"]["n_recordings"] == 24


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pareto", "ParetoTail()"), ("robust", "RobustZScore()"), ("empirical", "EmpiricalQuantile()"),
     ("2.5", "Fixed(value=2.5)")],
)  # fmt: skip
def test_fit_takes_thresholds_by_name_or_number(name, kind, machine, tmp_path):
    out = tmp_path / "model.offkey"
    done = offkey("fit", "pump/train", "-o", out, "--detector", "gaussian", "--threshold", name, cwd=machine)
    assert done.returncode == 0, done.stderr
    assert kind in offkey("info", out).stdout


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
from offkey.statistics import time_statistics

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
        (["fit", "pump/train", "-o", "x.offkey", "--detector", "magic"], "There are: adapter, auto, autoencoder"),
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
        (["score", "pump", "-m", "pump.offkey", "--windows", "--events"], "Give one"),
        (["score", "pump", "-m", "pump.offkey", "--fdr", "0"], "between 0 and 100%"),
        (["score", "pump", "-m", "pump.offkey", "--group", "id_00"], "section=id_00"),
        (["fit", "pump/train", "-o", "x.offkey", "--false-alarms", "1/fortnightt"], "must be one of"),
        (["fit", "pump/train", "-o", "x.offkey", "--false-alarms", "0/week"], "cannot be promised"),
        (["fit", "pump/train", "-o", "x.offkey", "--false-alarms", "9999/min"], "windows start every"),
        (["fit", "pump/train", "-o", "x.offkey", "--false-alarms", "1/week"], "cannot be supported by"),
        (["fit", "pump/train", "-o", "x.offkey", "--false-alarms", "1/h", "--threshold", "gamma"], "give one"),
        (["fit", "pump/train", "-o", "x.offkey", "--hold-out", "half"], "folds"),
        (["fit", "pump/train", "-o", "x.offkey", "--cooldown", "-1s"], "at least 0"),
        (["fit", "pump/train", "-o", "x.offkey", "--hysteresis", "2"], "--hysteresis"),
        (["calibrate", "-m", "pump.offkey", "--false-alarms", ""], "between 0 and 100%"),
        (["calibrate", "-m", "pump.offkey"], "nothing else to change"),
        (["calibrate", "-m", "pump.offkey", "pump/train"], "counts already"),
        (["calibrate", "-m", "pump.offkey", "gone"], "does not exist"),
        (["sensitivity", "pump/train", "-m", "pump.offkey", "--fault", "squeal"], "There are: bearing"),
        (["sensitivity", "pump/train", "-m", "pump.offkey", "--band", "8000"], "63, 125"),
        (["sensitivity", "pump/train", "-m", "pump.offkey", "--shaft-hz", "-1"], "turns a second"),
        (["sensitivity", "gone", "-m", "pump.offkey"], "at least 5 are needed"),
        (["sensitivity", "pump/test/anomaly_id_00_00000000.wav", "-m", "pump.offkey"], "No recordings"),
        (["simulate", "x", "--machine", "toaster"], "There are: fan"),
        (["simulate", "x", "--duration", "1000min"], "at most"),
        (["fit", "pump/train", "-o", "."], "is a folder"),
        (["fit", "pump/train", "-o", "x.offkey", "--rate", "0"], "--rate"),
        (["fit", "pump/train", "-o", "x.offkey", "--exclude", "typo.wav"], "not among"),
        (
            ["fit", "pump/train", "-o", "x.offkey", "--detector", "nearest-neighbors", "--set", "n_neighbors=abc"],
            "whole number",
        ),
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
    assert "Traceback" in offkey_alone("--debug", "info", "gone.offkey", cwd=machine).stderr


@pytest.mark.parametrize(
    "verb",
    [
        [],
        ["demo"],
        ["fit"],
        ["score"],
        ["evaluate"],
        ["info"],
        ["calibrate"],
        ["sensitivity"],
        ["threshold"],
        ["simulate"],
    ],
)
def test_every_verb_has_help_with_an_example(verb):
    done = offkey(*verb, "--help")
    assert done.returncode == 0
    assert not verb or f"offkey {verb[0]}" in done.stdout


def test_help_before_a_verb_lists_all_of_them():
    for arguments in (["-h", "score"], ["--help"], ["--debug", "--help"], []):
        shown = offkey(*arguments).stdout
        assert all(f" {verb} " in shown for verb in app.VERBS), arguments


def test_calibrating_with_recordings_named_as_anomalies_is_warned_of(machine, bundle):
    done = offkey("calibrate", "-m", bundle, "--mark-normal", "pump/test/anomaly_id_00_00000000.wav", cwd=machine)
    assert done.returncode == 0
    assert "warning: 1 recordings are named as anomalies and are taken as normal" in done.stderr


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

    plain = set(detectors.__all__) - {"Detector", "Ensemble"}
    kebab = {name: "".join(f"-{c.lower()}" if c.isupper() else c for c in name)[1:] for name in plain}
    assert all(type(make_detector(kebab[name], {})) is getattr(detectors, name) for name in plain)
    assert isinstance(make_detector("auto", {}), detectors.Ensemble)
    forest = make_detector("sklearn.ensemble.IsolationForest", {"n_estimators": 7}, seed=3)
    assert (forest.estimator.n_estimators, forest.seed) == (7, 3)
    for wrong, said in (("sklearn.ensemble.Nothing", "no class Nothing"), ("sklearn.nothing.X", "cannot be imported")):
        with pytest.raises(InputError, match=said):
            make_detector(wrong, {})
    assert make_detector("autoencoder", parse_settings(["units=(8, 8)", "score=mse"])).get_params()["units"] == (8, 8)


def test_a_detector_in_a_file_is_given_the_parameters_that_it_needs(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from offkey.detectors import Detector\n"
        "class Mine(Detector):\n"
        "    def __init__(self, k):\n        self.k = k\n"
        "    def _fit(self, windows):\n        self.fitted_ = True\n"
        "    def _score(self, windows):\n        return self.k * windows.mean(axis=(1, 2, 3))\n"
    )
    name = f"{tmp_path / 'mine.py'}:Mine"
    assert make_detector(name, {"k": 3}).get_params() == {"k": 3}
    with pytest.raises(InputError, match="'k'"):
        make_detector(name, {})


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("sklearn", {}, "There are: adapter, auto"),
        ("gaussian-mixture", {"reg_covar": "a"}, "reg_covar=a was given. It must be a number"),
        ("auto", {"seeed": 3}, "no parameter 'seeed'"),
    ],
)
def test_a_wrong_name_or_number_of_a_detector_is_said_in_a_sentence(name, settings, said):
    with pytest.raises(InputError, match=said):
        make_detector(name, settings)


@pytest.mark.slow
def test_an_encoder_takes_the_place_of_log_mel_spectra(machine, tmp_path):
    keras = pytest.importorskip("keras")
    inputs = keras.Input((96, 64))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(inputs))
    model.export(tmp_path / "mean.tflite", format="litert", verbose=False)
    asked = ("fit", "pump/train", "-o", tmp_path / "mean.offkey", "--encoder", tmp_path / "mean.tflite")
    done = offkey(*asked, cwd=machine)
    assert done.returncode == 0, done.stderr
    assert "24 of 24 recordings have another rate and are resampled to 16000 Hz" in done.stdout
    digest = hashlib.sha256((tmp_path / "mean.tflite").read_bytes()).hexdigest()
    (tmp_path / "mean.tflite").unlink()
    assert f"mean.tflite, sha256 {digest}" in offkey("info", tmp_path / "mean.offkey").stdout
    scored = json.loads(offkey("score", "pump/test", "-m", tmp_path / "mean.offkey", "--json", cwd=machine).stdout)
    assert scored["n_scored"] == 8
    refused = offkey(*asked, "--rate", "8000", cwd=machine)
    assert refused.returncode == 2
    assert "needs 16000 Hz, 8000 Hz was asked for" in refused.stderr


@pytest.mark.slow
def test_demo_catches_its_faults_and_states_its_figures(tmp_path):
    pytest.importorskip("tensorflow")
    document = json.loads(offkey("demo", "--json", cwd=tmp_path).stdout)
    for name in ("auto", "autoencoder"):
        figures = document[name]["figures"]
        assert figures["auc"] > 0.95
        assert figures["recall"] > 0.8
        assert figures["false_alarm_rate"] <= 0.1
    assert document["level"]["figures"]["auc"] < document["auto"]["figures"]["auc"]
    page = (tmp_path / "offkey-demo" / "report.html").read_text(encoding="utf-8")
    assert page.count("<article") == 30
    assert "What changed" in page
