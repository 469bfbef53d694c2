"""``offkey drift fit`` and ``offkey drift check``, and the page that they write."""

import base64
import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from offkey import drift
from offkey.cli.app import make_app
from offkey.drift import Reference, read_columns, write_drift_report
from offkey.drift.figures import online_figure
from offkey.errors import InputError
from test_drift import customers


def run(*arguments):
    return CliRunner().invoke(make_app(["drift"]), ["drift", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    start = pd.Timestamp("2026-03-01")
    reference = customers(500, 0).assign(time=start, who=range(500))
    moved = pd.concat([customers(150, 1), customers(150, 2, shift=9, missing=0.1)])
    moved = moved.assign(time=pd.date_range("2026-04-01", periods=300, freq="h"), who=range(300))
    reference.to_csv(folder / "reference.csv", index=False)
    moved.to_csv(folder / "moved.csv", index=False)
    customers(200, 3).assign(time=start, who=range(200)).to_csv(folder / "same.csv", index=False)
    done = run("fit", folder / "reference.csv", "-o", folder / "model.drift", "--drop", "time,who")
    assert done.exit_code == 0, done.output
    assert "500 rows of 3 numeric and 2 categorical columns" in done.output
    return folder


def test_a_batch_that_drifted_is_told_with_column_and_time_and_the_exit_status(folder):
    done = run("check", folder / "moved.csv", "-r", folder / "model.drift", "--time", "time", "--fail-on-drift")
    assert done.exit_code == 1
    assert done.output.startswith("Drift (p = ")
    since = re.search(r"MOVED .* age: .* \(since (2026-04-\d\d)", done.output)[1]
    assert since in {"2026-04-06", "2026-04-07", "2026-04-08"}
    assert re.search(r"ALARM .* since 2026-04-0[678] .*, found at 2026-04-0[789]", done.output)


def test_a_batch_that_did_not_drift_exits_with_zero(folder):
    done = run("check", folder / "same.csv", "-r", folder / "model.drift", "--fail-on-drift", "--time", "time")
    assert done.exit_code == 0
    assert done.output.startswith("No drift (p = ")
    assert "No alarm on line (at least 10,000 rows" in done.output


def test_json_holds_what_python_says(folder):
    done = run("check", folder / "moved.csv", "-r", folder / "model.drift", "--json", "--rows", "--false-alarms", "5%")
    told = json.loads(done.output)
    reference, batch = drift.load(folder / "model.drift"), read_columns(folder / "moved.csv")
    assert told["p_values"] == reference.p_values(batch).tolist()
    expected = reference.check(batch, 0.05)
    assert [column["name"] for column in told["columns"]] == [column.name for column in expected.columns]
    assert (told["is_drift"], told["rate"], told["p_value"]) == (True, 0.05, expected.p_value)


def test_columns_and_rows_are_written_as_tables(folder, tmp_path):
    run("check", folder / "moved.csv", "-r", folder / "model.drift", "--csv", tmp_path / "columns.csv")
    assert set(pd.read_csv(tmp_path / "columns.csv")["name"]) == {"age", "visits", "city", "member", "constant"}
    run("check", folder / "same.csv", "-r", folder / "model.drift", "--rows", "--csv", tmp_path / "rows.csv")
    assert list(pd.read_csv(tmp_path / "rows.csv").columns) == ["row", "p_value"]
    assert len(pd.read_csv(tmp_path / "rows.csv")) == 200


def test_codes_that_look_like_numbers_stay_categories(tmp_path):
    rng = np.random.default_rng(0)
    pd.DataFrame({"code": rng.choice(["007", "08", "x"], 60)}).to_csv(tmp_path / "then.csv", index=False)
    pd.DataFrame({"code": rng.choice(["007", "08"], 9)}).to_csv(tmp_path / "now.csv", index=False)
    assert run("fit", tmp_path / "then.csv", "-o", tmp_path / "m").exit_code == 0
    told = json.loads(run("check", tmp_path / "now.csv", "-r", tmp_path / "m", "--json").output)
    assert "new" not in told["columns"][0]["change"]


def test_one_missing_number_in_a_file_is_no_drift_of_a_column_of_codes(tmp_path):
    rng = np.random.default_rng(0)
    then, now = (pd.DataFrame({"code": rng.integers(0, 4, n), "x": rng.normal(size=n)}) for n in (200, 100))
    then.to_csv(tmp_path / "then.csv", index=False)
    now.assign(code=[np.nan, *now["code"][1:]]).to_csv(tmp_path / "now.csv", index=False)
    assert ",1.0," not in (tmp_path / "then.csv").read_text()
    assert "\n1.0," in (tmp_path / "now.csv").read_text()
    assert run("fit", tmp_path / "then.csv", "-o", tmp_path / "m", "--categorical", "code").exit_code == 0
    told = json.loads(run("check", tmp_path / "now.csv", "-r", tmp_path / "m", "--json").output)
    assert not told["is_drift"]
    assert "new" not in {column["name"]: column["change"] for column in told["columns"]}["code"]


def test_arrays_of_embeddings_are_read_from_npz_and_a_detector_can_be_named(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "then.npz", embedding=rng.normal(size=(80, 5)), label=rng.choice(["a", "b"], 80))
    np.savez(tmp_path / "now.npz", embedding=rng.normal(2, 1, size=(40, 5)), label=rng.choice(["a", "b"], 40))
    done = run("fit", tmp_path / "then.npz", "-o", tmp_path / "m", "--detector", "gaussian", "--json")
    assert json.loads(done.output)["columns"] == dict.fromkeys(
        [f"embedding[{k}]" for k in range(5)], "numeric"
    ) | {"label": "categorical"}  # fmt: skip
    assert repr(drift.load(tmp_path / "m").detector) == "Gaussian(statistics=('mean',))"
    assert run("check", tmp_path / "now.npz", "-r", tmp_path / "m", "--fail-on-drift").exit_code == 1


ENTRY = b"PK\x01\x02\x14\x03\x14\0"
"""Of a zip file's table of contents; what follows says whether that is encrypted."""


def array_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("table.txt", b"a,b", "is no table by its ending"),
        ("gone.csv", None, "is no file"),
        ("empty.csv", b"", "cannot be read as a table"),
        ("broken.npz", b"PK\x03\x04 not really", "cannot be read as a table"),
        ("binary.csv", bytes(range(256)), "cannot be read as a table"),
        ("array.npz", array_file(np.zeros(3)), "cannot be read as a table"),
        (
            "huge.npz",
            zipped({"a.npy": array_file(np.zeros(3)).replace(b"(3,), }", b"(9" + b"9" * 15 + b",), }")}),
            "cannot be read as a table",
        ),
        ("damaged.npz", zipped({"a.npy": array_file(np.zeros(3000))})[:200].ljust(400, b"x"), "cannot be read as a"),
        (
            "flagged.npz",
            zipped({"a.npy": array_file(np.zeros(3))}).replace(
                b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"
            ),
            "cannot be read as a table",
        ),
    ],
)
def test_what_cannot_be_read_is_told(name, content, words, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_columns(tmp_path / name)


def test_arrays_that_are_no_columns_are_refused(tmp_path):
    np.savez(tmp_path / "odd.npz", a=np.zeros(3), b=np.zeros(4))
    with pytest.raises(InputError, match="not columns of one table"):
        read_columns(tmp_path / "odd.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([{}, {}], object))
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_columns(tmp_path / "objects.npz")


def test_nothing_is_fitted_if_the_file_cannot_be_written(folder, tmp_path):
    done = run("fit", folder / "reference.csv", "-o", tmp_path / "none" / "model.drift")
    assert isinstance(done.exception, InputError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--between", "0"], "--between 0"),
        (["--csv", "none/columns.csv"], "cannot be written there"),
        (["--parquet", "none/columns.parquet"], "cannot be written there"),
        (["--report", "none/drift.html"], "cannot be written there"),
    ],
)
def test_what_cannot_be_done_is_told_before_the_work(folder, options, words, monkeypatch):
    monkeypatch.setattr("offkey.drift.load", lambda *_, **__: pytest.fail("the work began"))
    done = run("check", folder / "moved.csv", "-r", folder / "model.drift", *options)
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_alarms_tell_the_row_of_the_table_and_the_page_those_of_the_terminal(folder, tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    shuffled = pd.read_csv(folder / "moved.csv").sample(frac=1, random_state=0)
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    arguments = ["--time", "time", "--between", "1000", "--report", tmp_path / "page.html", "--json", "--seed", "7"]
    told = json.loads(run("check", tmp_path / "shuffled.csv", "-r", folder / "model.drift", *arguments).output)
    assert told["alarms"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for alarm in told["alarms"]:
        assert shuffled["time"].iloc[alarm["row"]] == alarm["row_time"]
        assert shuffled["time"].iloc[alarm["since"]] == alarm["since_time"]
        assert f"Row {alarm['row']} ({alarm['row_time']})" in page


# the page


def test_a_page_holds_the_columns_pictures_and_alarms_and_needs_nothing_else(folder, tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    reference, batch = drift.load(folder / "model.drift"), read_columns(folder / "moved.csv")
    page = tmp_path / "drift.html"
    report = write_drift_report(reference, batch, page, time="time", mean_time_between_false_alarms=1000)
    assert report == reference.check(batch, time="time")
    text = page.read_text(encoding="utf-8")
    assert "1 of 5 columns moved" in text
    assert text.count("<article") == 1
    assert text.count("data:image/svg+xml;base64,") == 3  # the column, its rows by time, the evidence
    assert re.search(r"<li>Row \d+ \(2026-04-0\d [\d:]+\): .*, since row \d+ \(2026-04-0", text)
    assert not re.search(r"(src|href)=.https?:", text)
    assert "<script" not in text


def test_names_from_the_table_are_escaped(tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    name = "<script>alert(1)</script>"
    reference = Reference().fit({name: rng.choice(["<b>a", "b"], 60), "y $x^2 {": rng.normal(size=60)})
    batch = {name: ["<i>c"] * 30, "y $x^2 {": rng.normal(5, 1, 30)}
    write_drift_report(reference, batch, tmp_path / "drift.html")
    text = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<i>c" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_categories_that_look_like_formulas_or_are_in_other_scripts_are_drawn(tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    reference = Reference().fit({"c": [r"$\frac{1}$", "$x^$", "日本"] * 20})
    write_drift_report(reference, {"c": [r"$\frac{1}$"] * 30}, tmp_path / "drift.html")
    text = (tmp_path / "drift.html").read_text(encoding="utf-8")
    picture = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", text)[1]).decode()
    assert r"$\frac{1}$" in picture
    assert "日本" in picture


def test_of_a_small_reference_as_many_rows_are_expected_to_be_strange_as_p_values_can_tell(tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    reference = Reference().fit(np.random.default_rng(0).normal(size=(40, 2)))
    write_drift_report(reference, np.full((30, 2), 1e6), tmp_path / "drift.html")
    text = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "<b>100 %</b> of rows out of distribution (4.76 % expected)" in text


def test_a_page_says_what_its_rate_holds_for_and_breaks_long_names(tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    name = "n" * 300
    reference = Reference().fit({name: np.arange(60.0), "y": np.zeros(60)})
    report = write_drift_report(reference, {name: np.full(30, 99.0), "y": np.zeros(30)}, tmp_path / "drift.html")
    assert report.sentence.endswith(f"moved: {'n' * 39}….")
    text = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "are called one, on average over references" in text
    assert "overflow-wrap: anywhere" in text.partition("#online li")[2][:40]


def test_a_page_about_little_says_so(tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    reference = Reference().fit({"empty": [None] * 30, "x": np.arange(30.0)})
    write_drift_report(reference, {"empty": [None], "x": [3.0]}, tmp_path / "drift.html", title="One row")
    text = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "<h1>One row</h1>" in text
    assert "No column is reported" in text
    assert "No alarm." in text
    with pytest.raises(InputError, match="cannot be written there"):
        write_drift_report(reference, {"empty": [None], "x": [3.0]}, tmp_path / "none" / "drift.html")


def test_evidence_of_many_rows_is_drawn_in_few_points_that_keep_the_peaks():
    pytest.importorskip("matplotlib")
    values = np.ones(30_000)
    values[12_345] = 77.0
    line = online_figure(values, [], 1000, "row").axes[0].lines[0]
    assert len(line.get_xdata()) <= 2000
    assert line.get_ydata().max() == 77.0
