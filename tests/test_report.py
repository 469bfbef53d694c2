"""The report: what stands on the page is true, safe, and needs nothing else."""

import base64
import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

import offkey
from offkey import Clip, Pipeline, write
from offkey.cli.app import make_app
from offkey.decisions import Conformal
from offkey.detectors import Gaussian
from offkey.errors import InputError, MissingExtraError
from offkey.evaluation import evaluate
from offkey.features import Statistics
from offkey.report import decide_batch, read_given, write_report

RATE = 16_000
HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> & \"quoted\" 'it' 🎵 ünï.wav".replace(
    "/", "\N{DIVISION SLASH}"
)
LIMIT_BYTES = 5_000_000


def machine(number, seconds=2.0, rate=RATE, tone_hz=None, n_channels=1):
    rng = np.random.default_rng([11, number])
    n = round(seconds * rate)
    samples = 0.05 * rng.normal(size=(n_channels, n))
    if tone_hz:
        samples += 0.03 * np.sin(2 * np.pi * tone_hz * np.arange(n) / rate)
    return Clip(samples, rate, source=f"clip-{number}")


class Page(HTMLParser):
    """What is on a page: elements with their attributes, and the text that a reader sees."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text, self.open = [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not self.open:
            self.text.append(data)

    def named(self, tag, name=None):
        return [at for kind, at in self.elements if kind == tag and (name is None or name in at.get("class", ""))]

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))

    @property
    def rows(self):
        (link,) = [at["href"] for at in self.named("a") if at.get("download") == "scores.csv"]
        content = base64.b64decode(link.partition(",")[2]).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content, newline="")))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    pipeline = Pipeline(Gaussian(), threshold=Conformal(0.05)).fit([machine(i) for i in range(40)])
    pipeline.save(tmp_path_factory.mktemp("bundle") / "machine.offkey")
    return pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labelled recordings with whatever users have."""
    root = tmp_path_factory.mktemp("given")
    for kind in ("normal", "anomaly"):
        (root / kind).mkdir()
    for i in range(8):
        write(machine(100 + i), root / "normal" / f"{i}.wav")
        write(machine(200 + i, tone_hz=3000), root / "anomaly" / f"{i}.wav")
    write(machine(301, seconds=7.3), root / "normal" / HOSTILE)
    write(machine(302, seconds=3, rate=44_100), root / "normal" / "other rate.flac")
    write(machine(303, tone_hz=3000, seconds=80), root / "anomaly" / "long.wav")
    write(Clip(np.zeros(2 * RATE), RATE), root / "normal" / "silent.wav")
    (root / "normal" / "broken.wav").write_bytes(b"RIFF")
    return root


