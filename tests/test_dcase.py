"""DCASE Task 2: names, folders, ground truth, and the layouts of MIMII and ToyADMOS."""

import logging

import pandas as pd
import pytest

from offkey.datasets import dcase_family, parse_name, put_ground_truth, read_dcase, read_ground_truth, read_labelled
from offkey.datasets.dcase_names import YEARS, family_of, years_of
from offkey.errors import InputError


def lay(root, *names):
    """Make empty files: reading a layout looks at names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def rows_of(table, *columns):
    plain = table.astype(object).where(table.notna(), None)
    return [tuple(row) for row in plain[list(columns)].itertuples(index=False)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("normal_id_01_00000000.wav", ("id_01", None, None, 0, "00000000", None)),
        ("anomaly_id_06_00000123.wav", ("id_06", None, None, 1, "00000123", None)),
        ("id_05_00000000.wav", ("id_05", None, None, None, "00000000", None)),
        ("section_00_source_train_normal_0000_A_1.wav", ("section_00", "source", "train", 0, "0000", "A_1")),
        ("section_02_target_test_anomaly_0042.wav", ("section_02", "target", "test", 1, "0042", None)),
        ("section_03_source_test_0000.wav", ("section_03", "source", "test", None, "0000", None)),
        ("section_03_test_0199.wav", ("section_03", None, "test", None, "0199", None)),
        ("section_00_0200.wav", ("section_00", None, None, None, "0200", None)),
        ("section_00_target_test_normal_0002_noAttribute.wav", ("section_00", "target", "test", 0, "0002", None)),
        (
            "section_00_source_train_normal_0001_car_A1_spd_28V_mic_1.wav",
            ("section_00", "source", "train", 0, "0001", "car_A1_spd_28V_mic_1"),
        ),
    ],
)
def test_names_of_all_years_are_understood(name, expected):
    found = parse_name(f"fan/test/{name}")
    assert (found.section, found.domain, found.split, found.label, found.number, found.attributes) == expected


@pytest.mark.parametrize(
    "name",
    [
        "anomoly_id_01_00000000.wav", "section_00_source_test_normla_0000.wav", "section_0_test_0000.wav",
        "section_00_sorce_test_normal_0000.wav", "section_00.wav", "notes.wav", "normal_id_01_0000.wav",
    ],
)  # fmt: skip
def test_mistyped_names_are_no_names(name):
    assert parse_name(name) is None


@pytest.mark.parametrize(
    ("machine", "path", "years"),
    [
        ("pump", "pump/train/normal_id_00_00000000.wav", [2020]),
        ("pump", "pump/train/section_00_source_train_normal_0000_A.wav", [2021]),
        ("fan", "fan/source_test/section_00_source_test_normal_0000.wav", [2021]),
        ("fan", "fan/train/section_01_source_train_normal_0000.wav", [2021, 2022]),
        ("bearing", "bearing/train/section_01_source_train_normal_0000_vel_6.wav", [2022]),
        ("fan", "fan/test/section_03_test_0000.wav", [2022]),
        ("bearing", "bearing/test/section_03_0000.wav", [2022]),
        ("fan", "fan/test/section_00_source_test_normal_0000_m-n_W.wav", [2022, 2023, 2024, 2025, 2026]),
        ("bearing", "bearing/test/section_00_source_test_normal_0000_vel_6.wav", [2022, 2023, 2024, 2025]),
        ("bandsaw", "bandsaw/test/section_00_0000.wav", [2023]),
        ("ToothBrush", "ToothBrush/test/section_00_0000.wav", [2024, 2026]),
        ("ToyDrone", "ToyDrone/test/section_00_0000.wav", [2023, 2026]),
        ("CoffeeGrinder", "CoffeeGrinder/train/section_00_source_train_normal_0000_x.wav", [2025]),
        ("gearboxEmu", "gearboxEmu/train/section_00_source_train_normal_0000.wav", [2026]),
        ("mill", "mill/test/section_00_source_test_normal_0000.wav", [2022, 2023, 2024, 2025, 2026]),
        ("mill", "mill/train/section_00_source_train_normal_0000.wav", [2021, 2022, 2023, 2024, 2025, 2026]),
        ("mill", "mill/readme.wav", list(YEARS)),
    ],
)
def test_names_and_machine_types_tell_the_year_no_more_exactly_than_they_can(machine, path, years):
    assert years_of([(machine, path)]) == years


def test_the_year_sets_one_of_three_families_of_rules():
    assert [family_of([year]) for year in YEARS] == [2020, 2021, 2022, 2022, 2022, 2022, 2022]
    assert family_of([2021, 2022]) is None


def test_data_of_2020_are_read(tmp_path):
    lay(
        tmp_path, "dev_data/fan/train/normal_id_00_00000000.wav", "dev_data/fan/test/anomaly_id_00_00000000.wav",
        "eval_data/pump/test/id_01_00000007.wav",
    )  # fmt: skip
    table = read_dcase(tmp_path, 2020)
    assert rows_of(table, "machine", "section", "domain", "split", "label") == [
        ("fan", "id_00", None, "test", 1),
        ("fan", "id_00", None, "train", 0),
        ("pump", "id_01", None, "test", None),
    ]
    assert dcase_family(table) == 2020


def test_data_of_2021_are_read(tmp_path):
    lay(
        tmp_path, "fan/train/section_00_source_train_normal_0000_A.wav",
        "fan/source_test/section_00_source_test_anomaly_0001.wav", "fan/target_test/section_03_target_test_0002.wav",
    )  # fmt: skip
    table = read_dcase(tmp_path)
    assert rows_of(table, "machine", "section", "domain", "split", "label", "attributes") == [
        ("fan", "section_00", "source", "test", 1, None),
        ("fan", "section_03", "target", "test", None, None),
        ("fan", "section_00", "source", "train", 0, "A"),
    ]
    assert dcase_family(table) == 2021


def first_shot(root):
    lay(
        root, "dev_data/bearing/train/section_00_source_train_normal_0000_vel_6.wav",
        "dev_data/bearing/train/section_00_target_train_normal_0001_vel_20.wav",
        "dev_data/bearing/test/section_00_target_test_anomaly_0000_vel_20.wav",
        "dev_data/slider/train/section_00_source_train_normal_0000_noAttribute.wav",
        "eval_data/Vacuum/test/section_00_0005.wav",
    )  # fmt: skip
    (root / "dev_data/bearing/attributes_00.csv").write_text(
        "file_name,d1p,d1v,d2p,d2v\n"
        "bearing/train/section_00_source_train_normal_0000_vel_6.wav,vel,6,f-n,A\n"
        "bearing/train/section_00_target_train_normal_0001_vel_20.wav,vel,20,,\n"
        "bearing/test/section_00_target_test_anomaly_0000_vel_20.wav,vel,20,,\n",
        encoding="utf-8",
    )
    return root


def test_first_shot_data_are_read_with_their_attributes(tmp_path):
    table = read_dcase(first_shot(tmp_path), 2023)
    assert rows_of(table, "machine", "domain", "split", "label", "attributes", "d1p", "d1v", "d2v") == [
        ("bearing", "target", "test", 1, "vel_20", "vel", "20", None),
        ("bearing", "source", "train", 0, "vel_6", "vel", "6", "A"),
        ("bearing", "target", "train", 0, "vel_20", "vel", "20", None),
        ("slider", "source", "train", 0, None, None, None, None),
        ("Vacuum", None, "test", None, None, None, None, None),
    ]
    assert years_of([(row.machine, row.path) for row in table.itertuples()]) == [2023]


@pytest.mark.parametrize("inside", ["dev_data/bearing", "dev_data/bearing/train", "dev_data"])
def test_any_folder_of_a_data_set_can_be_given(tmp_path, monkeypatch, inside):
    monkeypatch.chdir(first_shot(tmp_path) / inside)
    table = read_dcase(".")
    assert set(table["machine"]) - {"slider"} == {"bearing"}
    assert {"6", "20"} == set(table["d1v"].dropna())


def test_a_missing_attribute_file_is_a_notice_and_names_tell_what_they_can(tmp_path, caplog):
    lay(tmp_path, "fan/test/section_00_source_test_normal_0000_m-n_W.wav")
    with caplog.at_level(logging.INFO, "offkey.datasets"):
        table = read_dcase(tmp_path)
    assert table["attributes"].tolist() == ["m-n_W"]
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "attributes_00.csv is not there" in caplog.text


def test_attribute_files_that_name_absent_files_are_warned_of(tmp_path, caplog):
    root = first_shot(tmp_path)
    (root / "dev_data/bearing/train/section_00_source_train_normal_0000_vel_6.wav").unlink()
    table = read_dcase(root)
    assert len(table) == 4
    assert "names 1 files that are not there, such as bearing/train/section_00_source_train_normal_0000" in caplog.text


def test_files_of_a_split_that_was_not_given_are_not_missed(tmp_path, caplog):
    read_dcase(first_shot(tmp_path) / "dev_data" / "bearing" / "train")
    assert not caplog.records


@pytest.mark.parametrize("content", [b"name,d1p\nx.wav,vel\n", b"file_name,d1p\n\xff\xfe\xff.wav,vel\n"])
def test_damaged_attribute_files_are_refused(tmp_path, content):
    root = first_shot(tmp_path)
    (root / "dev_data/bearing/attributes_00.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"attributes_00\.csv"):
        read_dcase(root)


def test_mistyped_labels_are_warned_of_and_stay_without_label(tmp_path, caplog):
    lay(tmp_path, "fan/test/anomoly_id_00_00000000.wav", "fan/test/normal_id_00_00000001.wav", "fan/test/a.wav")
    table = read_dcase(tmp_path)
    assert rows_of(table, "section", "label") == [(None, None), (None, None), ("id_00", 0)]
    assert "2 files have no DCASE name" in caplog.text
    assert "anomoly_id_00_00000000.wav" in caplog.text


def test_clips_of_the_machine_or_of_noise_alone_are_no_test_clips(tmp_path, caplog):
    lay(
        tmp_path, "fan/supplemental/section_00_machine_source_0000_noAttribute.wav",
        "fan/train/section_00_source_train_normal_0000_x.wav",
    )  # fmt: skip
    table = read_dcase(tmp_path)
    assert rows_of(table, "machine", "split", "label") == [("fan", "extra", None), ("fan", "train", 0)]
    assert not caplog.records


@pytest.mark.parametrize("year", [2019, 2027])
def test_unknown_years_are_refused(tmp_path, year):
    with pytest.raises(InputError, match=f"The year {year} was given. DCASE Task 2 is known from 2020 to 2026"):
        read_dcase(first_shot(tmp_path), year)


def test_a_year_that_names_contradict_is_refused(tmp_path):
    with pytest.raises(InputError, match="year 2020 was given, but the clips are named as in 2023"):
        read_dcase(first_shot(tmp_path), 2020)


def test_names_of_several_families_in_one_folder_are_refused(tmp_path):
    lay(tmp_path, "fan/train/normal_id_00_00000000.wav", "fan/test/section_00_source_test_normal_0000.wav")
    with pytest.raises(InputError, match="several years"):
        read_dcase(tmp_path)


def test_folders_without_clips_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(InputError, match="holds no file with a DCASE name"):
            read_dcase(path)


LIST_2024 = """Vacuum
section_00_0005.wav,section_00_target_test_anomaly_0005_mdl_B.wav
section_00_0006.wav,section_00_source_test_normal_0006_noAttribute.wav
fan
section_03_0001.wav,section_03_source_test_normal_0001_x.wav
"""


def test_ground_truth_lists_fill_in_labels_domains_and_attributes(tmp_path):
    (tmp_path / "list.csv").write_text(LIST_2024, encoding="utf-8")
    truth = read_ground_truth(tmp_path / "list.csv")
    assert rows_of(truth, "machine", "section", "domain", "label", "attributes") == [
        ("Vacuum", "section_00", "target", 1, "mdl_B"),
        ("Vacuum", "section_00", "source", 0, None),
        ("fan", "section_03", "source", 0, "x"),
    ]
    root = lay(
        tmp_path / "eval", "Vacuum/test/section_00_0005.wav", "Vacuum/test/section_00_0009.wav",
        "Vacuum/train/section_00_source_train_normal_0005_own.wav",
    )  # fmt: skip
    table = put_ground_truth(read_dcase(root), truth)
    assert rows_of(table, "domain", "label", "attributes") == [
        ("target", 1, "mdl_B"),
        (None, None, None),
        ("source", 0, "own"),
    ]


def test_clips_of_2022_are_found_by_number_whatever_the_list_calls_them(tmp_path):
    (tmp_path / "list.csv").write_text(LIST_2024, encoding="utf-8")
    root = lay(tmp_path / "eval", "fan/test/section_03_test_0001.wav")
    assert rows_of(put_ground_truth(read_dcase(root), read_ground_truth(tmp_path / "list.csv")), "label") == [(0,)]


def test_ground_truth_lists_of_2020_state_labels_in_a_column(tmp_path):
    text = "fan\nid_01_00000000.wav,anomaly_id_01_00000003.wav,1\nid_01_00000001.wav,normal_id_01_00000000.wav,0\n"
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    truth = read_ground_truth(tmp_path / "list.csv")
    assert rows_of(truth, "section", "label") == [("id_01", 1), ("id_01", 0)]


def test_ground_truth_folders_of_the_evaluators_are_read(tmp_path):
    for folder, value in (("ground_truth_data", "1"), ("ground_truth_domain", "0")):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "ground_truth_3DPrinter_section_00_test.csv"
        file.write_text(f"section_00_0001.wav,{value}\n", encoding="utf-8")
    for given in (tmp_path, tmp_path / "ground_truth_data"):
        truth = read_ground_truth(given)
        assert rows_of(truth, "machine", "section", "domain", "label") == [("3DPrinter", "section_00", "source", 1)]


@pytest.mark.parametrize(
    "text",
    ["", "fan\nsection_00_0000.wav\n", "section_00_0000.wav,section_00_source_test_normal_0000.wav\n", "fan\na,b,0\n"],
)
def test_damaged_ground_truth_is_refused(tmp_path, text):
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"list\.csv"):
        read_ground_truth(tmp_path / "list.csv")


def test_mimii_is_recognised(tmp_path):
    lay(
        tmp_path, "6_dB_fan/fan/id_00/abnormal/00000000.wav", "-6_dB_pump/id_02/normal/00000001.wav",
        "valve/id_04/normal/00000002.wav",
    )  # fmt: skip
    table = read_labelled(tmp_path)
    assert rows_of(table, "machine", "section", "label", "snr_db") == [
        ("fan", "id_00", 1, 6),
        ("pump", "id_02", 0, -6),
        ("valve", "id_04", 0, None),
    ]


def test_folders_that_only_resemble_mimii_keep_all_their_labels(tmp_path):
    lay(tmp_path, "id_00/normal/00000000.wav", "id_00/anomaly/00000000.wav")
    assert rows_of(read_labelled(tmp_path), "section", "label") == [("id_00", 1), ("id_00", 0)]


def test_toyadmos_is_recognised(tmp_path):
    lay(
        tmp_path, "ToyCar/case1/NormalSound_IND/1100010001_ToyCar_case1_normal_IND_ch1_0001.wav",
        "ToyCar/case1/AnomalousSound_IND/1101010001_ToyCar_case1_ab01_IND_ch2_0001.wav",
        "ToyCar/EnvironmentalNoise_CNT/1100100001_ToyCar_caseAll_env_CNT_ch1_0001.wav",
        "ToyTrain/case2/AnomalousSound_IND/ab02/2201010001_ToyTrain_case2_ab02_IND_ch1_0001.wav",
    )  # fmt: skip
    table = read_labelled(tmp_path)
    assert rows_of(table, "machine", "section", "split", "label", "attributes", "kind", "channel") == [
        ("ToyCar", "case1", None, 1, "ab01", "IND", "ch2"),
        ("ToyCar", "case1", None, 0, "normal", "IND", "ch1"),
        ("ToyCar", None, "extra", None, "env", "CNT", "ch1"),
        ("ToyTrain", "case2", None, 1, "ab02", "IND", "ch1"),
    ]


def test_labelled_folders_in_dcase_layout_of_any_year_are_read(tmp_path):
    table = read_labelled(first_shot(tmp_path))
    assert isinstance(table, pd.DataFrame)
    assert set(table["machine"]) == {"bearing", "slider", "Vacuum"}
