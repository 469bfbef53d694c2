"""Lengths, times and rates in what commands and reports say: by time or by angle, and as short as can be read."""

import json
import re

import numpy as np
import pytest

from offkey import Pipeline
from offkey.cli.app import make_app
from offkey.cli.signals import parse_features
from offkey.detectors import Gaussian
from offkey.errors import InputError
from offkey.features import Raw, Spectrum
from offkey.report import write_report
from offkey.signals import Reading
from offkey.signals.lengths import length_text, sampling_text, span_text, time_scale


def run(capsys, *words):
    """Run a command; return its exit status, output and notes."""
    with pytest.raises(SystemExit) as stop:
        make_app()([str(word) for word in words])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


def words_of(page):
    """Return what is to be read on a page."""
    body = page.read_text(encoding="utf-8").partition("<main>")[2].partition("<script>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def write_turning(path, seed, fault=0.0, n=6000, rate=1000):
    """A shaft whose speed rises, in a table with the speed."""
    rng = np.random.default_rng([31, seed])
    rpm = np.linspace(600, 660, n)
    turns = np.cumsum(rpm) / 60 / rate
    x = np.sin(2 * np.pi * turns) + fault * np.sin(2 * np.pi * 3.58 * turns) + rng.normal(0, 0.1, n)
    path.parent.mkdir(exist_ok=True)
    np.savetxt(path, np.stack([np.arange(n) / rate, x, rpm], axis=1), "%.6g", ",", header="time,x [g],rpm", comments="")


def write_slow(path, seed, temperature=70.0, n=400, every_s=300):
    """A temperature each five minutes."""
    rng = np.random.default_rng([32, seed])
    rows = np.stack([every_s * np.arange(n), rng.normal(temperature, 0.5, n), rng.normal(3, 0.1, n)], axis=1)
    path.parent.mkdir(exist_ok=True)
    np.savetxt(path, rows, "%.6g", ",", header="time [s],temperature [°C],pressure [bar]", comments="",
               encoding="utf-8")  # fmt: skip


@pytest.fixture(scope="module")
def by_angle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("angle")
    for i in range(12):
        write_turning(folder / "normal" / f"{i}.csv", i)
    write_turning(folder / "odd.csv", 50, fault=0.3)
    reading = Reading(speed="rpm", per_revolution=32)
    pipeline = Pipeline(Gaussian(), Spectrum(n_fft=128), window_s=8, reading=reading).fit(folder / "normal")
    pipeline.save(folder / "m.offkey")
    return folder


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    for i in range(12):
        write_slow(folder / "normal" / f"{i}.csv", i)
    write_slow(folder / "odd.csv", 50, temperature=90)
    Pipeline(Gaussian(), Raw()).fit(folder / "normal").save(folder / "m.offkey")
    return folder


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (0.0001234, "0.0001234 s"), (10.0, "10 s"), (119.99, "120 s"), (150, "2.5 min"),
                          (7200, "120 min"), (7201, "2 h"), (400 * 300, "33.3 h"), (6000 * 3600, "250 days")]
)  # fmt: skip
def test_a_length_is_told_in_the_unit_that_suits_it(seconds, text):
    assert length_text(seconds) == text


def test_by_angle_nothing_is_told_in_seconds():
    assert length_text(0.5, True) == "0.5 revolutions"
    assert length_text(123_456.7, True) == "123456.7 revolutions"
    assert span_text(1, 2, 1e6, True) == "1.0 to 2.0 revolutions"
    assert sampling_text(500, True) == "500 samples per revolution"
    assert time_scale(1e9, True) == ("revolutions", 1.0)


def test_commands_and_reports_tell_of_revolutions_where_samples_are_by_angle(by_angle, capsys):
    model = by_angle / "m.offkey"
    _, told, _ = run(capsys, "info", model)
    assert re.search(r"^signal      32 samples per revolution, 1 channel\(s\)$", told, re.MULTILINE)
    assert re.search(r"^window      8 revolutions, every 2 revolutions$", told, re.MULTILINE)
    assert re.search(r", \d+ revolutions in all;", told)
    for option in ("--windows", "--events"):
        _, told, _ = run(capsys, "score", by_angle / "odd.csv", "-m", model, option)
        assert re.search(r"(window|event) .*\d+\.\d\d-\d+\.\d\d revolutions", told)
        assert not re.search(r"\d s\b", told)
    run(capsys, "report", by_angle / "odd.csv", "-m", model, "-o", by_angle / "page.html")
    text = words_of(by_angle / "page.html")
    assert re.search(r"length 63 revolutions windows \d+ events 0\.0 to 63\.0 revolutions", text)
    assert "Tone at order 3.58" in text
    assert "signal 32 samples per revolution, 1 channel window 8 revolutions" in text
    assert not re.search(r"\d (s|Hz)\b", text)


def test_slow_series_are_told_of_in_hours_and_by_their_interval(slow, capsys):
    model = slow / "m.offkey"
    _, told, _ = run(capsys, "info", model)
    assert re.search(r"^signal      1 sample in 300 s, 2 channel\(s\)$", told, re.MULTILINE)
    assert re.search(r"^window      5 h, every 2\.5 h$", told, re.MULTILINE)
    assert "16.7 days in all" in told
    _, told, _ = run(capsys, "score", slow / "odd.csv", "-m", model, "--events")
    assert re.search(r"event .* 0\.00-33\.33 h, peak at \d+\.\d\d h", told)
    batch = write_report(Pipeline.load(model), [slow / "odd.csv"], slow / "page.html")
    assert len(batch.decisions) == 1
    page = (slow / "page.html").read_text(encoding="utf-8")
    assert "<dd>33.3 h</dd>" in page
    assert "<dd>0.00 to 33.33 h</dd>" in page
    assert "<dd>1 sample in 300 s, 2 channels</dd>" in page
    assert "<dd>5 h</dd>" in page
    assert "0.00333" not in page


def test_what_was_done_on_reading_is_told_of_when_scoring_and_reporting(slow, capsys):
    model = slow / "m.offkey"
    lines = (slow / "normal" / "3.csv").read_text(encoding="utf-8").splitlines()
    for name in ("gap.csv", "gap2.csv"):
        (slow / name).write_text("\n".join([*lines[:150], *lines[200:]]) + "\n", encoding="utf-8")
    _, told, noted = run(capsys, "score", slow / "gap.csv", slow / "gap2.csv", slow / "odd.csv", "-m", model)
    assert told.count("gap.csv [") == 2
    (line,) = [line for line in noted.splitlines() if "gap" in line]
    assert line.startswith(f"2 files, such as {slow / 'gap.csv'}: ")
    _, told, _ = run(capsys, "score", slow / "gap.csv", slow / "odd.csv", "-m", model, "--json")
    clips = json.loads(told)["clips"]
    assert [len(clip["notes"]) for clip in clips] == [0, 1, 1] or [len(clip["notes"]) for clip in clips] == [1, 1, 0]
    (note,) = {note for clip in clips for note in clip["notes"]}
    assert note in line
    run(capsys, "report", slow / "gap.csv", "-m", model, "-o", slow / "page.html")
    assert (slow / "page.html").read_text(encoding="utf-8").count(f"<dt>on reading</dt><dd>{note}</dd>") == 2


@pytest.mark.parametrize("features", ["spectrum(fmin=x)", "raw(n_fft=4)+envelope(fmax=[1])"])
def test_parameters_of_the_wrong_kind_are_refused_in_a_sentence(features):
    with pytest.raises(InputError, match=r"The front end '.*' was given\. A parameter of it is not of the kind"):
        parse_features(features)
