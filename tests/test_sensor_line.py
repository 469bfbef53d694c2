"""The straight line over sensor files: fit, score, evaluate, calibrate, by Python and by the command line."""

import json

import numpy as np
import pandas as pd
import pytest

from offkey import Clip, Failure, Pipeline, load
from offkey.datasets import make_table
from offkey.decisions import Conformal
from offkey.detectors import Gaussian
from offkey.errors import InputError, ReadError
from offkey.evaluation import compare
from offkey.features import Concatenate, Correlation, Envelope, LogMel, Raw, Spectrum, Statistics
from offkey.pipeline.gather import gather, scaled
from offkey.signals import Reading, find_pieces, write
from test_cli import offkey

RATE = 1000
AXES = ("x", "y", "z")
FRONT_ENDS = (
    LogMel(n_fft=256, hop_length=128, n_mels=20),
    Spectrum(),
    Spectrum(n_fft=200, hop_length=30, spacing="log"),
    Envelope(n_fft=256),
    Statistics(),
    Correlation(reach=2),
    Raw(),
    Raw(n_fft=4, hop_length=2),
    Concatenate((Spectrum(), Statistics(), Correlation())),
)


def shaken(seed, seconds=4, tone=0.0):
    """Three axes of a shaking machine, in g; a fault is a tone on the third."""
    rng = np.random.default_rng(seed)
    time = np.arange(seconds * RATE) / RATE
    turn = np.sin(2 * np.pi * 25 * time + rng.uniform(0, 6))
    samples = rng.normal(0, 0.05, (3, len(time))) + [[0.2], [0.1], [0.05]] * turn
    samples[2] += 1 + tone * np.sin(2 * np.pi * 180 * time)
    return samples.astype(np.float32)


