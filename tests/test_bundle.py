"""The bundle file: what is refused, and that writing is atomic."""

import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

import offkey
from offkey import bundle, write
from offkey.errors import BundleError


@pytest.fixture
def saved(pipeline, tmp_path):
    path = tmp_path / "pump.offkey"
    pipeline.save(path)
    return path


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_document(path, **changes):
    members = members_of(path)
    document = json.loads(members["pipeline.json"]) | changes
    rewrite(path, members | {"pipeline.json": json.dumps(document)})


def reason_for(path):
    with pytest.raises(BundleError) as caught:
        offkey.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_bundle_is_a_plain_zip_of_json_and_arrays(saved):
    assert set(members_of(saved)) == {"pipeline.json", "arrays.npz"}
    document = json.loads(members_of(saved)["pipeline.json"])
    assert document["format"] == bundle.FORMAT
    assert document["provenance"]["n_recordings"] == 24
    assert len(document["provenance"]["samples_sha256"]) == 64


@pytest.mark.slow
def test_a_network_lies_in_it_in_both_forms(network_pipeline, tmp_path):
    network_pipeline.save(tmp_path / "net.offkey")
    members = members_of(tmp_path / "net.offkey")
    assert members["network-0.tflite"][4:8] == b"TFL3"
    assert zipfile.is_zipfile(io.BytesIO(members["network-0.keras"]))


def test_newer_and_older_formats_are_refused_clearly(saved):
    change_document(saved, format=bundle.FORMAT + 1)
    assert "pip install -U offkey" in reason_for(saved)
    change_document(saved, format=bundle.FORMAT - 1)
    assert "old bundle format" in reason_for(saved)


def test_every_changed_byte_of_the_content_is_noticed(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(100, len(whole) - 400, 60):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        saved.write_bytes(changed)
        reason_for(saved)


def test_cut_files_and_other_files_are_refused(saved, tmp_path):
    whole = saved.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:length])
        reason_for(saved)
    (tmp_path / "text.offkey").write_text("hello", encoding="utf-8")
    reason_for(tmp_path / "text.offkey")
    reason_for(tmp_path)
    assert "does not exist" in reason_for(tmp_path / "gone.offkey")


def test_bombs_and_strangers_are_refused(saved):
    members = members_of(saved)
    rewrite(saved, members | {"arrays.npz": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    assert saved.stat().st_size < 1_000_000
    assert "packed or too large" in reason_for(saved)
    rewrite(saved, members | {"../../evil.py": b"x"})
    assert "holds other files" in reason_for(saved)
    rewrite(saved, {"pipeline.json": members["pipeline.json"]})
    assert "holds other files" in reason_for(saved)
    rewrite(saved, members | {"network-1.tflite": b"x"})
    assert "does not list" in reason_for(saved)


def with_array(saved, content):
    """Replace the arrays, digest and all: only their own checks are left."""
    import hashlib

    members = members_of(saved)
    document = json.loads(members["pipeline.json"])
    document["members"]["arrays.npz"] = hashlib.sha256(content).hexdigest()
    rewrite(saved, members | {"arrays.npz": content, "pipeline.json": json.dumps(document)})


def test_arrays_that_lie_are_refused_before_memory_is_taken(saved):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("detector.mean_.npy", array)
    with_array(saved, buffer.getvalue())
    assert "states more values" in reason_for(saved)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **{"detector.mean_": np.array([object()])})
    with_array(saved, buffer.getvalue())
    assert "objects" in reason_for(saved)
    with_array(saved, b"no zip")
    reason_for(saved)


@pytest.mark.parametrize(
    "key", ["detector", "features", "grid", "boundaries", "evidence", "events", "threshold", "params", "training"]
)
@pytest.mark.parametrize(
    "value", [None, 3, [], {}, {"type": "Pipeline"}, {"type": "os.system", "params": {}, "state": {}}]
)
def test_documents_that_make_no_sense_are_refused(saved, key, value):
    if (key == "training" and value in ([], {})) or (key == "events" and value == {}):
        return  # no training recordings listed, or default rules: harmless
    change_document(saved, **{key: value})
    reason_for(saved)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("grid", "hop"), 0), (("grid", "n_frames"), -1), (("grid", "n_frames"), 2**40), (("channels",), []),
        (("boundaries", "", "clips", "unit_windows"), 0), (("features", "params", "hop_length"), 0),
        (("features", "state", "rate_"), 0),
        (("detector", "state", "members_", 0, "object", "params", "statistics"), ["mean"]),
        (("boundaries", "", "clips", "threshold", "state", "threshold_"), None),
        (("boundaries", "", "clips", "threshold", "state", "threshold_"), float("nan")), (("params", "pooling"), "sum"),
        (("normal", "profile", "limits"), {"array": "normal.profile.quantiles"}),
        (("normal", "profile", "stretch_frames"), 0), (("normal", "profile", "means"), None),
        (("normal", "health", "loudest"), {"array": "normal.health.hum_db"}), (("normal", "health", "softest"), "loud"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused_when_loading(saved, where, value):
    document = json.loads(members_of(saved)["pipeline.json"])
    inner = document
    for key in where[:-1]:
        inner = inner[key]
    assert where[-1] in inner
    inner[where[-1]] = value
    change_document(saved, **document)
    reason_for(saved)


def test_only_fitted_state_can_be_set(saved):
    detector = json.loads(members_of(saved)["pipeline.json"])["detector"]
    detector["state"]["anomaly_score"] = 1
    change_document(saved, detector=detector)
    assert "not fitted state" in reason_for(saved)


def test_your_own_detector_is_saved_and_must_be_named(pump_clips, tmp_path):
    from offkey.detectors import Detector
    from offkey.statistics import time_statistics

    class Loudest(Detector):
        def _fit(self, windows):
            self.normal_ = float(time_statistics(windows).max())

        def _score(self, windows):
            return time_statistics(windows).max(axis=1) - self.normal_

    path = tmp_path / "own.offkey"
    pipeline = offkey.Pipeline(Loudest(), window_s=0.5).fit(pump_clips)
    pipeline.save(path)
    assert "detectors=[Loudest]" in reason_for(path)
    assert offkey.load(path, detectors=[Loudest]).decide(pump_clips[0]) == pipeline.decide(pump_clips[0])


def test_a_bundle_that_cannot_be_written_says_so(pipeline, tmp_path):
    with pytest.raises(BundleError, match="cannot be written"):
        pipeline.save(tmp_path / "nowhere" / "pump.offkey")
    assert list(tmp_path.iterdir()) == []


def test_an_old_bundle_survives_a_failing_save(saved, pipeline, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BundleError, match="No space left"):
        pipeline.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.slow
def test_fit_killed_at_any_moment_leaves_the_old_bundle_or_the_new(saved, pump_clips, tmp_path):
    folder = tmp_path / "normal"
    folder.mkdir()
    for i, clip in enumerate(pump_clips[:8]):
        write(clip, folder / f"{i}.wav")
    command = [sys.executable, "-m", "offkey", "fit", str(folder), "-o", str(saved), "--window", "0.5s"]
    old = saved.read_bytes()
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    duration = time.monotonic() - started
    sound = {old, saved.read_bytes()}
    for fraction in np.linspace(0.3, 1.05, 12):
        saved.write_bytes(old)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(fraction * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
        content = saved.read_bytes()
        assert content == old or offkey.load(saved).provenance_["n_recordings"] == 8
    assert len(sound) == 2
