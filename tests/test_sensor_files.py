"""Recordings in sensor files: tables, their times and gaps."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offkey.errors import InputError, ReadError
from offkey.recordings import is_recordings_table
from offkey.signals import Reading, cutting, find, find_pieces, pieces_of, read, sampling, store
from offkey.signals import tables as signal_tables
from offkey.signals.numerals import Numbers

START = datetime(2020, 2, 8, 13, 30, 47)


@pytest.fixture
def write(tmp_path):
    def write(text, name="log.csv", encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode(encoding))
        return path

    return write


def log(times, *columns, names=None):
    """A text table of times and columns of values."""
    names = names or ["time", *(f"c{i}" for i in range(len(columns)))]
    rows = [",".join(map(str, row)) for row in zip(times, *columns, strict=True)]
    return "\n".join([",".join(names), *rows]) + "\n"


def at(seconds):
    return [str(START + timedelta(seconds=float(second))) for second in seconds]


def only(path, **reading):
    (piece,) = pieces_of(path, Reading(**reading))
    return piece


LAYOUTS = {
    "commas": "time,x,y\n0.00,1.5,-2\n0.01,2.5,-3\n0.02,3.5,-4\n",
    "semicolons and decimal commas": "time;x;y\n0,00;1,5;-2\n0,01;2,5;-3\n0,02;3,5;-4\n",
    "tabs": "time\tx\ty\n0.00\t1.5\t-2\n0.01\t2.5\t-3\n0.02\t3.5\t-4\n",
    "white space": "time x y\n0.00  1.5  -2\n0.01  2.5  -3\n0.02  3.5  -4\n",
    "bars": "time|x|y\n0.00|1.5|-2\n0.01|2.5|-3\n0.02|3.5|-4\n",
    "quotes": '"time","x","y"\n"0.00","1.5","-2"\n"0.01","2.5","-3"\n"0.02","3.5","-4"\n',
    "trailing delimiters": "time;x;y;\n0.00;1.5;-2;\n0.01;2.5;-3;\n0.02;3.5;-4;\n",
    "Windows line ends": "time,x,y\r\n0.00,1.5,-2\r\n0.01,2.5,-3\r\n0.02,3.5,-4\r\n",
    "no line end at the end": "time,x,y\n0.00,1.5,-2\n0.01,2.5,-3\n0.02,3.5,-4",
    "a hash before the header": "# time x y\n0.00 1.5 -2\n0.01 2.5 -3\n0.02 3.5 -4\n",
    "blank lines": "time,x,y\n\n0.00,1.5,-2\n0.01,2.5,-3\n\n0.02,3.5,-4\n\n",
    "a comment between": "#made today\ntime,x,y\n0.00,1.5,-2\n# pause\n0.01,2.5,-3\n0.02,3.5,-4\n",
    "lines of a device": "Logger X12, serial 7\nOperator,Jo\n\ntime,x,y\n0.00,1.5,-2\n0.01,2.5,-3\n0.02,3.5,-4\n",
    "a line of units": "time,x,y\n[s],[g],[g]\n0.00,1.5,-2\n0.01,2.5,-3\n0.02,3.5,-4\n",
    "a column that counts rows": ",time,x,y\n0,0.00,1.5,-2\n1,0.01,2.5,-3\n2,0.02,3.5,-4\n",
    "text besides": "time,state,x,y\n0.00,ok,1.5,-2\n0.01,ok,2.5,-3\n0.02,bad,3.5,-4\n",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_table_reads_the_same_however_it_is_written(write, text, encoding):
    clip = read(write(text, encoding=encoding))
    np.testing.assert_array_equal(clip.samples, np.float32([[1.5, 2.5, 3.5], [-2, -3, -4]]))
    assert (clip.rate, clip.channels) == (100, ("x", "y"))


def test_thousands_are_not_decimals(write):
    german = read(write("t;x\n0;1.234,5\n1;2.234,5\n2;0,25\n"))
    english = read(write('t,x\n0,"1,234.5"\n1,"2,234.5"\n2,0.25\n'))
    np.testing.assert_array_equal(german.samples, [[1234.5, 2234.5, 0.25]])
    np.testing.assert_array_equal(english.samples, german.samples)


def test_one_column_with_decimal_commas_is_one_channel(write):
    clip = read(write("I [A]\n1,5\n2,5\n3,25\n"), reading=Reading(rate=10))
    np.testing.assert_array_equal(clip.samples, [[1.5, 2.5, 3.25]])
    assert (clip.channels, clip.unit) == (("I",), "A")


def test_names_of_rows_names_that_are_numbers_and_names_with_spaces_are_no_values(write):
    rows = write('"x" "y"\n"1" 1.5 2\n"2" 2.5 3\n"3" 4.5 2\n')
    assert read(rows, reading=Reading(rate=10)).channels == ("x", "y")
    numbers = write(",0,1\n0,1.5,2\n1,2.5,3\n2,4.5,2\n")
    np.testing.assert_array_equal(read(numbers, reading=Reading(rate=10)).samples, [[1.5, 2.5, 4.5], [2, 3, 2]])
    spaces = write("time,bearing temp,state,made by,note\n0.0,20.5,on,a,b\n0.5,21.5,on,a,b\n1.0,22.5,on,a,b\n")
    assert read(spaces).channels == ("bearing temp",)


def test_latin_1_headers_and_units_in_brackets_are_read(write):
    text = "Zeit [s];Beschleunigung [m/s²];Temperatur (°C)\n0,0;1;20\n0,5;2;21\n1,0;3;22\n"
    clip = read(write(text, encoding="latin-1"))
    assert clip.channels == ("Beschleunigung", "Temperatur")
    assert clip.units == ("m/s2", "°C")
    assert clip.rate == 2


def test_a_table_without_a_header_gives_numbered_channels_and_needs_a_rate(write):
    path = write("1.0,5\n2.5,7\n2.0,6\n")
    clip = read(path, reading=Reading(rate=50, unit="V"))
    assert (clip.channels, clip.rate, clip.unit) == (("0", "1"), 50, "V")
    with pytest.raises(ReadError, match=r"has no timestamps and states no rate\. Give the rate"):
        read(path)


def test_lines_before_the_header_may_state_the_rate(write):
    piece = only(write("Sample rate: 25.6 kHz\n\nx;y\n1,5;2\n1,6;3\n1,7;5\n"))
    assert piece.rate == 25600
    assert piece.notes == ("the line 'Sample rate: 25.6 kHz' before the table states 25600 Hz",)


@pytest.mark.parametrize(
    ("stamps", "start"),
    [
        (["2020-02-08 13:30:47", "2020-02-08 13:30:48", "2020-02-08 13:30:49"], START),
        (["2020-02-08T13:30:47.0Z", "2020-02-08T13:30:48.0Z", "2020-02-08T13:30:49.0Z"], START.replace(tzinfo=UTC)),
        ([f"2020-02-08T15:30:4{second}+02:00" for second in (7, 8, 9)], START.replace(tzinfo=UTC)),
        (["08.02.2020 13:30:47", "08.02.2020 13:30:48", "08.02.2020 13:30:49"], START),
        (["2/18/2020 1:30:47 PM", "2/18/2020 1:30:48 PM", "2/18/2020 1:30:49 PM"], START.replace(day=18)),
        (["18/02/2020 13:30:47", "18/02/2020 13:30:48", "18/02/2020 13:30:49"], START.replace(day=18)),
        (["2020/02/08 13:30:47", "2020/02/08 13:30:48", "2020/02/08 13:30:49"], START),
        ([1581168647, 1581168648, 1581168649], START.replace(tzinfo=UTC)),
        ([1581168647000, 1581168648000, 1581168649000], START.replace(tzinfo=UTC)),
        ([1581168647000000000, 1581168648000000000, 1581168649000000000], START.replace(tzinfo=UTC)),
        ([12.0, 13.0, 14.0], None),
        (["13:30:47", "13:30:48", "13:30:49"], None),
    ],
)  # fmt: skip
def test_timestamps_are_read_in_all_usual_forms(write, stamps, start):
    piece = only(write(log(stamps, [1, 2, 4])))
    assert (piece.rate, piece.n_samples, piece.start) == (1, 3, start)


def test_german_dates_have_decimal_commas_and_date_and_time_may_be_apart(write):
    together = "Datum;I [A]\n08.02.2020 13:30:47,123;1,5\n08.02.2020 13:30:47,223;1,6\n08.02.2020 13:30:47,323;1,7\n"
    apart = "Datum;Zeit;I [A]\n08.02.2020;13:30:47,123;1,5\n08.02.2020;13:30:47,223;1,6\n08.02.2020;13:30:47,323;1,7\n"
    for text in (together, apart):
        piece = only(write(text))
        assert (piece.rate, piece.channels, piece.units) == (10, ("I",), ("A",))
        assert piece.start == START.replace(microsecond=123_000)


def test_days_of_a_spreadsheet_are_dates(write):
    days = [43869.5 + second / 86_400 for second in range(5)]
    piece = only(write(log(days, range(5), names=["Date", "x"])))
    assert piece.start == datetime(2020, 2, 8, 12)
    assert piece.rate == 1


def test_an_ambiguous_order_of_day_and_month_is_told(write):
    piece = only(write(log(["02/08/2020 10:00:00", "02/08/2020 10:00:01"], [1, 2])))
    assert piece.start == datetime(2020, 2, 8, 10)
    assert "month first" in piece.notes[0]


@pytest.mark.parametrize(("rate", "digits"), [(200, 3), (300, 3), (1024, 6), (25600, 7), (0.2, 0), (700, 3)])
def test_the_rate_is_right_though_timestamps_are_rounded(write, rate, digits):
    times = [f"{i / rate:.{digits}f}" for i in range(3000)]
    assert only(write(log(times, range(3000)))).rate == rate


def test_one_value_in_five_minutes_is_a_rate(write):
    clip = read(write(log(at(300 * np.arange(5)), range(5))))
    assert clip.rate == 1 / 300
    assert clip.duration_s == 1500


def test_a_recording_is_cut_at_gaps_and_never_filled(write):
    seconds = [0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21]
    path = write(log(at(seconds), range(11)))
    pieces = pieces_of(path)
    np.testing.assert_array_equal(np.concatenate([piece.clip().samples[0] for piece in pieces]), range(11))
    assert [piece.n_samples for piece in pieces] == [4, 5, 2]
    assert [piece.start for piece in pieces] == [START + timedelta(seconds=s) for s in (0, 10, 20)]
    assert [piece.name for piece in pieces] == [
        f"{path} [{i} of 3, from 2020-02-08 13:{begin}]" for i, begin in ((1, "30:47"), (2, "30:57"), (3, "31:07"))
    ]
    assert pieces[0].notes == ("it has 2 gaps in its timestamps (the longest of 6 s): cut into 3 parts",)
    with pytest.raises(InputError, match="holds 3 recordings: it has 2 gaps"):
        read(path)


def test_short_gaps_are_bridged_where_that_is_asked_for(write):
    seconds = [0, 1, 2, 5, 6, 7, 27, 28]
    pieces = pieces_of(write(log(at(seconds), seconds)), Reading(missing="interpolate", longest_hole=4))
    np.testing.assert_array_equal(pieces[0].clip().samples, [range(8)])
    np.testing.assert_array_equal(pieces[1].clip().samples, [[27, 28]])
    assert "2 values are bridged by straight lines" in pieces[0].notes[0]


def test_missing_values_cut_are_bridged_or_refused(write):
    path = write(log(range(8), [0, 1, "", 3, 4, 5, "NaN", "NaN"], range(8)))
    assert [piece.clip().samples.tolist() for piece in pieces_of(path)] == [
        [[0, 1], [0, 1]], [[3, 4, 5], [3, 4, 5]],
    ]  # fmt: skip
    bridged = only(path, missing="interpolate").clip().samples
    np.testing.assert_array_equal(bridged, [range(6)] * 2)
    with pytest.raises(ReadError, match="has 3 missing values"):
        pieces_of(path, Reading(missing="refuse"))


def test_a_coarse_clock_is_no_gap(write):
    """A logger that takes 1.055 s and stamps whole seconds skips one each 18 rows or so."""
    seconds = np.floor(1.055 * np.arange(400) + 0.3)
    piece = only(write(log(at(seconds), range(400))))
    assert piece.rate == pytest.approx(1 / 1.055, rel=1e-4)
    assert "steps of 1 s tell a mean rate of 0.9478" in piece.notes[-1]
    assert only(piece.path, rate=1).rate == 1


def test_seconds_that_are_lost_at_random_are_gaps(write):
    seconds = np.flatnonzero(np.random.default_rng(0).random(400) > 0.05)
    pieces = pieces_of(write(log(at(seconds), seconds)))
    assert {piece.rate for piece in pieces} == {1}
    assert len(pieces) == 1 + np.count_nonzero(np.diff(seconds) > 1)


def test_jitter_is_told_and_irregular_times_are_refused(write):
    rng = np.random.default_rng(0)
    jittered = np.arange(500) * 0.01 + rng.uniform(-5e-4, 5e-4, 500)
    piece = only(write(log(jittered.tolist(), range(500))))
    assert piece.rate == 100
    assert "timestamps jitter by 9 % of the interval" in piece.notes[-1]
    with pytest.raises(ReadError, match="irregular timestamps: over half of the intervals are more than 20 % off"):
        pieces_of(write(log(np.cumsum(rng.exponential(0.01, 500)).tolist(), range(500))))


def test_slow_channels_are_brought_to_the_fast_ones_rate_with_a_note(write):
    slow = [i if i % 5 == 0 else "" for i in range(40)]
    piece = only(write(log([i / 100 for i in range(40)], range(40), slow, names=["time", "x", "Thermocouple"])))
    samples = piece.clip().samples
    np.testing.assert_allclose(samples[1], np.minimum(np.arange(40), 35), rtol=1e-6)
    assert piece.notes[-1] == (
        "'Thermocouple' is sampled 5 times more slowly and was brought to 100 Hz by straight lines"
    )


def test_what_a_channel_would_have_to_be_continued_for_is_cut_off(write):
    """At the gap in y, x has a hole that may be bridged: it is not continued up to the gap, nor from behind it."""
    x = [0, 1, 2, "", "", 5, 6, 7]
    y = [0, 1, 2, 3, "", "", "", 7]
    slow = ["" if i % 3 else i for i in range(8)]
    first, second = pieces_of(
        write(log(range(8), x, y, names=["time", "x", "y"])), Reading(missing="interpolate", longest_hole=2)
    )
    np.testing.assert_array_equal(first.clip().samples, [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(second.clip().samples, [[7], [7]])
    gone = pieces_of(write(log([*range(30)], [*range(16), "", 17, "", *range(19, 30)], (slow * 4)[:6] * 5)))
    assert [piece.n_samples for piece in gone] == [16, 11]
    assert "parts in which a channel has no value are left out: 1" in gone[0].notes


def test_groups_are_recordings_even_if_their_rows_are_mixed(write, monkeypatch):
    monkeypatch.setattr(store, "BLOCK_ROWS", 7)
    monkeypatch.setattr(signal_tables, "VALUES_AT_ONCE", 20)
    machines = ["A", "B", "C"] * 20
    times = [i // 3 for i in range(60)]
    path = write(log(times, range(60), machines, names=["time", "x", "machine"]))
    pieces = pieces_of(path, Reading(group="machine"))
    assert [piece.name for piece in pieces] == [f"{path} [machine {name}]" for name in "ABC"]
    for offset, piece in enumerate(pieces):
        np.testing.assert_array_equal(piece.clip().samples, [range(offset, 60, 3)])


def test_files_of_a_folder_are_one_recording_in_the_order_of_their_times(write, tmp_path):
    write(log(range(5, 9), range(5, 9)), "logs/a.csv")
    write(log(range(5), range(5)), "logs/b.csv")
    pieces, failures = find_pieces(tmp_path / "logs", Reading(join=True))
    assert not failures
    np.testing.assert_array_equal(pieces[0].clip().samples, [range(9)])
    assert [len(pieces), len(find_pieces(tmp_path / "logs")[0])] == [1, 2]


def test_a_unit_that_changes_between_joined_files_is_refused(write, tmp_path):
    write("time,x [g]\n0,1\n1,2\n2,3\n", "logs/a.csv")
    write("time,x [m/s2]\n3,1\n4,2\n5,3\n", "logs/b.csv")
    _, failures = find_pieces(tmp_path / "logs", Reading(join=True))
    assert [error.reason.partition(", but")[0] for error in failures] == ["states 'x' in m/s2"]
    pieces, failures = find_pieces(tmp_path / "logs", Reading(unit="g"))
    assert (len(pieces), failures) == (2, [])


def test_channels_are_chosen_in_order_with_or_without_their_units(write):
    path = write("time,x [g],y [g],anomaly\n0,1,2,0\n1,3,4,0\n")
    clip = read(path, reading=Reading(channels=["y [g]", "x"]))
    assert (clip.channels, clip.unit) == (("y", "x"), "g")
    np.testing.assert_array_equal(clip.samples, [[2, 4], [1, 3]])
    assert read(path, reading=Reading(channels=["x", "y"], unit=["A", "V"])).units == ("A", "V")


BAD = {
    "times out of order": (
        log([0, 1, 3, 2, 4], range(5)), {}, r"not in order of time: row 4 \(2 s\) comes after row 3 \(3 s\)"
    ),
    "two values at one time": (
        log([0, 1, 1, 2], range(4)), {}, r"different values at the same time 1 s \(rows 2 and 3\)"
    ),
    "one time for all": (log([5, 5, 5], [1, 2, 3]), {}, r"the same timestamp in all rows \(5 s\)"),
    "one row": (log([0], [1]), {}, "holds one row only. A recording needs at least two."),
    "no row": ("time,x\n", {}, "holds no row of numbers: nothing but a header"),
    "text only": ("name,state\npump,ok\nfan,bad\n", {}, "holds no rows of numbers"),
    "times only": (log(at([0, 1, 2]), ["a", "b", "c"]), {}, "has no column of numbers besides 'time'"),
    "a text channel": (
        log([0, 1], ["ok", "bad"], [1, 2]), {"channels": ["c0"]}, r"holds text \('ok'\) in column 'c0'"
    ),
    "no such channel": (log([0, 1], [1, 2]), {"channels": ["C0 "]}, "has no column 'C0 '. It has: 'c0', 'time'"),
    "no such time": (log([0, 1], [1, 2]), {"time": "when"}, "has no time column 'when'"),
    "no such group": (log([0, 1], [1, 2]), {"group": "pump"}, "has no group column 'pump'"),
    "a time that is none": (
        log([0, 1], ["a", "b"], [1, 2]), {"time": "c0"}, "'a' in the time column 'c0', which is no time"
    ),
    "time as a channel": (log([0, 1], [1, 2]), {"channels": ["time"], "time": "time"}, "no signal in column 'time'"),
    "too many fields": (
        "a,b\n1,2\n3,4\n5,6,7\n8,9\n", {"rate": 1}, "has 3 fields in line 4, not 2. Check its delimiter"
    ),
    "huge values": (log([0, 1, 2], [1, 1e30, 2]), {}, r"values up to 1e\+30 in column 'c0'"),
    "units that do not fit": (log([0, 1], [1, 2]), {"unit": ["g", "g"]}, "2 units were given for 1 channels"),
    "nothing but missing values": (
        log([0, 1, 2], [1, 2, 3], ["", "", ""]), {"channels": ["c1"]}, "no numbers in column 'c1'"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reading", "message"), BAD.values(), ids=BAD.keys())
def test_bad_tables_are_told_in_a_sentence(write, text, reading, message):
    path = write(text)
    with pytest.raises(ReadError, match=message) as caught:
        pieces_of(path, Reading(**reading))
    assert caught.value.source.startswith(str(path))
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(range(256)) * 40, "is no text table: it holds binary data"),
        (b"", "is empty"),
        (b"x" * 200_000, "first line is longer"),
        (b"\n\n\n", "holds no rows of numbers"),
        (b'"1,2\n3,4\n', None),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message):
        pieces_of(path, Reading(rate=1))


def test_a_folder_or_nothing_with_such_a_name_is_refused(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(ReadError, match="is a folder without a sensor file"):
        pieces_of(tmp_path / "x.csv")
    with pytest.raises(ReadError, match="does not exist"):
        pieces_of(tmp_path / "y.csv")


def test_rows_without_a_time_and_text_in_numbers_are_told(write):
    path = write(log([0, 1, 2, "", 4, 5, 6], [0, 1, 2, 3, 4, "ERR", 6]))
    pieces = pieces_of(path)
    assert [piece.clip().samples.tolist() for piece in pieces] == [[[0, 1, 2]], [[4]], [[6]]]
    assert pieces[0].notes[1] == "1 row without a timestamp is left out"
    assert pieces[0].notes[2].startswith("1 value of 'c0' is no number (the first is 'ERR' in row 6)")


def test_timestamps_can_be_passed_over(write):
    path = write(log(at([0, 0, 0, 0]), [1, 2, 3, 5]))
    piece = only(path, time="", rate=4)
    assert (piece.rate, piece.n_samples, piece.start) == (4, 4, None)


def test_parameters_of_a_reading_are_checked(write):
    path = write(log([0, 1], [1, 2]))
    for wrong in (
        {"channels": "x"}, {"channels": []}, {"channels": ["x", "x"]}, {"rate": 0}, {"rate": True},
        {"missing": "fill"}, {"longest_hole": 0},
    ):  # fmt: skip
        with pytest.raises(InputError, match="given"):
            pieces_of(path, Reading(**wrong))


def test_a_changed_file_is_noticed(write):
    piece = only(write(log([0, 1, 2], [1, 2, 3])))
    write(log([0, 1, 2, 3], [1, 2, 3, 4]))
    with pytest.raises(ReadError, match="has changed since it was looked at"):
        piece.clip()


def test_tables_beside_sound_files_are_no_recordings(write, tmp_path, caplog):
    path = write(log([0, 1, 2], [1, 2, 3]), "fan/labels.csv")
    assert find(tmp_path / "fan") == [path]
    sound = tmp_path / "fan" / "deeper" / "a.wav"
    sound.parent.mkdir()
    sound.write_bytes(b"RIFF")
    assert not caplog.records
    assert find(tmp_path / "fan") == [sound]
    assert "1 sensor file such as labels.csv passed over beside 1 sound file" in caplog.text


def test_recordings_tables_are_told_from_sensor_files(write):
    assert is_recordings_table(write("path;label\na.wav;0\n"))
    assert is_recordings_table(write('"machine","Path"\npump,a.wav\n'))
    assert not is_recordings_table(write("time,x\n0,1\n"))


def test_a_clip_keeps_units_and_is_resampled(write):
    path = write("time,x [g],I [A]\n" + "".join(f"{i / 100:.2f},{i % 7},{i % 5}\n" for i in range(1000)))
    clip = read(path, rate=50)
    assert (clip.rate, clip.units, clip.n_samples) == (50, ("g", "A"), 500)


def steady(rate, n, start=0.0):
    """Times of samples, to ten milliseconds."""
    return [round(start + i / rate, 2) for i in range(n)]


def noise(n):
    return np.random.default_rng(n).normal(size=n).round(4).tolist()


def test_a_while_in_which_every_second_sample_is_lost_is_gaps_not_another_rate(write):
    times = [t for i, t in enumerate(steady(100, 3000)) if not 1000 <= i < 1300 or i % 2]
    pieces = pieces_of(write(log(times, noise(len(times)))))
    assert {piece.rate for piece in pieces} == {100}
    assert len(pieces) == 151
    seconds = [i for i in range(600) if not 200 <= i < 320 or i % 2]
    assert {piece.rate for piece in pieces_of(write(log(at(seconds), noise(len(seconds)))))} == {1}


@pytest.mark.parametrize(
    ("first", "then"), [((50, 500), (100, 500)), ((100, 1000), (20, 500)), ((20, 300), (100, 900))]
)
def test_a_recording_whose_rate_changes_is_refused(write, first, then):
    times = steady(*first)
    times += steady(*then, start=times[-1] + 1 / then[0])
    low, high = sorted((first[0], then[0]))
    with pytest.raises(ReadError, match=f"changes its rate: parts of it have {high} Hz, others {low} Hz"):
        pieces_of(write(log(times, noise(len(times)))))


@given(interval=st.floats(0.51, 9.0), phase=st.floats(0, 1))
def test_a_coarse_clock_tells_its_mean_rate_and_no_change_of_it(interval, phase):
    stamps = np.floor(interval * np.arange(400) + phase).astype(np.int64) * 10**9
    timing = sampling.timing_of_times([np.unique(stamps)])
    assert timing.unlike == ()


STATED = {
    "Sample rate: 25,6 kHz": 25_600, "Sample rate: 25,600 Hz": 25_600, "Sampling rate = 2 MHz": 2e6,
    "Sample rate: 51.2 ksps": 51_200, "fs 10 kS/s": 10_000, "Sample Rate (samples/s), 51200": 51_200,
    '"Sample rate","25.6","kHz"': 25_600, "fs=1000 Hz, gain=2": 1000, "Sample rate: 25.600,5 Hz": 25_600.5,
    "Sample rate (kHz): 5": 5000, "Sample rate: 0 Hz": None, "Sample rate divider: 8": None,
    "Sampling rate not recorded, 2 sensors": None, "Sample rate: 100 mHz": None, "Sample rate: 8 bit": None,
    "Sample rate: 1.2.3": None,
}  # fmt: skip


@pytest.mark.parametrize(("line", "rate"), STATED.items())
def test_a_rate_before_the_table_is_read_whole_or_not_at_all(write, line, rate):
    path = write(f"{line}\n\nx,y\n1.5,2\n1.6,3\n1.7,5\n")
    if rate is None:
        with pytest.raises(ReadError, match="states no rate"):
            pieces_of(path)
        assert only(path, rate=7).notes == ()
        return
    piece = only(path)
    assert piece.rate == pytest.approx(rate)
    assert piece.notes[0].startswith(f"the line {line!r} before the table states")
    given = only(path, rate=7)
    assert given.rate == 7
    assert given.notes[0].endswith("; taken as 7 Hz, as given")


def test_the_marks_of_a_table_tell_what_its_rate_means(write):
    assert only(write("Abtastrate: 25.600 Hz\nx;y\n1,5;2\n1,6;3\n1,7;5\n")).rate == 25_600
    assert only(write("Sample rate: 25.600 kHz\nx;y\n1.5;2\n1.6;3\n1.7;5\n")).rate == 25_600


def test_a_line_of_names_below_another_line_is_none_of_units(write):
    for names in (("time", "A"), ("time", "x"), ("Zeit_s", "c")):
        piece = only(write("Logger,X12\n" + log(steady(10, 5), noise(5), names=names)))
        assert (piece.channels, piece.units, piece.rate) == (names[1:], ("",), 10)
    units = only(write("time,x,T\ns,m/s²,degC\n0.0,1,2\n0.5,2,2\n1.0,4,2\n"))
    assert (units.channels, units.units, units.rate) == (("x", "T"), ("m/s2", "degC"), 2)


def test_a_comment_below_the_names_does_not_take_their_place(write):
    piece = only(write("time,x\n# part 1\n0.0,1\n0.5,2\n# part 2\n1.0,4\n"))
    assert (piece.channels, piece.rate, piece.n_samples) == (("x",), 2, 3)


def test_lines_as_wide_as_the_table_are_none_of_it(write):
    piece = only(write("Sample Rate (samples/s), 51200\nNumber, 5\nx,z\n1.5,2\n1.6,3\n1.7,5\n"))
    assert (piece.rate, piece.channels, piece.n_samples) == (51_200, ("x", "z"), 3)
    damaged = only(write("x,z\n1.5,2\n1.6,ERR\n1.7,5\n1.8,5\n1.9,5\n"), rate=1, channels=["x"])
    assert damaged.n_samples == 5


@pytest.mark.parametrize(
    ("header", "names", "units"),
    [
        ("acc (left),acc (right)", ("acc (left)", "acc (right)"), ("", "")),
        ("Temp [C],Temp [F]", ("Temp [C]", "Temp [F]"), ("C", "F")),
        ("x [g],x [g]", ("x", "x.1"), ("g", "g")),
        ("x,x.1,x", None, None),
    ],
)
def test_no_two_channels_have_one_name_and_each_is_found_by_its_own(write, header, names, units):
    n = header.count(",") + 1
    path = write(log(range(4), *(np.arange(4) * (i + 2) % 5 for i in range(n)), names=["time", *header.split(",")]))
    piece = only(path)
    assert len(set(piece.channels)) == n
    if names:
        assert (piece.channels, piece.units) == (names, units)
    for row, name in enumerate(piece.channels):
        np.testing.assert_array_equal(only(path, channels=[name]).clip().samples[0], piece.clip().samples[row])


def test_a_speed_may_differ_from_another_in_its_unit_only(write):
    n = 4000
    speed = 600 + noise(n)[0]
    text = log(
        steady(100, n), noise(n), [speed] * n, [speed / 60] * n, names=["time", "x", "speed [rpm]", "speed [Hz]"]
    )
    for name in ("speed [rpm]", "speed [Hz]"):
        piece = only(write(text), channels=["x"], speed=name)
        assert (piece.channels, piece.rate) == (("x",), 64)
        assert piece.n_samples == pytest.approx(400 * 64, rel=0.01)


@pytest.mark.parametrize(
    ("name", "stamps", "rate", "start"),
    [
        ("time", [20240105120000, 20240105120001, 20240105120002], 1, datetime(2024, 1, 5, 12)),
        ("Date", [202401051200, 202401051201, 202401051202], 1 / 60, datetime(2024, 1, 5, 12)),
        ("date", [20240130, 20240131, 20240201], 1 / 86_400, datetime(2024, 1, 30)),
        ("Time [msec]", [0, 100, 200], 10, None), ("Time (sec.)", [0.0, 0.1, 0.2], 10, None),
        ("timestamp_ms", [0, 100, 200], 10, None), ("ts_ms", [0, 100, 200], 10, None),
        ("elapsed_ms", [0, 100, 200], 10, None), ("millis", [0, 100, 200], 10, None),
        ("Zeit_ms", [0, 100, 200], 10, None), ("Time in ms", [0, 100, 200], 10, None),
        ("Date/Time", [0.0, 0.1, 0.2], 10, None),
        ("time", ["2024-01-05 00:00 UTC", "2024-01-05 00:01 UTC", "2024-01-05 00:02 UTC"], 1 / 60,
         datetime(2024, 1, 5, tzinfo=UTC)),
        ("time", [f"2024-01-05T00:00:0{i}.5 +01:00" for i in (0, 1, 2)], 1,
         datetime(2024, 1, 4, 23, 0, 0, 500_000, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_times_are_known_by_more_names_units_and_forms(write, name, stamps, rate, start):
    piece = only(write(log(stamps, [1, 2, 4], names=[name, "x"])))
    assert (piece.channels, piece.start) == (("x",), start)
    assert piece.rate == pytest.approx(rate)


def test_compact_dates_of_a_parquet_file_are_dates_though_some_are_missing(tmp_path):
    pytest.importorskip("pyarrow")
    stamps = [20240105120000 + i if i != 5 else None for i in range(9)]
    pd.DataFrame({"time": stamps, "x": range(9)}).to_parquet(tmp_path / "x.parquet")
    pieces = pieces_of(tmp_path / "x.parquet")
    assert [piece.start for piece in pieces] == [datetime(2024, 1, 5, 12), datetime(2024, 1, 5, 12, 0, 6)]


def test_times_that_cannot_be_are_refused(write):
    with pytest.raises(ReadError, match=r"holds 20000000000 in the column of times 'time', which is no date"):
        pieces_of(write(log([20_000_000_000, 20_000_000_001], [1, 2])))
    with pytest.raises(ReadError, match=r"states its times 'Time' in 'ticks', which is no unit of time"):
        pieces_of(write(log([0, 1], [1, 2], names=["Time [ticks]", "x"])))


def test_a_ramp_among_the_channels_is_told(write):
    path = write("when it was,x\n" + "".join(f"{i / 10},{i * i % 7}\n" for i in range(30)))
    piece = only(path, rate=10)
    assert piece.channels == ("when it was", "x")
    assert piece.notes[0].startswith("'when it was': ascends evenly from row to row, taken as a channel")
    assert only(path, rate=10, channels=["when it was", "x"]).notes == ()
    assert only(path, time="when it was").rate == 10


@pytest.mark.parametrize("step", [1, 10])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_index_of_pandas_is_neither_a_channel_nor_the_time(tmp_path, step, kind):
    frame = pd.DataFrame({"x": noise(1000), "y": noise(1000)})[::step]
    path = tmp_path / f"x.{kind}"
    if kind == "csv":
        frame.to_csv(path)
    else:
        pytest.importorskip("pyarrow")
        frame.sample(frac=1, random_state=0).sort_index().to_parquet(path)  # so that it is stored, not a range
    piece = only(path, rate=1000)
    assert (piece.channels, piece.rate, piece.n_samples) == (("x", "y"), 1000, 1000 // step)
    assert "numbers the rows, left out" in piece.notes[0]


def test_an_index_of_seconds_is_the_time(tmp_path):
    frame = pd.DataFrame({"x": noise(30)}, index=np.arange(30) / 20)
    frame.to_csv(tmp_path / "x.csv")
    assert only(tmp_path / "x.csv").rate == 20
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "x.parquet")
    assert only(tmp_path / "x.parquet").rate == 20


def test_a_leading_zero_tells_a_decimal_comma_however_often_values_repeat(write):
    rows = [("1.797", "0,126"), ("1.798", "0,126"), ("1.799", "0,127"), ("2.000", "0,126")]
    piece = only(write("t;x\n" + "".join(f"{';'.join(row)}\n" for row in rows)), rate=5, time="")
    np.testing.assert_allclose(
        piece.clip().samples, [[1797, 1798, 1799, 2000], [0.126, 0.126, 0.127, 0.126]], rtol=1e-6
    )
    assert piece.notes == ("'.' is read as a mark between thousands, such as in 1.797",)
    with pytest.raises(ReadError, match="has decimal points in one column, and decimal commas in another"):
        pieces_of(write("t;x\n0.001;0,126\n0.002;0,127\n"))


@given(st.lists(st.floats(-1e7, 1e7), min_size=3, max_size=30), st.sampled_from([(".", ","), (",", ".")]), st.data())
def test_numbers_mean_the_same_however_they_are_grouped(values, marks, data):
    decimal, thousands = marks
    swap = str.maketrans(".,", f"{decimal}{thousands}")
    texts = [f"{value:{',' if data.draw(st.booleans()) else ''}.4f}".translate(swap) for value in values]
    numbers = Numbers.as_in([[text, "1"] for text in texts], ";")
    read_ = [numbers.of(text) for text in texts]
    np.testing.assert_allclose(read_, values, atol=1e-4)
    np.testing.assert_array_equal(numbers.of_column(pd.Series(texts)), read_)
    odd = [*texts, "ERR", " 1", "true", None, "0,126", "0.126", "1,2,3", ""]
    expected = [numbers.of(text or "") for text in odd]
    np.testing.assert_array_equal(
        numbers.of_column(pd.Series(odd)), [np.nan if number is None else number for number in expected]
    )
    assert numbers.of_column(pd.Series([], dtype=object)).shape == (0,)


def test_regularly_missing_values_are_refused_where_that_is_asked_for(write):
    path = write(log(range(40), noise(40), [i if i % 2 else "" for i in range(40)], names=["time", "x", "y"]))
    with pytest.raises(ReadError, match="has a value of 'y' in one of 2 rows only"):
        pieces_of(path, Reading(missing="refuse"))
    assert "'y' is sampled 2 times more slowly" in only(path).notes[-1]


def test_a_channel_with_hardly_a_value_is_left_out_and_those_with_holes_are_named(write):
    y = [""] * 4000
    y[10], y[2000] = 1, 2
    z = noise(4000)
    z[7] = ""
    path = write(log(steady(100, 4000), noise(4000), y, z, names=["time", "x", "y", "z"]))
    pieces = pieces_of(path)
    assert [(piece.channels, piece.n_samples) for piece in pieces] == [(("x", "z"), 7), (("x", "z"), 3992)]
    assert "'y': 2 numbers in 4000 rows, left out" in pieces[0].notes
    assert "it has 1 missing value (1 in 'z'): cut into 2 parts" in pieces[0].notes
    with pytest.raises(ReadError, match="holds 2 numbers in the 4000 rows of column 'y'"):
        pieces_of(path, Reading(channels=["x", "y"]))


def test_texts_beside_tables_are_passed_over_with_a_warning(write, tmp_path, caplog):
    path = write(log([0, 1, 2], [1, 2, 3]), "logs/a.csv")
    note = write("read me\n", "logs/README.txt")
    assert find(tmp_path / "logs") == [path]
    assert "1 sensor file such as README.txt passed over beside 1 sensor file" in caplog.text
    assert find([path, note]) == [path, note]
    assert find_pieces(tmp_path / "logs", Reading(join=True))[1] == []
    only_text = write(log([0, 1, 2], [1, 2, 3]), "texts/a.txt")
    assert find(tmp_path / "texts") == [only_text]


def test_a_comment_mark_within_a_field_is_no_comment(write):
    text = "# made today\ntime,x,by\n" + "".join(f"{i / 10},{i * i},pump #{i}\n# pause\n" for i in range(10))
    piece = only(write(text))
    np.testing.assert_array_equal(piece.clip().samples, [[i * i for i in range(10)]])
    with pytest.raises(ReadError, match="has 4 fields in line 7, not 3"):
        pieces_of(write("# made\ntime,x,by\n0,1,#a\n1,2,#b\n# pause\n2,3,#c\n3,4,#d,5\n4,5,#e\n5,5,#e\n"))


def test_truths_and_decimal_fractions_are_numbers(write, tmp_path):
    path = write(log(range(5), [True, False, True, True, False], ["True", "", "False", "True", "True"], noise(5)))
    first, second = (piece.clip().samples for piece in pieces_of(path))
    np.testing.assert_array_equal(np.hstack([first, second])[:2], [[1, 1, 1, 0], [1, 0, 1, 1]])
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({
        "b": pd.array([True, False, True], "boolean"), "d": [Decimal("1.5"), Decimal("2"), Decimal("-1")],
        "text": ["1", "2", "4"],
    })  # fmt: skip
    frame.to_parquet(tmp_path / "x.parquet")
    piece = only(tmp_path / "x.parquet", rate=1)
    assert piece.channels == ("b", "d")
    np.testing.assert_array_equal(piece.clip().samples, [[1, 0, 1], [1.5, 2, -1]])
    frame["b"] = pd.array([True, None, True], "boolean")
    frame.to_parquet(tmp_path / "x.parquet")
    assert [piece.n_samples for piece in pieces_of(tmp_path / "x.parquet", Reading(rate=1))] == [1, 1]


def oracle(times, values, bridged):
    """Cut by hand: rows one after the other, by Python alone."""
    parts, part, last = [], [], None
    for time, value in zip(times, values, strict=True):
        if np.isnan(value):
            continue
        hole = 0 if last is None else time - last[0] - 1
        if last is not None and hole > bridged:
            parts.append(part)
            part = []
        elif last is not None:
            part += [last[1] + (value - last[1]) * (k + 1) / (hole + 1) for k in range(hole)]
        part.append(value)
        last = time, value
    return [*parts, part]


@settings(max_examples=60)
@given(
    steps=st.lists(st.sampled_from([1] * 12 + [2, 3, 7]), min_size=12, max_size=120),
    missing=st.sets(st.integers(1, 110)),
    bridged=st.sampled_from([0, 1, 3]),
    block=st.integers(1, 50),
    chunk=st.integers(1, 60),
)
def test_pieces_are_what_is_cut_by_hand_whatever_the_gaps_and_blocks(tmp_path, steps, missing, bridged, block, chunk):
    steps = [1] * 30 + steps
    times = np.concatenate([[0], np.cumsum(steps)])
    values = np.random.default_rng(len(steps)).normal(size=len(times)).astype(np.float32).astype(float)
    values[[row for row in missing if row % 7 == 0 and row < len(times)]] = np.nan
    expected = oracle(times, values, bridged)
    path = tmp_path / "log.csv"
    pd.DataFrame({"time": times, "x": values}).to_csv(path, index=False)
    reading = Reading(missing="interpolate" if bridged else "cut", longest_hole=max(bridged, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BLOCK_ROWS", block)
        patch.setattr(cutting, "BLOCK_ROWS", block)
        patch.setattr(signal_tables, "VALUES_AT_ONCE", 2 * chunk)
        patch.setattr(store, "LARGEST_IN_MEMORY", 64 * block)
        pieces = pieces_of(path, reading)
        found = [np.concatenate(list(piece.blocks()), axis=1)[0] for piece in pieces]
    assert [len(part) for part in found] == [piece.n_samples for piece in pieces] == [len(part) for part in expected]
    for part, by_hand in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, by_hand, rtol=1e-5, atol=1e-6)


MEASURE = """
import sys, threading, time
from offkey.signals import pieces_of, Reading
peak, done = 0, False
def watch():
    global peak
    while not done:
        with open("/proc/self/status") as file:
            peak = max(peak, *(int(line.split()[1]) for line in file if line.startswith("RssAnon")))
        time.sleep(0.002)