@pytest.fixture(scope="module")
def written(fitted, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    batch = write_report(fitted, read_given([folder]), path)
    return batch, Page(path)


def test_the_page_needs_nothing_but_itself(written):
    _, page = written
    addresses = [at[name] for _, at in page.elements for name in ("src", "href") if name in at]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"https?://(?!www\.w3\.org)", page.source)
    (policy,) = [at["content"] for at in page.named("meta") if at.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_the_summary_counts_what_was_decided(written):
    batch, page = written
    n_anomalies = sum(decision.is_anomaly for decision in batch.decisions)
    assert f"{n_anomalies} of {len(batch.decisions)} sound wrong" in page.words
    assert "1 could not be used" in page.words
    n_ill = sum(bool(decision.health) for decision in batch.decisions)
    assert n_ill >= 1
    assert f"{n_ill} with sensor findings" in page.words
    rate = Conformal(0.05).fit(np.arange(40.0)).supported_rate_
    expected = sum(1 - (1 - rate) ** len(decision.segments) for decision in batch.decisions)
    assert f"about {expected:.2g} of {len(batch.decisions)} anomalies" in page.words
    assert re.search(r"\d+ of \d+: \d+ (to \d+ )?dB louder around 3 kHz", page.words)


def test_the_strangest_come_first_each_with_picture_sound_sentence_and_p_value(written):
    batch, page = written
    rows = page.rows
    by_name = {decision.source: decision for decision in batch.decisions}
    decided = [by_name[row["path"]] for row in rows]
    order = [(not each.is_anomaly, each.batch_p_value, -each.score) for each in decided]
    assert order == sorted(order)
    assert [(float(row["score"]), float(row["p_value"])) for row in rows] == [(d.score, d.p_value) for d in decided]
    cards = page.source.split("<article")[1:]
    assert len(cards) == len(rows) == len(batch.decisions)
    for row, card in zip(rows, cards, strict=True):
        decision = by_name[row["path"]]
        assert ("card anomaly" in card) == decision.is_anomaly
        assert f"p = {decision.batch_p_value:.2g}<" in card
        assert card.count("data:image/webp;base64,") == 1
        assert card.count("data:audio/mpeg;base64,") == 1
    tones = [card for card in cards if "labelled anomalous" in card]
    assert sum("3 kHz tone, +" in card for card in tones) >= 0.9 * len(tones)
    assert "dead or unplugged sensor?" in page.words


def test_the_sound_is_that_of_the_recording(written):
    import soundfile

    batch, page = written
    sounds = [at["src"] for at in page.named("audio")]
    decisions = {decision.source: decision for decision in batch.decisions}
    for row, source in zip(page.rows, sounds, strict=True):
        sound = soundfile.SoundFile(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        assert sound.frames / sound.samplerate == pytest.approx(min(60, decisions[row["path"]].duration_s), abs=0.1)
    first = next(source for row, source in zip(page.rows, sounds, strict=True) if "anomaly" in row["path"])
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(first.partition(",")[2])))
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * rate / len(samples) == pytest.approx(3000, abs=5)


def test_hostile_names_are_shown_as_they_are_and_do_nothing(written):
    _, page = written
    assert HOSTILE in page.words
    assert len(page.named("script")) == 1
    assert not any(at.get("onerror") for _, at in page.elements)
    assert any(row["path"].endswith(HOSTILE) for row in page.rows)


def test_labels_give_an_evaluation_with_the_figures_of_offkey_evaluate(written, fitted, folder):
    batch, page = written
    report = evaluate(fitted, read_given([folder]))
    row = report.rows[0]
    assert len(batch.labelled) == row.n_normal + row.n_anomaly
    for name in ("auc", "pauc", "recall", "false_alarm_rate"):
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
        assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in page.words
    assert len(page.named("figure")) >= 3


def test_calibration_and_provenance_are_told(written, fitted):
    _, page = written
    assert fitted.provenance_["samples_sha256"] in page.words
    assert "on 40 recordings: 40 of the fit" in page.words
    threshold = fitted.boundaries_[""].clips.threshold.threshold_
    assert f"threshold {threshold:.4g} by Conformal(rate=0.05)" in page.words


def test_of_a_long_recording_the_part_that_is_shown_is_named(written):
    _, page = written
    assert re.search(r"shown \d+\.\d to \d+\.\d s, around the strangest part", page.words)