def write_log(path, samples, names=("x [g]", "y [g]", "z [g]"), order=None, sep=",", time=True):
    table = pd.DataFrame(dict(zip(names, samples, strict=True)))
    if time:
        start = pd.Timestamp("2026-03-01 08:00")
        table.insert(0, "time", start + pd.to_timedelta(np.arange(len(table)) / RATE, unit="s"))
    path.parent.mkdir(parents=True, exist_ok=True)
    table[order or list(table)].to_csv(path, index=False, sep=sep)
    return path


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Logs of a machine, a pipeline fitted on those of it when all was well, and others to decide about."""
    folder = tmp_path_factory.mktemp("plant")
    for i in range(12):
        write_log(folder / "normal" / f"{i}.csv", shaken(i))
    write_log(folder / "today" / "normal" / "a.csv", shaken(100))
    write_log(folder / "today" / "anomaly" / "b.csv", shaken(101, tone=0.2))
    done = offkey("fit", "normal", "-o", "m.offkey", "--detector", "gaussian", "--window", "1s", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pipeline(plant):
    return load(plant / "m.offkey")


def test_logs_are_fitted_scored_and_evaluated_like_sound(plant):
    told = offkey("info", "m.offkey", "--json", cwd=plant)
    document = json.loads(told.stdout)
    assert document["channels"] == list(AXES)
    assert document["units"] == ["g", "g", "g"]
    assert document["features"] == "Spectrum()"
    assert document["rate"] == RATE
    assert any(
        "The front end is Spectrum(): at 1000 Hz frames of 512 samples every 128, 128 bands" in note
        for note in document["notes"]
    )
    scored = offkey("score", "today", "-m", "m.offkey", "--fail-on-anomaly", cwd=plant)
    assert scored.returncode == 1
    lines = {line.split()[-1]: line.split()[0] for line in scored.stdout.splitlines() if ".csv" in line}
    assert [lines[name] for name in sorted(lines)] == ["ANOMALY", "normal"]
    evaluated = json.loads(offkey("evaluate", "today", "-m", "m.offkey", "--json", cwd=plant).stdout)
    assert evaluated["figures"][0]["auc"] == 1.0
    assert evaluated["n_unlabelled"] == 0


def test_a_csv_of_paths_is_a_table_of_recordings_still(plant, pipeline):
    table = plant / "table.csv"
    table.write_text("path,label\ntoday/normal/a.csv,0\ntoday/anomaly/b.csv,1\n")
    listed = offkey("score", "table.csv", "-m", "m.offkey", "--json", cwd=plant)
    by_hand = [pipeline.decide(plant / "today" / name) for name in ("normal/a.csv", "anomaly/b.csv")]
    assert [clip["score"] for clip in json.loads(listed.stdout)["clips"]] == [each.score for each in by_hand]
    assert json.loads(offkey("evaluate", "table.csv", "-m", "m.offkey", "--json", cwd=plant).stdout)["failures"] == []


def test_columns_are_found_by_name_in_any_order(plant, pipeline, tmp_path):
    samples = shaken(7)
    names = ["x [g]", "y [g]", "z [g]", "temperature [C]"]
    path = write_log(tmp_path / "more.csv", [*samples, samples[0]], names, ["temperature [C]", *names[2::-1], "time"])
    assert pipeline.decide(path).score == pipeline.decide(plant / "normal" / "7.csv").score


def test_a_file_with_other_channels_is_refused_by_name(pipeline, tmp_path):
    with pytest.raises(ReadError, match="'z'"):
        pipeline.decide(write_log(tmp_path / "two.csv", shaken(7)[:2], ("x [g]", "y [g]")))
    clip = Clip(shaken(7), RATE, ("x", "y", "w"), "g")
    with pytest.raises(ReadError, match="has the channels x, y, w; the pipeline was fitted on x, y, z"):
        pipeline.decide(clip)


def test_a_unit_that_changes_is_refused_in_one_sentence(plant, pipeline, tmp_path):
    path = write_log(tmp_path / "si.csv", 9.81 * shaken(7), [f"{axis} [m/s2]" for axis in AXES])
    with pytest.raises(ReadError, match=r"measures x in m/s2, the pipeline was fitted on it in g: convert it, or"):
        pipeline.decide(path)
    logs = [*sorted((plant / "normal").iterdir()), path]
    mixed = Pipeline(Gaussian(), window_s=1.0).fit(logs)
    assert [failure.source for failure in mixed.failures_] == [str(path)]
    assert "m/s2" in mixed.failures_[0].reason


def test_a_unit_that_is_not_known_goes_with_any(plant, pipeline, tmp_path):
    path = write_log(tmp_path / "bare.csv", shaken(7), AXES)
    assert pipeline.decide(path).score == pipeline.decide(plant / "normal" / "7.csv").score


def test_a_log_with_gaps_is_decided_piece_by_piece(pipeline, tmp_path):
    path = write_log(tmp_path / "gaps.csv", shaken(7, seconds=12))
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:4001] + rows[5001:9001] + rows[9005:]) + "\n")
    decisions = list(pipeline.score(path))
    assert [decision.source for decision in decisions] == [piece.name for piece in find_pieces(path)[0]]
    assert len(decisions) == 3
    assert [round(decision.duration_s, 2) for decision in decisions] == [4.0, 4.0, 3.0]
    with pytest.raises(ReadError, match="holds 3 recordings, such as"):
        pipeline.decide(path)
    assert pipeline.decide(find_pieces(path)[0][1]) == decisions[1]


def test_what_was_noted_on_files_is_told_once_for_each_kind(tmp_path):
    for i in range(6):
        path = write_log(tmp_path / f"{i}.csv", shaken(i, seconds=8))
        rows = path.read_text().splitlines()
        path.write_text("\n".join(rows[: 3001 + 100 * i] + rows[3501 + 100 * i :]) + "\n")
    fitted = Pipeline(Gaussian(), window_s=1.0).fit(tmp_path)
    gaps = [note for note in fitted.notes_ if "gap" in note]
    assert len(gaps) == 1
    assert gaps[0].startswith(f"6 files, such as {tmp_path / '0.csv'}: it has 1 gap in its timestamps")


def test_what_cannot_be_read_is_reported_and_the_others_are_scored(plant, tmp_path, pipeline):
    write_log(tmp_path / "good.csv", shaken(7))
    (tmp_path / "text.csv").write_text("time,x [g],y [g],z [g]\n" + "0,a,b,c\n" * 50)
    write_log(tmp_path / "short.csv", shaken(7)[:, :100])
    results = list(pipeline.score(tmp_path))
    failures = {result.source: result.reason for result in results if isinstance(result, Failure)}
    assert {str(tmp_path / "text.csv"), str(tmp_path / "short.csv")} == set(failures)
    assert "shorter than a window" in failures[str(tmp_path / "short.csv")]
    assert len(results) == 3


def test_rows_of_one_group_are_a_recording(tmp_path):
    tables = []
    for run in range(8):
        table = pd.DataFrame(shaken(run).T, columns=["x [g]", "y [g]", "z [g]"])
        tables.append(table.assign(run=f"no. {run}"))
    pd.concat(tables).to_csv(tmp_path / "all.csv", index=False)
    done = offkey(
        "fit", "all.csv", "-o", "m.offkey", "--split-by", "run", "--rate", "1000", "--window", "1s", "--detector",
        "gaussian", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "m.offkey").provenance_["n_recordings"] == 8
    scored = json.loads(offkey("score", "all.csv", "-m", "m.offkey", "--json", cwd=tmp_path).stdout)
    assert [clip["path"] for clip in scored["clips"]] == [f"all.csv [run no. {run}]" for run in range(8)]
    left = Pipeline(Gaussian(), window_s=1.0, rate=RATE, reading=Reading(group="run"))
    left.fit(tmp_path / "all.csv", exclude=[str(tmp_path / "all.csv [run no. 3]")])
    assert left.provenance_["n_recordings"] == 7


def test_files_of_a_folder_can_be_one_recording(tmp_path):
    whole = shaken(3, seconds=24)
    for part in range(6):
        write_log(tmp_path / "parts" / f"{part}.csv", whole[:, 4000 * part : 4000 * (part + 1)], time=False)
    parted = Pipeline(Gaussian(), window_s=1.0, rate=RATE, reading=Reading(join=True, unit="g"))
    alone = Pipeline(Gaussian(), window_s=1.0)
    whole_clip = Clip(whole, RATE, AXES, "g")
    assert [each.scores.tolist() for each in parted.fit(tmp_path / "parts").evidence_] == [
        each.scores.tolist() for each in alone.fit(whole_clip).evidence_
    ]


def test_a_rate_is_asked_for_where_a_file_states_none(tmp_path):
    for i in range(6):
        write_log(tmp_path / f"{i}.csv", shaken(i), time=False)
    fit = "fit", ".", "-o", "m.offkey", "--window", "1s", "--detector", "gaussian"
    done = offkey(*fit, cwd=tmp_path)
    assert done.returncode == 2
    assert "Give the rate" in done.stderr
    assert offkey(*fit, "--rate", "1000", cwd=tmp_path).returncode == 0
    assert offkey("score", "0.csv", "-m", "m.offkey", cwd=tmp_path).returncode == 0


def test_channels_units_and_front_ends_are_chosen_on_the_command_line(plant):
    done = offkey(
        "fit", "normal", "-o", "z.offkey", "--channels", "z,x", "--unit", "m/s2", "--features",
        "spectrum(n_fft=128, fmin=5)+statistics", "--window", "1s", cwd=plant,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chosen = load(plant / "z.offkey")
    assert (chosen.channels_, chosen.units_) == (("z", "x"), ("m/s2", "m/s2"))
    assert chosen.features_.parts_[0].get_params()["fmin"] == 5
    assert np.isfinite(chosen.decide(plant / "normal" / "3.csv").score)
    for given, said in (
        ("fourier", "There are: correlation, envelope"),
        ("spectrum(bins=3)", "has no parameter 'bins'"),
        ("spectrum(3)", "Write its parameters as spectrum(fmin=10)"),
        ("+", "There are:"),
    ):
        refused = offkey("fit", "normal", "-o", "no.offkey", "--features", given, cwd=plant)
        assert refused.returncode == 2
        assert said in refused.stderr
    both = offkey("fit", "normal", "-o", "no.offkey", "--features", "raw", "--encoder", "yamnet.tflite", cwd=plant)
    assert both.returncode == 2
    assert "give one of both" in both.stderr
    refused = offkey("fit", "normal", "-o", "no.offkey", "--missing", "guess", cwd=plant)
    assert "cut, interpolate, refuse" in refused.stderr


@pytest.mark.parametrize("feature", FRONT_ENDS, ids=repr)
def test_a_bundle_of_each_front_end_scores_as_before_and_live_as_files(feature, tmp_path):
    clips = [Clip(shaken(i), RATE, AXES, "g", source=str(i)) for i in range(8)]
    fitted = Pipeline(Gaussian(), feature, window_s=1.0, threshold=Conformal(0.2)).fit(clips)
    fitted.save(tmp_path / "m.offkey")
    saved = load(tmp_path / "m.offkey")
    strange = Clip(shaken(50, tone=0.3), RATE, AXES, "g")
    decision = fitted.decide(strange)
    assert saved.decide(strange) == decision
    for sizes in ([1, 7, 300, 999], [4000]):
        stream, windows, at = saved.stream(), [], 0
        while at < strange.n_samples:
            size = sizes[len(windows) % len(sizes)]
            windows += stream.push(strange.samples[:, at : at + size])
            at += size
        windows += stream.flush()
        assert windows == list(decision.scored_windows)


def test_scaled_frames_are_stored_as_a_stream_makes_them():
    clips = [Clip(shaken(i), RATE, AXES, "g") for i in range(5)]
    with gather(clips, Statistics(), None, 1.0, None) as gathered, scaled(gathered) as own:
        start, stop = own.store.recordings[3]
        np.testing.assert_array_equal(own.feature.transform(clips[3].samples), own.store.frames[start:stop])
        np.testing.assert_allclose(np.median(own.store.frames, axis=0), 0, atol=1e-6)
        assert "scale_" not in gathered.feature.fitted_state


def test_what_is_tested_does_not_set_the_scale(tmp_path):
    """Frames are shared by all trials of a comparison; their scale is that of each trial's training recordings."""
    rows = []
    for i in range(24):
        rng = np.random.default_rng(i)
        samples = np.stack([1e4 + 100 * rng.normal(size=240), 0.01 * rng.normal(size=240)])
        samples[1] += 10.0 * (i >= 20)
        path = write_log(tmp_path / f"{i}.csv", samples, ("flow [l/h]", "leak [bar]"), time=False)
        rows.append({"path": str(path), "label": int(i >= 18), "split": "train" if i < 12 else "test"})
        samples[1] += 0.03 * (18 <= i < 20)
        write_log(path, samples, ("flow [l/h]", "leak [bar]"), time=False)
    compared = compare(make_table(rows), [Gaussian()], rate=1, window_s=60, seeds=1)
    assert compared.rows[0].auc == 1.0


