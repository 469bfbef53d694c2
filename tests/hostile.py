"""Makes mutated and hostile recordings, and scores them: run as a process of its own, with memory and time limits.

Prints one JSON line for each file: its name, ``decision``, ``failure`` or ``traceback``, and the score or the sentence.
"""

import io
import json
import os
import resource
import signal
import struct
import sys
import traceback
from pathlib import Path

import numpy as np
import soundfile

import offkey

MEMORY = 3 * 2**30
SECONDS = 10
RNG = np.random.default_rng(0)


def encoded(samples, rate, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **options)
    return buffer.getvalue()


def originals():
    noise = RNG.normal(0, 0.1, 8000)
    for subtype in ("PCM_16", "PCM_24", "FLOAT", "ALAW", "IMA_ADPCM"):
        yield f"wav-{subtype}.wav", encoded(noise, 8000, format="WAV", subtype=subtype)
    yield "flac.flac", encoded(noise, 8000, format="FLAC")
    yield "ogg.ogg", encoded(noise, 8000, format="OGG")
    yield "mp3.mp3", encoded(noise, 8000, format="MP3")
    yield "aiff.aiff", encoded(noise, 8000, format="AIFF")
    yield "au.au", encoded(noise, 8000, format="AU")
    yield "w64.w64", encoded(noise, 8000, format="W64")


def hostile():
    noise = RNG.normal(0, 0.1, 8000)
    for value in (np.nan, np.inf, -np.inf, 1e30, 1e300):
        samples = noise.copy()
        samples[500] = value
        yield f"value-{value}.wav", encoded(samples, 8000, format="WAV", subtype="DOUBLE")
    for n in (0, 1, 2, 100, 1023, 1024):
        yield f"length-{n}.wav", encoded(noise[:n], 8000, format="WAV")
    for channels in (2, 64, 1024):
        yield f"channels-{channels}.wav", encoded(np.tile(noise[:2000, None], channels), 8000, format="WAV")
    for rate in (1, 8, 100, 1_000_000, 2**31 - 1):
        yield f"rate-{rate}.wav", encoded(noise, rate, format="WAV")
    yield from (
        ("text.wav", b"hello there"),
        ("nul.wav", bytes(5000)),
        ("empty.wav", b""),
        ("riff.wav", b"RIFF"),
    )
    whole = bytearray(encoded(noise, 8000, format="WAV"))
    for field, at in (
        ("riff", 4),
        ("fmt", 16),
        ("channels", 22),
        ("rate", 24),
        ("align", 32),
        ("bits", 34),
        ("data", 40),
    ):
        for value in (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
            changed = bytearray(whole)
            size = 2 if field in ("channels", "align", "bits") else 4
            changed[at : at + size] = struct.pack("<I", value)[:size]
            yield f"header-{field}-{value}.wav", bytes(changed)


def mutated(n):
    for name, content in originals():
        stem, suffix = os.path.splitext(name)
        for i in range(n):
            changed = bytearray(content)
            kind = i % 4
            if kind == 0:
                changed = changed[: RNG.integers(0, len(changed))]
            elif kind == 1:
                for at in RNG.integers(0, min(200, len(changed)), RNG.integers(1, 8)):
                    changed[at] = RNG.integers(256)
            elif kind == 2:
                for at in RNG.integers(0, len(changed), RNG.integers(1, 50)):
                    changed[at] = RNG.integers(256)
            else:
                at = RNG.integers(0, len(changed))
                changed[at:at] = RNG.bytes(int(RNG.integers(1, 300)))
            yield f"{stem}-{i}{suffix}", bytes(changed)


def main(bundle, folder, n):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    pipeline = offkey.load(bundle)

    def score(name, path):
        signal.alarm(SECONDS)  # kills the process if a file hangs it
        try:
            (result,) = pipeline.score([path])
            kind = "decision" if isinstance(result, offkey.Decision) else "failure"
            text = repr(result.score) if kind == "decision" else str(result)
            if kind == "decision" and not np.isfinite(result.score):
                kind = "traceback"
        except Exception:  # noqa: BLE001  whatever it is, the test must see it
            kind, text = "traceback", traceback.format_exc()
        signal.alarm(0)
        print(json.dumps([name, kind, text]), flush=True)  # noqa: T201

    for make in (hostile(), mutated(n)):
        for name, content in make:
            path = Path(folder, name)
            path.write_bytes(content)
            score(name, path)
            path.unlink()
    folder = Path(folder)
    (folder / "folder.wav").mkdir()
    (folder / "link.wav").symlink_to("gone.wav")
    os.mkfifo(folder / "pipe.wav")
    for name in ("link.wav", "pipe.wav", "gone.wav"):
        score(name, folder / name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
