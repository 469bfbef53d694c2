"""Recordings in array files: NumPy, MATLAB and HDF5; and Parquet."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.io

from offkey.errors import ReadError
from offkey.signals import Reading, find_pieces, pieces_of, read, read_all

RATE = Reading(rate=100)
RNG = np.random.default_rng(0)
THREE = RNG.normal(size=(50, 3)).astype(np.float32)


@pytest.mark.parametrize("array", [THREE, THREE.T, np.asfortranarray(THREE), THREE.astype(float)], ids=str)
def test_the_longer_axis_of_an_array_is_time(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    clip = read(tmp_path / "x.npy", reading=Reading(rate=100, unit="g"))
    np.testing.assert_array_equal(clip.samples, THREE.T)
    assert (clip.rate, clip.channels, clip.unit) == (100, ("0", "1", "2"), "g")


def test_rows_of_a_square_array_are_times(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(9).reshape(3, 3))
    np.testing.assert_array_equal(read(tmp_path / "x.npy", reading=RATE).samples, np.arange(9).reshape(3, 3).T)


def test_arrays_of_one_axis_are_the_channels_of_one_recording(tmp_path):
    np.savez(tmp_path / "x.npz", x=THREE[:, 0], y=THREE[:, 1], fs=2000, name="pump")
    clip = read(tmp_path / "x.npz")
    np.testing.assert_array_equal(clip.samples, THREE[:, :2].T)
    assert (clip.rate, clip.channels) == (2000, ("x", "y"))
    assert read(tmp_path / "x.npz", reading=Reading(channels=["y"])).channels == ("y",)


def test_arrays_of_two_axes_are_recordings_and_those_of_three_many(tmp_path):
    np.savez(tmp_path / "two.npz", a=THREE, b=THREE + 1, label=np.arange(50))
    pieces = pieces_of(tmp_path / "two.npz", RATE)
    assert [piece.name.rpartition(" ")[2] for piece in pieces] == ["[a]", "[b]"]
    assert pieces[0].notes == ("'label': left out beside arrays of channels",)
    np.testing.assert_array_equal(pieces[1].clip().samples, (THREE + 1).T)
    many = RNG.normal(size=(4, 20, 3)).astype(np.float32)
    np.savez(tmp_path / "three.npz", a=many, b=many.swapaxes(1, 2))
    clips = read_all(tmp_path / "three.npz", RATE)
    assert [clip.source.rpartition("[")[2] for clip in clips[:2]] == ["a 0]", "a 1]"]
    for i, clip in enumerate(clips):
        np.testing.assert_array_equal(clip.samples, many[i % 4].T)
    chosen = pieces_of(tmp_path / "three.npz", Reading(rate=100, channels=["b"]))
    assert len(chosen) == 4
    columns = pieces_of(tmp_path / "three.npz", Reading(rate=100, channels=["2", "0"]))
    np.testing.assert_array_equal(columns[0].clip().samples, many[0].T[[2, 0]])


def test_times_and_slower_arrays_are_taken_up(tmp_path):
    time = np.arange(100) / 50
    np.savez(tmp_path / "x.npz", time=time, fast=np.arange(100.0), slow=np.arange(0, 100, 4.0))
    (piece,) = pieces_of(tmp_path / "x.npz")
    assert (piece.rate, piece.channels) == (50, ("fast", "slow"))
    np.testing.assert_allclose(piece.clip().samples[1], np.minimum(np.arange(100), 96))
    assert "'slow' is sampled 4 times more slowly" in piece.notes[-1]
    np.savez(tmp_path / "x.npz", a=np.arange(100), b=np.arange(77))
    with pytest.raises(ReadError, match=r"77 values in 'b' and 100 in 'a': no whole number of times as many"):
        pieces_of(tmp_path / "x.npz", RATE)


def test_gaps_in_the_times_of_an_array_cut_it(tmp_path):
    time = np.array([0, 1, 2, 3, 10, 11, 12], np.int64) * 1000 + 1_581_168_647_000
    np.savez(tmp_path / "x.npz", timestamps=time, x=RNG.normal(size=(7, 2)))
    pieces = pieces_of(tmp_path / "x.npz")
    assert [(piece.n_samples, piece.rate) for piece in pieces] == [(4, 1), (3, 1)]
    assert str(pieces[1].start) == "2020-02-08 13:30:57+00:00"


def test_records_are_a_table(tmp_path):
    records = np.zeros(6, [("time", float), ("x", "f4"), ("state", "S3")])
    records["time"], records["x"], records["state"] = np.arange(6) / 10, np.arange(6), b"ok"
    np.save(tmp_path / "x.npy", records)
    clip = read(tmp_path / "x.npy")
    assert (clip.rate, clip.channels) == (10, ("x",))
    np.testing.assert_array_equal(clip.samples, [range(6)])


def test_matlab_files_as_of_a_bearing_test_rig_are_read(tmp_path):
    drive, fan = RNG.normal(size=(80, 1)), RNG.normal(size=(80, 1))
    content = {"X097_DE_time": drive, "X097_FE_time": fan, "X097RPM": np.array([[1796]])}
    scipy.io.savemat(tmp_path / "97.mat", content)
    clip = read(tmp_path / "97.mat", reading=Reading(rate=12_000, unit="g"))
    assert clip.channels == ("DE_time", "FE_time")
    np.testing.assert_array_equal(clip.samples, np.hstack([drive, fan]).T.astype(np.float32))


def test_arrays_that_number_their_file_have_the_same_names_in_all_files(tmp_path):
    """Of one file the second channel, by its name without the number, is that of the other by the same name."""
    for number in ("097", "098"):
        content = {f"X{number}_{name}_time": RNG.normal(size=(80, 1)) for name in ("DE", "FE")}
        scipy.io.savemat(tmp_path / f"{number}.mat", {**content, f"X{number}RPM": np.array([[1796]])})
    pieces, failures = find_pieces(tmp_path, Reading(rate=12_000, channels=["FE_time", "DE_time"]))
    assert ([piece.channels for piece in pieces], failures) == ([("FE_time", "DE_time")] * 2, [])
    whole = read(tmp_path / "098.mat", reading=Reading(rate=12_000))
    np.testing.assert_array_equal(pieces[1].clip().samples, whole.samples[::-1])
    (own,) = pieces_of(tmp_path / "098.mat", Reading(rate=12_000, channels=["X098_FE_time"]))
    np.testing.assert_array_equal(own.clip().samples, whole.samples[1:])
    np.savez(tmp_path / "x.npz", a01_x=THREE[:, 0], a02_x=THREE[:, 1])
    assert read(tmp_path / "x.npz", reading=RATE).channels == ("a01_x", "a02_x")


def test_hdf5_files_and_their_attributes_are_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        run = file.create_dataset("run1/vibration", data=THREE, chunks=(10, 3))
        run.attrs.update({"sampling_rate": 25600.0, "units": "m/s^2", "columns": ["x", "y", "z"]})
        file["note"] = "left alone"
    clip = read(tmp_path / "x.h5")
    np.testing.assert_array_equal(clip.samples, THREE.T)
    assert (clip.rate, clip.unit, clip.channels) == (25600, "m/s2", ("x", "y", "z"))
    assert read(tmp_path / "x.h5", reading=Reading(channels=["z"])).channels == ("z",)


def test_newer_matlab_files_are_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        file["acc"] = THREE.T
        file["acc"].attrs["MATLAB_class"] = np.bytes_("double")
        file["name"] = np.array([[112, 117]], np.uint16)
        file["name"].attrs["MATLAB_class"] = np.bytes_("char")
        file["fs"] = np.array([[50.0]])
    clip = read(tmp_path / "x.mat")
    np.testing.assert_array_equal(clip.samples, THREE.T)
    assert clip.rate == 50


def test_parquet_files_are_read_in_pieces(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({
        "when": pd.date_range("2020-02-08 13:30:47", periods=1000, freq="5ms", tz="UTC"),
        "x [g]": np.arange(1000, dtype=np.float32), "machine": ["A", "B"] * 500,
    })  # fmt: skip
    frame.to_parquet(tmp_path / "x.parquet", row_group_size=300)
    (piece,) = pieces_of(tmp_path / "x.parquet")
    assert (piece.rate, piece.channels, piece.units) == (200, ("x",), ("g",))
    assert str(piece.start) == "2020-02-08 13:30:47+00:00"
    np.testing.assert_array_equal(piece.clip().samples, [range(1000)])
    groups = pieces_of(tmp_path / "x.parquet", Reading(group="machine"))
    np.testing.assert_array_equal(groups[1].clip().samples, [range(1, 1000, 2)])
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:2000])
    with pytest.raises(ReadError, match="is not a readable Parquet file"):
        pieces_of(tmp_path / "x.parquet")


def write_lying(path):
    np.savez(path, x=np.zeros(10))
    with zipfile.ZipFile(path) as file:
        content = file.read("x.npy").replace(b"(10,), }          ", b"(99999999999,), } ")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.ones(5, complex)}, "holds no array of real numbers: 'x' holds complex numbers"),
        ({"x": np.array(["a", "b"])}, "holds no array of real numbers: 'x' holds text"),
        ({"x": np.array([{}, {}])}, "holds no array of real numbers: 'x' holds objects"),
        ({"x": np.float64(3)}, "holds no array of real numbers with more than one value"),
        ({"x": np.full(5, 1e30)}, r"values up to 1e\+30"),
        ({"x": np.full(5, np.nan)}, "holds no row in which all channels have a value"),
        ({"x": np.arange(5), "t": np.array([0, 1, 3, 2, 4.0])}, None),
    ],
    ids=str,
)
def test_arrays_that_are_no_signals_are_refused(tmp_path, content, message):
    np.savez(tmp_path / "x.npz", **content)
    if message is None:  # a `t` that does not ascend is a channel
        assert pieces_of(tmp_path / "x.npz", RATE)[0].channels == ("x", "t")
        return
    with pytest.raises(ReadError, match=message):
        pieces_of(tmp_path / "x.npz", RATE)


def test_what_is_named_and_not_there_or_no_signal_is_told(tmp_path):
    np.savez(tmp_path / "x.npz", vibration=np.arange(9), z=np.ones(9, complex), table=THREE)
    for channels, message in (
        (["vibratoin", "z"], "has no array 'vibratoin'. It has: 'vibration'"),
        (["z"], "holds complex numbers in 'z'. Choose arrays of real numbers"),
        (["7"], "has no channel '7'. It has: '0'"),
    ):
        with pytest.raises(ReadError, match=message):
            pieces_of(tmp_path / "x.npz", Reading(rate=1, channels=channels))
    with pytest.raises(ReadError, match="it has no column 'machine' to group by"):
        pieces_of(tmp_path / "x.npz", Reading(rate=1, group="machine"))


DAMAGES = [
    *((name, damage) for name in ("x.npy", "x.npz", "x.h5", "new.mat", "old.mat") for damage in ("cut", "garbage")),
    *((name, "flipped") for name in ("x.npz", "old.mat")),  # those with sums that are checked
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_damaged_files_are_told(tmp_path, name, damage):
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, THREE)
    elif name == "x.npz":
        np.savez_compressed(path, a=THREE)
    elif name == "old.mat":
        scipy.io.savemat(path, {"a": THREE}, do_compression=True)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file.create_dataset("a", data=THREE, chunks=(10, 3), compression="gzip", fletcher32=True)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes({
        "cut": content[: int(0.7 * len(content))], "garbage": bytes(range(256)) * 9,
        "flipped": content[: middle - 20] + bytes(255 - byte for byte in content[middle - 20 : middle + 20])
        + content[middle + 20 :],
    }[damage])  # fmt: skip
    with pytest.raises(ReadError) as caught:
        read_all(path, RATE)
    assert "\n" not in caught.value.reason


def test_a_header_that_states_more_than_there_is_is_refused(tmp_path):
    write_lying(tmp_path / "x.npz")
    with pytest.raises(ReadError, match=r"states .* more than it holds"):
        pieces_of(tmp_path / "x.npz", RATE)


def test_one_missing_rate_is_told_once_for_all_recordings_of_a_file(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 20, 3)))
    pieces, failures = find_pieces(tmp_path / "x.npy")
    assert (pieces, [error.source for error in failures]) == ([], [str(tmp_path / "x.npy")])


@pytest.mark.real_data
def test_real_arrays_are_the_recordings_they_hold(data):
    fan = data / "vibration" / "ceiling-fan" / "fan_accel.npz"
    pieces = pieces_of(fan, Reading(rate=100, unit="g"))
    with np.load(fan) as file:
        assert len(pieces) == sum(len(file[name]) for name in file.files)
        np.testing.assert_array_equal(pieces[286 + 17].clip().samples, file["fan_0_high_0_weight"][17].T)
    motor = pieces_of(data / "current" / "itsc" / "itsc_current.npz", Reading(rate=10_000, unit="A"))
    assert (len(motor), motor[0].n_samples, motor[0].units) == (23, 5000, ("A", "A", "A"))