@pytest.mark.parametrize(
    ("rate", "unit", "kind"), [(16_000, "FS", LogMel), (16_000, "g", Spectrum), (500, "FS", Spectrum), (1, "", Raw)]
)
def test_the_front_end_follows_from_unit_and_rate(rate, unit, kind):
    rng = np.random.default_rng(0)
    clips = [Clip(rng.normal(0, 0.1, 60 * rate if rate < 10 else 2 * rate), rate, unit=unit) for _ in range(6)]
    with gather(clips, None, None, None, None) as gathered:
        assert isinstance(gathered.feature, kind)


def test_few_recordings_have_windows_short_enough_for_blocks():
    clips = [Clip(shaken(i, seconds=5), RATE, AXES, "g") for i in range(2)]
    fitted = Pipeline(Gaussian()).fit(clips)
    assert fitted.window_duration_s <= 1.0
    assert len(fitted.evidence_) >= 5


def test_channels_of_unequal_kind_are_all_heard():
    """A fault in a channel of small numbers is not drowned by one of large numbers."""
    rng = np.random.default_rng(0)

    def plant(fault=0.0):
        flow = 1e4 + 100 * rng.normal(size=240)
        return Clip(np.stack([flow, 0.01 * rng.normal(size=240) + fault]), 1, ("flow", "leak"), ("l/h", "bar"))

    fitted = Pipeline(threshold=Conformal(0.1), window_s=30).fit([plant() for _ in range(12)])
    assert fitted.decide(plant(fault=0.05)).score > max(fitted.decide(plant()).score for _ in range(10))


