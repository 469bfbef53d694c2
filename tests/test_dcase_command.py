"""``offkey dcase``: the whole protocol on synthetic machines."""

import json
import shutil

import pytest

from offkey import read, write
from offkey.datasets import make_table, read_dcase, read_table, simulate
from offkey.errors import InputError
from test_cli import offkey, offkey_alone

SMALL = {"n_train": 8, "n_test_normal": 4, "n_test_anomaly": 4, "duration_s": 1.0, "rate": 8000, "snr_db": 20}


@pytest.fixture(scope="module")
def first_shot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first-shot")
    simulate(folder, ["fan", "pump"], layout="dcase2023", **SMALL)
    return folder


@pytest.fixture(scope="module")
def results(first_shot, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return out, offkey("dcase", first_shot, "-o", out, "--json")


def copy_of(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_simulated_machines_lie_in_first_shot_layout(first_shot):
    table = read_dcase(first_shot)
    assert table.groupby(["machine", "split", "domain"]).size().to_dict() == {
        (machine, split, domain): n
        for machine in ("fan", "pump")
        for split, domain, n in [
            ("test", "source", 4), ("test", "target", 4), ("train", "source", 7), ("train", "target", 1),
        ]
    }  # fmt: skip
    written = read_table(first_shot / "table.csv")
    columns = ["path", "machine", "section", "domain", "split", "label", "attributes", "d1p"]
    expected = written[columns].sort_values("path", ignore_index=True)
    assert table[columns].sort_values("path", ignore_index=True).equals(expected)
    assert set(table["d1v"]) == {"95", "100", "125"}
    assert (table["attributes"] == table["d1p"] + "_" + table["d1v"]).all()


def test_unknown_layouts_are_refused(tmp_path):
    with pytest.raises(InputError, match="There are: dcase2020, dcase2023"):
        simulate(tmp_path, layout="dcase1999")


def test_the_whole_protocol_runs(first_shot, results):
    out, done = results
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["rules"] == 2022
    assert document["n_clips"] == 16
    assert [each["machine"] for each in document["scores"]["sections"]] == ["fan", "pump"]
    assert 0.5 < document["scores"]["overall"]["score"]["value"] <= 1
    names = {f"{kind}_{machine}_section_00_test.csv" for kind in ("anomaly_score", "decision_result")
             for machine in ("fan", "pump")}  # fmt: skip
    assert {path.name for path in out.iterdir()} == names | {"result.csv"}
    lines = (out / "anomaly_score_fan_section_00_test.csv").read_text(encoding="utf-8").splitlines()
    tested = sorted(path.name for path in (first_shot / "fan" / "test").iterdir())
    assert [line.split(",")[0] for line in lines] == tested


def test_scores_come_from_one_pipeline_for_each_machine_type(first_shot, results):
    from offkey import Pipeline
    from offkey.decisions import Conformal

    table = read_dcase(first_shot / "fan")
    pipeline = Pipeline(threshold=Conformal(rate=0.1)).fit(table)
    lines = (results[0] / "anomaly_score_fan_section_00_test.csv").read_text(encoding="utf-8").splitlines()
    for line in lines:
        name, score = line.split(",")
        assert pipeline.decide(first_shot / "fan" / "test" / name).score == float(score)


def test_official_scores_come_from_result_files_alone(results):
    out, done = results
    again = offkey("dcase", "--scores", out, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["scores"] == json.loads(done.stdout)["scores"]
    told = offkey("dcase", "--scores", out)
    assert "over all" in told.stdout
    assert "Rules of 2022 and later: harmonic means over 2 sections of 2 machine types" in told.stdout


def test_the_same_seed_writes_the_same_bytes(first_shot, results, tmp_path):
    assert offkey("dcase", first_shot, "-o", tmp_path).returncode == 0
    for path in results[0].iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_evaluation_sets_get_files_first_and_scores_with_the_ground_truth(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    shutil.rmtree(root / "pump")
    lines = ["fan"]
    for i, path in enumerate(sorted((root / "fan" / "test").iterdir())):
        lines.append(f"section_00_{i:04d}.wav,{path.name}")
        path.rename(path.with_name(f"section_00_{i:04d}.wav"))
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out"
    done = offkey("dcase", root, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "fan: its 8 test clips have no labels; there is no official score of it." in done.stderr
    assert "Wrote 2 files" in done.stdout
    truth = ["--ground-truth", tmp_path / "list.csv"]
    scored = offkey("dcase", "--scores", out, *truth, "--json")
    assert scored.returncode == 0
    fitted = offkey("dcase", root, "-o", out, *truth, "--json")
    assert json.loads(fitted.stdout)["scores"] == json.loads(scored.stdout)["scores"] is not None


def test_data_of_2020_and_2021_run_by_their_rules(tmp_path):
    table = simulate(tmp_path / "2020", ["fan"], n_units=2, **SMALL)
    done = offkey("dcase", tmp_path / "2020", "-o", tmp_path / "a")
    assert "Rules of 2020: arithmetic means over 2 sections" in done.stdout
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "anomaly_score_fan_id_00.csv", "anomaly_score_fan_id_01.csv", "result.csv",
    }  # fmt: skip
    for i, row in enumerate(table[table["section"] == "id_00"].itertuples()):
        domain, kind = ("source", "target")[i % 2], ("normal", "anomaly")[row.label]
        folder = tmp_path / "2021" / "fan" / ("train" if row.split == "train" else f"{domain}_test")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(row.path, folder / f"section_00_{domain}_{row.split}_{kind}_{i:04d}.wav")
    done = offkey("dcase", tmp_path / "2021", "-o", tmp_path / "b")
    assert "Rules of 2021: harmonic means over 2 sections of 1 machine type" in done.stdout, done.stderr
    assert (tmp_path / "b" / "decision_result_fan_section_00_target_test.csv").is_file()


def test_a_machine_that_fails_is_named_and_the_others_go_on(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    for path in sorted((root / "fan" / "train").iterdir())[3:]:
        path.unlink()
    done = offkey("dcase", root, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "fan: has 3 normal clips in train; at least 5 are needed." in done.stderr
    assert "over 1 section of 1 machine type" in done.stdout
    assert not list((tmp_path / "out").glob("*fan*"))
    assert (tmp_path / "out" / "anomaly_score_pump_section_00_test.csv").is_file()


def test_nothing_is_written_of_a_machine_with_a_test_clip_that_cannot_be_scored(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    damaged = next((root / "fan" / "test").iterdir())
    damaged.write_bytes(b"RIFF")
    done = offkey("dcase", root, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "fan: 1 of 8 test clips could not be scored, so no result files are written." in done.stderr
    assert damaged.name in done.stderr
    assert not list((tmp_path / "out").glob("*fan*"))


@pytest.mark.slow
def test_damaged_training_clips_and_mistyped_names_are_said(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    shutil.rmtree(root / "pump")
    train, test = (sorted((root / "fan" / split).iterdir()) for split in ("train", "test"))
    train[0].write_bytes(b"RIFF")
    test[0].rename(test[0].with_name(test[0].name.replace("anomaly", "anomoly")))
    done = offkey_alone("dcase", root, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "fan: left out of training" in done.stderr
    assert "1 files have no DCASE name" in done.stderr
    assert "anomoly" in done.stderr
    assert len((tmp_path / "out" / "anomaly_score_fan_section_00_test.csv").read_text(encoding="utf-8").split()) == 7


def test_anomalies_among_training_clips_are_left_out_and_said(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    shutil.rmtree(root / "pump")
    anomaly = next((root / "fan" / "test").glob("*anomaly*"))
    shutil.copy(anomaly, root / "fan" / "train" / anomaly.name.replace("test", "train"))
    done = offkey("dcase", root, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "fan: 1 clips in train are named as anomalies, and were left out." in done.stderr


def test_a_machine_with_one_kind_of_clip_is_in_no_figure(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    for path in (root / "fan" / "test").glob("*anomaly*"):
        path.unlink()
    done = offkey("dcase", root, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "fan section_00: has only normal clips." in done.stderr
    assert "over 1 section of 1 machine type" in done.stdout
    assert (tmp_path / "out" / "anomaly_score_fan_section_00_test.csv").is_file()


def test_near_and_far_microphones_are_both_heard(first_shot, tmp_path):
    root = copy_of(first_shot, tmp_path)
    shutil.rmtree(root / "pump")
    for path in (root / "fan").rglob("*.wav"):
        clip = read(path)
        write(type(clip)(clip.samples.repeat(2, axis=0) * [[1.0], [0.5]], clip.rate), path)
    done = offkey("dcase", root, "-o", tmp_path / "out", "--year", "2026")
    assert done.returncode == 0, done.stderr
    assert "Rules of 2022 and later" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Either data to fit and score, or --scores"),
        (["data", "--scores", "x"], "Either data to fit and score, or --scores"),
        (["data"], "No folder for the result files"),
        (["data", "-o", "out", "--year", "2027"], "2020 to 2026"),
        (["data", "-o", "out", "--year", "2020"], "named as in"),
        (["data", "-o", "out", "--detector", "magic"], "There are:"),
        (["data", "-o", "out", "--false-alarms", "1/week"], "give a rate"),
        (["data", "-o", "out", "--ground-truth", "gone.csv"], "gone.csv: cannot be read"),
        (["data/fan/train", "-o", "out"], "--year 2023"),
        (["gone", "-o", "out"], "holds no file with a DCASE name"),
        (["data", "-o", "data/table.csv"], "cannot be made"),
        (["--scores", "gone"], "holds no file such as"),
    ],
)
def test_bad_usage_is_one_sentence(first_shot, tmp_path, arguments, reason):
    (tmp_path / "data").symlink_to(first_shot, target_is_directory=True)
    done = offkey("dcase", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_result_files_of_another_year_are_said(results):
    done = offkey("dcase", "--scores", results[0], "--year", "2021")
    assert done.returncode == 2
    assert "the files are named as in 2022" in done.stderr


def test_a_table_of_your_own_machines_keeps_its_attributes(first_shot):
    table = read_dcase(first_shot)
    assert make_table(table.to_dict("records")).shape == table.shape
