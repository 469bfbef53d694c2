"""Recordings tables, folder layouts and synthetic machines."""

import numpy as np
import pytest

from offkey import Clip, read, write
from offkey.datasets import (
    FAULTS,
    MACHINES,
    check_table,
    make_table,
    read_dcase,
    read_labelled,
    read_normal_and_abnormal,
    read_table,
    simulate,
    simulate_clip,
)
from offkey.errors import InputError


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines")
    table = simulate(folder, ["fan", "valve"], n_units=2, n_train=3, n_test_normal=2, n_test_anomaly=4, duration_s=0.5)
    return folder, table


def test_simulated_machines_lie_in_dcase_layout(simulated):
    folder, table = simulated
    assert len(table) == 2 * 2 * 9
    assert (folder / "fan" / "train" / "normal_id_01_00000002.wav").is_file()
    found = read_dcase(folder)
    columns = ["path", "machine", "section", "split", "label"]
    expected = table[columns].sort_values("path", ignore_index=True)
    assert found[columns].sort_values("path", ignore_index=True).equals(expected)
    assert set(table["fault"]) == {"", *MACHINES["fan"].faults, *MACHINES["valve"].faults}
    again = read_table(folder / "table.csv")
    assert list(again["path"]) == list(table["path"])


def test_simulation_repeats_with_the_seed():
    first, again, other = (simulate_clip("pump", number=3, duration_s=0.3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    assert not np.array_equal(first.samples, simulate_clip("pump", number=4, duration_s=0.3).samples)


@pytest.mark.parametrize(("machine", "fault"), [(m, f) for m, kind in MACHINES.items() for f in (None, *kind.faults)])
def test_every_machine_and_fault_can_be_heard_and_never_clips(machine, fault):
    clip = simulate_clip(machine, fault, duration_s=1.0)
    assert clip.duration_s == 1.0
    assert np.sqrt(np.mean(clip.samples**2)) > 0.01
    assert np.abs(clip.samples).max() < 1


def test_every_fault_belongs_to_a_machine():
    assert {fault for kind in MACHINES.values() for fault in kind.faults} == set(FAULTS)


def test_unknown_machines_and_faults_are_refused(tmp_path):
    with pytest.raises(InputError, match="There are: fan"):
        simulate_clip("toaster")
    with pytest.raises(InputError, match="can have"):
        simulate_clip("fan", "missing_stroke")
    with pytest.raises(InputError, match="toaster"):
        simulate(tmp_path, ["toaster"])


def test_dcase_names_without_label_are_unknown(tmp_path):
    for name in ("test/id_05_00000001.wav", "test/normal_id_01_00000000.wav", "notes_id_01.wav"):
        path = tmp_path / "pump" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Clip(np.zeros(10), 8000), path)
    table = read_dcase(tmp_path)
    named = table[table["section"].notna()]
    assert list(named["section"]) == ["id_05", "id_01"]
    assert list(named["machine"]) == ["pump", "pump"]
    assert named["label"].isna().tolist() == [True, False]
    assert table[table["section"].isna()]["label"].isna().all()
    assert len(table) == 3
    with pytest.raises(InputError, match="DCASE name"):
        read_dcase([tmp_path / "pump" / "notes_id_01.wav"])


def test_folders_named_normal_and_anomaly(tmp_path):
    for name in ("id_00/normal/a.wav", "id_00/abnormal/b.wav", "c.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(Clip(np.zeros(10), 8000), tmp_path / name)
    table = read_labelled(tmp_path)
    labelled = table[table["label"].notna()]
    assert sorted(zip(labelled["label"], labelled["section"], strict=True)) == [(0, "id_00"), (1, "id_00")]
    assert len(table) == 3
    (tmp_path / "x").mkdir()
    write(Clip(np.zeros(10), 8000), tmp_path / "x" / "a.wav")
    with pytest.raises(InputError, match="no labelled recordings"):
        read_normal_and_abnormal(tmp_path / "x")


def test_folders_outrank_file_names(tmp_path):
    for name in ("normal/normal_id_00_00000000.wav", "anomaly/normal_id_00_00000001.wav", "anomaly/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(Clip(np.zeros(10), 8000), tmp_path / name)
    table = read_labelled(tmp_path)
    assert sorted(table["label"]) == [0, 1, 1]


def test_tables_are_checked(tmp_path):
    table = make_table([{"path": "a.wav", "label": "1"}, {"path": "b.wav"}])
    assert table["label"].tolist()[0] == 1
    assert table["label"].isna().tolist() == [False, True]
    for rows, reason in (
        ([{"path": "a.wav"}, {"path": "a.wav"}], "more than once"),
        ([{"path": "a.wav", "label": 2}], "Use 0 for normal"),
        ([{"path": "a.wav", "label": "bad"}], "Use 0 for normal"),
        ([{"path": None}], "no path"),
    ):
        with pytest.raises(InputError, match=reason):
            make_table(rows)
    with pytest.raises(InputError, match="'path'"):
        check_table(table.drop(columns="path"))
    with pytest.raises(InputError, match="empty"):
        check_table(table[:0])
    csv = tmp_path / "sub" / "t.csv"
    csv.parent.mkdir()
    csv.write_text("path,label\na.wav,0\n", encoding="utf-8")
    assert read_labelled(csv)["path"].tolist() == [str(csv.parent / "a.wav")]
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_table(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="neither a folder"):
        read_labelled(tmp_path / "gone")


@pytest.mark.real_data
def test_real_dcase_clips_are_recognised(fan_files):
    table = read_dcase(fan_files[0].parent)
    assert len(table) == 45
    assert set(table["section"]) == {"id_00"}
    assert set(table["label"]) == {0}
    assert read(table["path"][0]).duration_s == 10
