"""The window grid, the frame store, the lazy window array and pooling."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
from offkey import windows
from offkey.detectors.base import known_of
from offkey.errors import InputError, ShapeError
from offkey.windows import FrameStore, WindowArray, WindowGrid, parse_pooling, pool

FRAMES = np.random.default_rng(0).normal(size=(50, 3, 2)).astype(np.float32)


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 20))
def test_windows_lie_on_the_grid_and_the_last_ends_with_the_recording(n_frames, length, hop):
    starts = WindowGrid(length, min(hop, length)).starts(n_frames).tolist()
    assert starts == oracles.window_starts(n_frames, length, min(hop, length))
    heard = {frame for start in starts for frame in range(start, start + length)}
    assert heard == (set(range(n_frames)) if n_frames >= length else set())


def test_the_store_gives_back_what_was_appended(tmp_path):
    with FrameStore(3, 2, tmp_path) as store:
        store.append(iter([FRAMES[:10], FRAMES[10:20]]))
        store.append(iter([FRAMES[20:50]]))
        assert store.recordings == [(0, 20), (20, 50)]
        np.testing.assert_array_equal(store.frames, FRAMES)
        assert isinstance(store.frames, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            store.frames[0] = 0


def test_a_recording_that_fails_half_way_leaves_no_trace(tmp_path):
    def broken():
        yield FRAMES[:10]
        raise ShapeError("broken")

    with FrameStore(3, 2, tmp_path) as store:
        store.append(iter([FRAMES[:5]]))
        with pytest.raises(ShapeError, match="broken"):
            store.append(broken())
        store.append(iter([FRAMES[5:9]]))
        np.testing.assert_array_equal(store.frames, FRAMES[:9])


def test_frames_of_another_shape_are_refused(tmp_path):
    with FrameStore(3, 1, tmp_path) as store, pytest.raises(ShapeError):
        store.append(iter([FRAMES]))


def test_an_empty_store_has_no_frames(tmp_path):
    with FrameStore(3, 2, tmp_path) as store:
        assert store.frames.shape == (0, 3, 2)


def test_a_killed_process_leaves_no_file_behind(tmp_path):
    code = (
        "import sys, os, signal, numpy as np\n"
        "from offkey.windows import FrameStore\n"
        "store = FrameStore(3, 2, sys.argv[1])\n"
        "store.append(iter([np.zeros((100, 3, 2), np.float32)]))\n"
        "assert len(store.frames) == 100\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_said_before_anything_is_written(tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(InputError, match="OFFKEY_TMPDIR"):
        FrameStore(3, 2, tmp_path, expected_bytes=2 * free)


def test_the_store_lies_on_a_disk_not_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("OFFKEY_TMPDIR", str(tmp_path / "named"))
    with FrameStore(3, 2) as store:
        assert store.directory == tmp_path / "named"
    monkeypatch.delenv("OFFKEY_TMPDIR")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/in-memory")
    monkeypatch.setattr(windows, "_file_system", lambda folder: "tmpfs" if folder == Path("/in-memory") else "ext4")
    assert windows._disk_folder() != Path("/in-memory")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no /dev/shm")
def test_memory_file_systems_are_recognised():
    assert windows._file_system(Path("/dev/shm")) == "tmpfs"


def test_the_lazy_array_indexes_like_the_stacked_windows():
    segments = [(0, 20), (20, 23), (23, 50)]
    grid = WindowGrid(6, 4)
    lazy = WindowArray(FRAMES, segments, grid)
    expected = np.stack([FRAMES[a + s : a + s + 6] for a, b in segments for s in oracles.window_starts(b - a, 6, 4)])
    assert lazy.shape == expected.shape
    assert len(lazy) == len(expected)
    for index in (0, -1, slice(2, 5), [3, 0, 3], np.arange(len(expected)) % 2 == 0, slice(0, 0)):
        np.testing.assert_array_equal(lazy[index], expected[index])
    np.testing.assert_array_equal(np.asarray(lazy), expected)
    assert lazy.groups.tolist() == [0] * 5 + [2] * 7
    np.testing.assert_array_equal(lazy.select([2])[:], expected[5:])


@given(st.lists(st.integers(0, 11), unique=True).map(sorted))
def test_some_windows_are_those_windows_and_their_segments_hold_nothing_else(rows):
    lazy = WindowArray(FRAMES, [(0, 20), (20, 23), (23, 50)], WindowGrid(6, 4), {"domain": ["a", "b", "c"]})
    rows = np.array(rows, np.int64)
    part = lazy.take(rows)
    np.testing.assert_array_equal(part[:], lazy[rows])
    assert part.shape == (len(rows), *lazy.shape[1:])
    assert part.recordings[part.groups].tolist() == lazy.groups[rows].tolist()
    assert [part.known["domain"][i] for i in part.groups] == [lazy.known["domain"][i] for i in lazy.groups[rows]]
    heard = sorted({frame for start in lazy.starts[rows] for frame in range(start, start + 6)})
    assert sorted(frame for start, stop in part.segments for frame in range(start, stop)) == heard
    kept = part.take(np.arange(0, len(rows), 2))
    np.testing.assert_array_equal(kept[:], part[:][::2])


def test_what_is_made_of_windows_is_made_once_for_all_parts_of_an_array():
    lazy = WindowArray(FRAMES, [(0, 20), (20, 23), (23, 50)], WindowGrid(6, 4))
    made = []

    def compute(windows):
        made.append(len(windows))
        return windows[:].mean(axis=(1, 2, 3), dtype=np.float64)[:, None]

    for part in (lazy.select([2]), lazy.take(np.array([1, 7])), lazy, lazy.select([2, 0]).take(np.array([0, 9]))):
        np.testing.assert_array_equal(part.remembered("mean", compute), compute(part))
    assert made.count(len(lazy)) == 2  # once for all, once for the comparison with all


@given(st.data())
def test_parts_of_parts_hold_the_windows_that_were_asked_for(data):
    """Windows, what is known of them and what was computed go along, in whatever order parts are taken."""
    known = {"number": ["0", "1", "2"]}
    whole = WindowArray(FRAMES, [(0, 20), (20, 30), (30, 50)], WindowGrid(6, 4), known)
    part, rows = whole, np.arange(len(whole))
    for _ in range(3):
        if data.draw(st.booleans()):
            kept = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(part), max_size=len(part))))
            part, rows = part.take(kept), rows[kept]
        else:
            order = data.draw(st.permutations(range(len(part.segments))))
            chosen = order[: data.draw(st.integers(0, len(order)))]
            rows = np.concatenate([rows[:0], *(rows[part.groups == i] for i in chosen)])
            part = part.select(chosen)
        assert part.shape == (len(rows), *whole.shape[1:])
        np.testing.assert_array_equal(part[:], whole[rows])
        numbers = whole.groups[rows]
        assert [part.known["number"][i] for i in part.groups] == [str(number) for number in numbers]
        recordings = part.recordings[part.groups]
        assert np.array_equal(recordings[:, None] == recordings, numbers[:, None] == numbers)
        remembered = part.remembered("mean", lambda windows: windows[:].mean(axis=(1, 2, 3))[:, None])
        np.testing.assert_array_equal(remembered, whole[rows].mean(axis=(1, 2, 3))[:, None])


def test_what_is_known_of_recordings_stays_with_them():
    known = {"domain": ["source", "target", ""]}
    lazy = WindowArray(FRAMES, [(0, 20), (20, 30), (30, 50)], WindowGrid(6, 4), known)
    assert known_of(lazy, "domain").tolist() == ["source"] * 5 + ["target"] * 2 + [""] * 5
    assert known_of(lazy.select([2, 1]), "domain").tolist() == [""] * 5 + ["target"] * 2
    with pytest.raises(InputError, match="known are domain"):
        known_of(lazy, "state")
    with pytest.raises(InputError, match="nothing is known"):
        known_of(lazy[:], "domain")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_pooling(scores):
    assert pool(scores, "mean") == np.mean(scores)
    assert pool(scores, "max") == max(scores)
    assert pool(scores, "q0.5") == np.quantile(scores, 0.5)
    assert pool(scores, "q1") == max(scores)


@pytest.mark.parametrize("name", ["median", "q", "q2", "qx", "", "0.5"])
def test_unknown_poolings_are_refused(name):
    with pytest.raises(InputError, match="pooling"):
        parse_pooling(name)