def test_sound_files_of_other_units_are_told_apart(tmp_path, pipeline):
    write(Clip(shaken(7) / 4, RATE), tmp_path / "raw.wav", subtype="FLOAT")
    with pytest.raises(ReadError, match="in FS, the pipeline was fitted on it in g"):
        pipeline.decide(tmp_path / "raw.wav")


def test_wave_files_of_a_sensor_have_the_unit_that_is_given(tmp_path):
    for i in range(6):
        write(Clip(shaken(i) / 4, RATE), tmp_path / f"{i}.wav", subtype="FLOAT")
    fitted = Pipeline(Gaussian(), window_s=1.0, reading=Reading(unit="V")).fit(tmp_path)
    assert (fitted.channels_, fitted.units_) == (("0", "1", "2"), ("V", "V", "V"))
    assert isinstance(fitted.features_, Spectrum)
    assert fitted.decide(tmp_path / "3.wav").score == fitted.decide(Clip(shaken(3) / 4, RATE, unit="V")).score
    refused = Pipeline(Gaussian(), reading=Reading(unit=["V", "A"]))
    with pytest.raises(InputError, match="2 units were given for 3 channels"):
        refused.fit(tmp_path)


def test_a_folder_with_sound_keeps_its_tables_out(tmp_path):
    write(Clip(shaken(7)[:1] / 4, RATE), tmp_path / "a.wav")
    write_log(tmp_path / "labels.csv", shaken(8))
    with pytest.raises(InputError, match="1 usable"):
        Pipeline(Gaussian(), Spectrum(), window_s=1.0).fit(tmp_path)