def test_a_batch_without_anomalies_says_so(fitted, tmp_path):
    calm = sorted((machine(500 + i) for i in range(12)), key=lambda clip: fitted.decide(clip).score)[:4]
    write_report(fitted, calm, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert "0 of 4 sound wrong" in page.words
    assert "Nothing was called an anomaly." in page.words
    assert not page.named("article", "anomaly")


def test_only_the_strangest_are_shown_and_the_table_has_all(fitted, tmp_path):
    clips = [machine(600 + i, tone_hz=3000 if i % 5 == 0 else None) for i in range(20)]
    write_report(fitted, clips, tmp_path / "report.html", top=3, audio_mb=0)
    page = Page(tmp_path / "report.html")
    assert len(page.named("article")) == 3
    assert not page.named("audio")
    assert "The 3 strangest of 20 recordings" in page.words
    assert len(page.rows) == 20
    assert "3 have no sound here" in page.words


@pytest.mark.slow
def test_five_thousand_recordings_make_a_small_page(tmp_path):
    def short(number, tone_hz=None):
        return machine(number, seconds=0.25, rate=8000, tone_hz=tone_hz)

    pipeline = Pipeline(Gaussian(statistics=("mean",)), window_s=0.2, threshold=Conformal(0.05))
    pipeline.fit([short(i) for i in range(40)])
    clips = (short(1000 + i, 2000 if i % 100 == 0 else None) for i in range(5000))
    batch = write_report(pipeline, list(clips), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert len(batch.decisions) == len(page.rows) == 5000
    assert len(page.named("article")) == 50
    assert "The first 1,000" in page.words
    assert (tmp_path / "report.html").stat().st_size < LIMIT_BYTES


@pytest.mark.slow
def test_fifty_clips_of_ten_seconds_are_below_five_megabytes(tmp_path):
    pipeline = Pipeline(Gaussian(), threshold=Conformal(0.05)).fit([machine(i, 10.0) for i in range(20)])
    write_report(pipeline, [machine(700 + i, 10.0, tone_hz=3000) for i in range(50)], tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert len(page.named("audio")) == 50
    assert (tmp_path / "report.html").stat().st_size < LIMIT_BYTES


def test_sound_stops_where_there_is_no_more_room(fitted, tmp_path):
    write_report(fitted, [machine(800 + i, 10.0) for i in range(6)], tmp_path / "report.html", audio_mb=0.1)
    page = Page(tmp_path / "report.html")
    sounds = [at["src"] for at in page.named("audio")]
    assert 0 < len(sounds) < 6
    assert sum(map(len, sounds)) < 0.1e6 + 100 * len(sounds)


def test_signals_too_slow_to_hear_have_pictures_only(tmp_path):
    def slow(number):
        return Clip(np.random.default_rng(number).normal(0, 0.1, (2, 8000)), 1000, source=f"axis {number}")

    from offkey.features import LogMel

    pipeline = Pipeline(Gaussian(), LogMel(n_fft=128, hop_length=64, n_mels=20)).fit([slow(i) for i in range(15)])
    write_report(pipeline, [slow(99)], tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert not page.named("audio")
    assert "their rate is too low to be heard" in page.words
    assert "shown channel" in page.words


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_results_of_score_can_be_given_in_place_of_recordings(kind, fitted, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fitted.save("machine.offkey")
    shutil.copytree(folder / "anomaly", "today")
    with pytest.raises(SystemExit):
        make_app()(["score", "today", "-m", "machine.offkey", "--csv", "results.csv", "--json"])
    (tmp_path / "results.json").write_text(capsys.readouterr().out, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        make_app()(["report", f"results.{kind}", "-m", "machine.offkey", "-o", "page.html"])
    assert stop.value.code == 0
    rows = {row["path"]: float(row["score"]) for row in Page(tmp_path / "page.html").rows}
    scored = {clip["path"]: clip["score"] for clip in json.loads((tmp_path / "results.json").read_text())["clips"]}
    assert rows == scored


def test_the_command_says_where_the_report_is_and_what_is_missing(fitted, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fitted.save("machine.offkey")
    with pytest.raises(SystemExit) as stop:
        make_app()(["report", str(folder), "-m", "machine.offkey", "--top", "2"])
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert re.fullmatch(r"\d+ of 20 recordings are anomalies\. Report: report\.html \(\d\.\d MB\)\n", said.out)
    assert "not in the report: " in said.err
    assert "broken.wav" in said.err
    assert not list(tmp_path.glob("*.part"))


def test_what_cannot_be_reported_is_refused_in_one_sentence(fitted, folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot be written"):
        write_report(fitted, [machine(1)], tmp_path / "gone" / "report.html", top=0)
    with pytest.raises(InputError, match="cannot be written there"):
        write_report(fitted, [machine(1)], tmp_path)
    with pytest.raises(InputError, match="None of the 1 recordings can be used"):
        write_report(fitted, [folder / "normal" / "broken.wav"], tmp_path / "report.html")
    (tmp_path / "a.csv").write_text("path,label\nx.wav,0\n", encoding="utf-8")
    with pytest.raises(InputError, match="Give one table"):
        read_given([tmp_path / "a.csv", folder])
    (tmp_path / "results.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as results"):
        read_given([tmp_path / "results.json"])
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'offkey[report]'")):
        write_report(fitted, [machine(1)], tmp_path / "report.html")


@pytest.mark.slow
def test_a_report_of_a_pipeline_on_embeddings_has_a_spectrogram(embedding_pipeline, whining_pump, tmp_path):
    write_report(embedding_pipeline, [whining_pump], tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert len(page.named("figure", "spectrogram")) == 1
    assert not page.named("figure", "profile")


def test_a_recording_of_many_segments_counts_them_all(fitted, tmp_path):
    clip = machine(900, seconds=60)
    (decision,) = write_report(fitted, [clip], tmp_path / "report.html").decisions
    assert len(decision.segments) > 30
    words = Page(tmp_path / "report.html").words
    assert f"p = {decision.batch_p_value:.2g} : " in words
    assert f"counting its {len(decision.segments)} segments" in words
    assert "stranger than all" not in words


def test_a_table_names_recordings_beside_it_and_results_those_that_were_scored(fitted, tmp_path, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        write(machine(910 if name == "here" else 911), tmp_path / name / "x.wav")
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "there" / "table.csv").write_text("path,label\nx.wav,1\n", encoding="utf-8")
    (tmp_path / "there" / "results.csv").write_text("path,score\nx.wav,1.0\n", encoding="utf-8")
    (tabled,) = decide_batch(fitted, read_given(["../there/table.csv"])).decisions
    (scored,) = decide_batch(fitted, read_given(["../there/results.csv"])).decisions
    assert tabled.score == fitted.decide(tmp_path / "there" / "x.wav").score
    assert scored.score == fitted.decide(tmp_path / "here" / "x.wav").score


def test_results_keep_their_groups_and_what_could_not_be_scored(tmp_path, monkeypatch, capsys):
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    for name, level in (("quiet", 1.0), ("loud", 3.0)):
        (tmp_path / name).mkdir()
        for i in range(12):
            clip = machine(920 + i)
            write(Clip(level * clip.samples, RATE), tmp_path / name / f"{i}.wav")
    paths = [f"{name}/{i}.wav" for name in ("quiet", "loud") for i in range(12)]
    table = pd.DataFrame({"path": paths, "machine": [path.split("/")[0] for path in paths]})
    Pipeline(Gaussian(), threshold=Conformal(0.1), group_by=("machine",)).fit(table).save("both.offkey")
    (tmp_path / "loud" / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(SystemExit):
        make_app()(["score", "loud", "-m", "both.offkey", "--group", "machine=loud", "--json"])
    (tmp_path / "results.json").write_text(capsys.readouterr().out, encoding="utf-8")
    batch = decide_batch(offkey.load("both.offkey"), read_given(["results.json"]))
    assert {decision.group for decision in batch.decisions} == {"machine loud"}
    assert [failure.source for failure in batch.failures] == [
        str(tmp_path.joinpath("loud/broken.wav").relative_to(tmp_path))
    ]
    (tmp_path / "events.csv").write_text("path,start_s,peak_score,score\nloud/1.wav,0,9,9\n", encoding="utf-8")
    with pytest.raises(InputError, match="Score without --events"):
        read_given(["events.csv"])


def test_a_recording_that_goes_away_meanwhile_is_told_of(fitted, tmp_path, monkeypatch):
    from offkey.report import write as writing

    for i in range(3):
        write(machine(950 + i), tmp_path / f"{i}.wav")
    decide = writing.decide_batch

    def decide_and_lose(*given):
        batch = decide(*given)
        (tmp_path / "1.wav").unlink()
        return batch

    monkeypatch.setattr(writing, "decide_batch", decide_and_lose)
    batch = write_report(fitted, tmp_path, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert len(page.named("article")) == 2
    assert len(page.rows) == 3
    assert [failure.reason for failure in batch.failures] == ["does not exist."]
    assert "does not exist." in page.words


def test_recordings_may_come_one_by_one_and_names_are_no_formulas(fitted, tmp_path):
    clips = (Clip(machine(940 + i).samples, RATE, source=f"=HYPERLINK({i})") for i in range(3))
    assert len(write_report(fitted, clips, tmp_path / "report.html").decisions) == 3
    assert all(row["path"].startswith("'=HYPERLINK(") for row in Page(tmp_path / "report.html").rows)


def write_log(path, seed, pause_at=None, shift=0.0):
    """Write two channels at 100 Hz; the logger may pause for ten seconds."""
    import pandas as pd

    rng = np.random.default_rng([41, seed])
    time = np.arange(1500) / 100
    time[pause_at if pause_at else len(time) :] += 10
    table = pd.DataFrame({"time": time, "x [g]": rng.normal(shift, 1, 1500), "y [g]": rng.normal(0, 1, 1500)})
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A pipeline on sensor files, and its folder."""
    folder = tmp_path_factory.mktemp("logs")
    logs = [write_log(folder / f"normal-{i}.csv", i) for i in range(12)]
    pipeline = Pipeline(Gaussian(), Statistics(), window_s=2).fit(logs)
    pipeline.save(folder / "m.offkey")
    return folder, pipeline


@pytest.mark.parametrize("names", [["one.csv"], ["one.csv", "two.csv"], ["one.parquet"], ["one.parquet", "two.csv"]])
def test_sensor_files_are_recordings_and_no_tables(names, logged, capsys):
    folder, pipeline = logged
    for number, name in enumerate(names):
        write_log(folder / name, 50 + number)
    with pytest.raises(SystemExit) as stop:
        make_app()(["report", *(str(folder / name) for name in names), "-m", str(folder / "m.offkey"),
                    "-o", str(folder / "page.html")])  # fmt: skip
    assert stop.value.code == 0
    scores = {row["path"]: float(row["score"]) for row in Page(folder / "page.html").rows}
    assert scores == {str(folder / name): pipeline.decide(folder / name).score for name in names}


def test_a_parquet_table_of_recordings_is_one_and_a_broken_file_is_told(logged):
    import pandas as pd

    folder, pipeline = logged
    log = write_log(folder / "labelled.csv", 60)
    pd.DataFrame({"path": [str(log)], "label": [1]}).to_parquet(folder / "table.parquet")
    (row,) = decide_batch(pipeline, read_given([folder / "table.parquet"])).rows
    assert row["label"] == 1
    (folder / "broken.parquet").write_bytes(b"PAR1")
    (failure,) = decide_batch(pipeline, read_given([folder / "broken.parquet"])).failures
    assert "is not a readable Parquet file" in failure.reason


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_results_may_name_pieces_of_sensor_files(kind, logged, monkeypatch, capsys):
    folder, pipeline = logged
    monkeypatch.chdir(folder)
    paused = [write_log(folder / name, 70 + i, 700) for i, name in enumerate(("gap [a].csv", "gap.csv"))]
    whole = write_log(folder / "whole.csv", 72)
    table = ["--csv", "results.csv"] if kind == "csv" else ["--parquet", "results.parquet"]
    with pytest.raises(SystemExit):
        make_app()(["score", *(each.name for each in (*paused, whole)), "-m", "m.offkey", "--json", *table])
    document = json.loads(capsys.readouterr().out)
    (folder / "results.json").write_text(json.dumps(document), encoding="utf-8")
    scored = {clip["path"]: clip["score"] for clip in document["clips"]}
    assert len(scored) == 5
    batch = decide_batch(pipeline, read_given([f"results.{kind}"]))
    assert {decision.source: decision.score for decision in batch.decisions} == scored
    assert not batch.failures
    document["clips"] = [clip for clip in document["clips"] if "[2 of 2" in clip["path"]]
    document["clips"][0]["path"] = document["clips"][0]["path"].replace("2 of 2", "2 of 3")
    (folder / "some.json").write_text(json.dumps(document), encoding="utf-8")
    batch = decide_batch(pipeline, read_given([folder / "some.json"]))
    (kept,) = batch.decisions
    assert kept.source == document["clips"][1]["path"]
    (failure,) = batch.failures
    assert failure.source == document["clips"][0]["path"]
    assert failure.reason.startswith("is no recording of that file")


def test_a_batch_keeps_what_the_table_says_and_in_which_order(fitted, folder):
    table = read_given([folder])
    batch = decide_batch(fitted, table)
    assert [decision.source for decision in batch.decisions] == [
        path for path in table["path"] if not path.endswith("broken.wav")
    ]
    assert {row["label"] for row in batch.rows} == {0, 1}