thread = threading.Thread(target=watch); thread.start()
n = sum(block.shape[1] for piece in pieces_of(sys.argv[1]) for block in piece.blocks())
done = True; thread.join()
print(n, peak)
"""


def write_long_log(path, n_rows):
    rng = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write("time,x [g],y [g],z [g]\n")
        for start in range(0, n_rows, 50_000):
            rows = np.arange(start, min(n_rows, start + 50_000))
            np.savetxt(file, np.column_stack([rows / 1000, rng.normal(size=(len(rows), 3))]), "%.3f,%.5f,%.5f,%.5f")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_length_of_a_table(tmp_path):
    peaks = []
    for n_rows in (1_500_000, 6_000_000):
        write_long_log(tmp_path / "log.csv", n_rows)
        answer = subprocess.run(
            [sys.executable, "-c", MEASURE, tmp_path / "log.csv"], capture_output=True, text=True, check=True
        )
        n_read, peak = map(int, answer.stdout.split())
        assert n_read == n_rows
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 30_000, peaks


@pytest.mark.real_data
def test_real_logs_tell_their_rates_and_gaps(data):
    series = data / "series"
    taxi = only(series / "nab" / "data" / "realKnownCause" / "nyc_taxi.csv")
    assert (taxi.rate, taxi.n_samples) == (1 / 1800, 10_320)
    ambient = pieces_of(series / "nab" / "data" / "realKnownCause" / "ambient_temperature_system_failure.csv")
    assert (len(ambient), ambient[0].rate, sum(piece.n_samples for piece in ambient)) == (11, 1 / 3600, 7267)
    with pytest.raises(ReadError, match=r"row 10150 .* comes after row 10149"):
        pieces_of(series / "nab" / "data" / "realKnownCause" / "machine_temperature_system_failure.csv")
    valve = series / "skab" / "valve1" / "0.csv"
    assert only(valve).rate == pytest.approx(0.9548, abs=1e-3)
    assert only(valve, rate=1, channels=["Pressure"]).rate == 1
    frame = pd.read_csv(valve, sep=";")
    np.testing.assert_array_equal(only(valve).clip().samples, frame.iloc[:, 1:].to_numpy(np.float32).T)