def turning(seed, low_rpm, high_rpm, fault=0.0, seconds=6):
    """A machine that speeds up: samples, speed in rpm and tachometer pulses; the fault comes 3.58 times a turn."""
    rng = np.random.default_rng(seed)
    rpm = np.linspace(low_rpm, high_rpm, seconds * RATE)
    turns = np.cumsum(rpm) / 60 / RATE
    samples = np.sin(2 * np.pi * turns) + 0.5 * np.sin(2 * np.pi * 2 * turns + 1) + rng.normal(0, 0.1, len(turns))
    samples += fault * np.sin(2 * np.pi * 3.58 * turns)
    return samples, rpm, (turns % 1 < 0.5).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize(("column", "pulses"), [("speed [rpm]", None), ("tacho", 1)])
def test_a_changed_speed_is_no_fault_where_the_speed_is_known(tmp_path, column, pulses):
    def log(name, *given, **more):
        samples, rpm, tacho = turning(*given, **more)
        return write_log(tmp_path / name, [samples, tacho if pulses else rpm], ("x [g]", column))

    for i in range(20):
        log(f"normal/{i}.csv", i, 500 + 6 * i, 520 + 6 * i)
    reading = Reading(channels=["x"], speed=column, pulses_per_revolution=pulses, per_revolution=32)
    feature = Spectrum(n_fft=256)
    tracked = Pipeline(Gaussian(), feature, window_s=10, reading=reading).fit(tmp_path / "normal")
    blind = Pipeline(Gaussian(), feature, window_s=1, reading=Reading(channels=["x"])).fit(tmp_path / "normal")
    assert (tracked.rate_, tracked.channels_) == (32, ("x",))
    tracked.save(tmp_path / "m.offkey")
    again = load(tmp_path / "m.offkey")
    faster = [log(f"faster/{i}.csv", 100 + i, 640 + 10 * i, 660 + 10 * i) for i in range(5)]
    faulty = [log(f"faulty/{i}.csv", 200 + i, 640 + 10 * i, 660 + 10 * i, fault=0.1) for i in range(5)]
    assert all(blind.decide(path).is_anomaly for path in faster)
    assert not any(again.decide(path).is_anomaly for path in faster)
    assert all(again.decide(path).is_anomaly for path in faulty)
    assert round(again.decide(faster[0]).duration_s) == 65  # revolutions


def test_a_shaft_that_stands_still_is_told(tmp_path):
    samples, rpm, _ = turning(0, 500, 700)
    rpm[3000:] = 0
    path = write_log(tmp_path / "stop.csv", [samples, rpm], ("x [g]", "speed [rpm]"))
    pieces, _ = find_pieces(path, Reading(speed="speed"))
    with pytest.raises(ReadError, match=r"stop.csv: the shaft stands still at 3.00 s"):
        list(pieces[0].blocks())
    for given, said in (("turns", "holds no speed 'turns'"), ("x [g]", "states no unit of speed for 'x', but g")):
        _, errors = find_pieces(path, Reading(speed=given))
        assert said in errors[0].reason


def test_by_angle_nothing_counts_in_time(tmp_path):
    for i in range(8):
        samples, rpm, _ = turning(i, 500 + 10 * i, 520 + 10 * i)
        write_log(tmp_path / f"{i}.csv", [samples, rpm], ("x [g]", "speed [rpm]"), time=False)
    reading = Reading(channels=["x"], speed="speed [rpm]", per_revolution=32)
    options = {"features": Spectrum(n_fft=256), "window_s": 10, "rate": RATE, "reading": reading}
    tracked = Pipeline(Gaussian(), **options).fit(tmp_path)
    assert tracked.rate_ == 32
    assert np.isfinite(tracked.decide(tmp_path / "3.csv").score)
    clip = Clip(turning(9, 500, 520)[0], RATE, ("x",), "g")
    with pytest.raises(ReadError, match="tells no speed of the shaft"):
        tracked.decide(clip)
    with pytest.raises(InputError, match="by the angle of a shaft, 32 samples a revolution"):
        tracked.stream(RATE)
    with pytest.raises(InputError, match="which tells no time"):
        Pipeline(Gaussian(), budget="10/h", **options).fit(tmp_path)


def test_a_fragment_does_not_set_the_window(tmp_path):
    for i in range(8):
        path = write_log(tmp_path / f"{i}.csv", shaken(i, seconds=12))
        if i == 3:
            rows = path.read_text().splitlines()
            path.write_text("\n".join(rows[:11_001] + rows[11_201:]) + "\n")
    fitted = Pipeline(Gaussian(), Statistics()).fit(tmp_path)
    assert round(fitted.window_duration_s) == 10
    assert [failure.source.partition(" [")[0] for failure in fitted.failures_] == [str(tmp_path / "3.csv")]


@pytest.mark.slow
def test_pieces_of_a_recording_are_held_out_together(tmp_path):
    """Recordings that differ by more than their pieces do: a piece of a new one is no more often an alarm than said."""

    def log(name, seed):
        rng = np.random.default_rng(seed)
        samples = rng.normal(0, 1, (1, 60 * 40)) + 20 * rng.normal()
        path = write_log(tmp_path / name, samples, ("x",), time=False)
        table = pd.read_csv(path)
        table.insert(0, "time", np.arange(len(table)) + 50.0 * (np.arange(len(table)) // 300))
        table.to_csv(path, index=False)

    for i in range(12):
        log(f"normal/{i}.csv", i)
    for i in range(20):
        log(f"new/{i}.csv", 100 + i)
    fitted = Pipeline(Gaussian(("mean",)), Raw(), window_s=60, threshold=Conformal(0.2)).fit(tmp_path / "normal")
    assert any("96 pieces of 12 recordings stand for recordings" in note for note in fitted.notes_)
    alarms = np.mean([decision.is_anomaly for decision in fitted.score(tmp_path / "new")])
    assert alarms < 0.4


def test_columns_in_another_order_are_fitted_on_too(tmp_path):
    for i in range(6):
        write_log(tmp_path / f"{i}.csv", shaken(i), order=None if i % 3 else ["time", "z [g]", "x [g]", "y [g]"])
    fitted = Pipeline(Gaussian(), window_s=1.0).fit(tmp_path)
    assert not fitted.failures_
    assert fitted.channels_ == AXES
