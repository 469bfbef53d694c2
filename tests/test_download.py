"""Downloading data sets: from a local server that fails, stalls, truncates and sends wrong bytes."""

import contextlib
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from offkey import Clip, write
from offkey.datasets import ARCHIVES, check_folder, download, read_labelled
from offkey.datasets.archives import find_archive
from offkey.datasets.inventory import INVENTORY
from offkey.datasets.unpack import crc_of
from offkey.datasets.web import Server
from offkey.errors import DownloadError, InputError
from offkey.progress import reporting

RECORD = 3678171
NAME = "dcase2020-dev"


def zip_of(members, compression=zipfile.ZIP_STORED):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a record and its files; ``self.server.mischief`` holds, by path, what to do wrong, one turn each."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range"), self.headers.get("User-Agent")))
        mischief = self.server.mischief.get(self.path, [])
        turn = mischief.pop(0) if mischief else None
        if callable(turn):
            turn(self)
        elif self.path == f"/api/records/{self.server.record}":
            self.reply(json.dumps(self.server.document()).encode(), kind="application/json")
        elif self.path in self.server.files:
            self.reply(self.server.files[self.path])
        else:
            self.send_error(404)

    def reply(self, content, *, kind="application/octet-stream", ranges=True, stop=None, length=None, slow_s=0.0):
        start, asked = 0, self.headers.get("Range")
        if asked and ranges:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - start if length is None else length))
        self.end_headers()
        for i in range(start, len(content) if stop is None else stop, 16_384):
            self.wfile.write(content[i : min(i + 16_384, stop or len(content))])
            time.sleep(slow_s)

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # the client left first
            super().handle()


class LocalServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.record, self.requests, self.mischief, self.files, self.stated = RECORD, [], {}, {}, {}
        self.licence = {"id": "cc-by-nc-sa-4.0"}
        self.released = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, name, content, **stated):
        path = f"/api/records/{self.record}/files/{name}/content"
        self.files[path] = content
        self.stated[path] = {
            "key": name, "size": len(content), "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
            "links": {"self": f"https://zenodo.org{path}"}, **stated,
        }  # fmt: skip
        return path

    def document(self):
        metadata = {"title": "A crafted record", "license": self.licence}
        return {"id": self.record, "metadata": metadata, "files": list(self.stated.values())}

    def ranges(self, path):
        return [asked for other, asked, _ in self.requests if other == path]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Twelve sound files of 40 kB."""
    path = tmp_path_factory.mktemp("sounds") / "a.wav"
    contents = []
    for seed in range(12):
        write(Clip(np.random.default_rng(seed).normal(0, 0.1, 20_000), 16_000), path)
        contents.append(path.read_bytes())
    return contents


@pytest.fixture
def server(sounds, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("offkey.datasets.web.WAITS_S", (0.0, 0.0, 0.0))
    local = LocalServer()
    for number, machine in enumerate(("fan", "ToyCar")):
        clips = sounds[6 * number : 6 * number + 6]
        names = [f"{machine}/train/normal_id_01_{i:08d}.wav" for i in range(4)]
        names += [f"{machine}/test/{kind}_id_01_00000000.wav" for kind in ("normal", "anomaly")]
        local.put(f"dev_data_{machine}.zip", zip_of(dict(zip(names, clips, strict=True))))
    thread = threading.Thread(target=local.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield local
    local.released.set()
    local.shutdown()
    thread.join()
    local.server_close()


@pytest.fixture
def fan(server):
    return f"/api/records/{RECORD}/files/dev_data_fan.zip/content"


@pytest.fixture
def get(server, tmp_path):
    """Download the crafted data set; the lines that were told are in ``get.told``."""

    def run(dest=tmp_path / "données 機械", name=NAME, **options):
        run.told = []
        run.dest = Path(dest)
        return download(name, dest, server=server.address, tell=run.told.append, **options)

    return run


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def n_wavs(folder):
    return len(list(folder.rglob("*.wav")))


def test_a_data_set_comes_checked_unpacked_and_in_a_layout_that_is_read(get, server):
    done = get()
    assert done.fetched == ["dev_data_fan.zip", "dev_data_ToyCar.zip"]
    assert "licence: cc-by-nc-sa-4.0; page: https://zenodo.org/records/3678171" in get.told[1]
    table = read_labelled(get.dest)
    assert table.groupby("machine").size().to_dict() == {"ToyCar": 6, "fan": 6}
    assert table["label"].sum() == 2
    assert sorted(path.name for path in get.dest.iterdir()) == ["ToyCar", "fan", INVENTORY]
    assert all(agent.startswith("offkey/") for _, _, agent in server.requests)
    found = check_folder(get.dest)
    assert (found.n_files, found.problems) == (12, [])


def test_a_second_run_downloads_nothing(get, server):
    get()
    before = tree(get.dest)
    server.requests.clear()
    done = get()
    assert [path for path, _, _ in server.requests] == [f"/api/records/{RECORD}"]
    assert done.complete == ["dev_data_fan.zip", "dev_data_ToyCar.zip"]
    assert "nothing to do" in get.told[-1]
    assert tree(get.dest) == before


def test_single_machines_can_be_taken_and_others_added(get, server):
    get(only=["FAN"])
    assert not (get.dest / "ToyCar").exists()
    assert get(only=["ToyCar"]).fetched == ["dev_data_ToyCar.zip"]
    with pytest.raises(InputError, match=r"'pump'.*dev_data_fan.zip, dev_data_ToyCar.zip"):
        get(only=["fan", "pump"])
    with pytest.raises(InputError, match="none was named"):
        get(only=[])


def test_words_of_names_must_be_whole(server, get):
    server.put("dev_ToyCarEmu.zip", zip_of({"ToyCarEmu/train/normal_id_01_00000009.wav": b"x"}))
    assert get(only=["ToyCar"]).fetched == ["dev_data_ToyCar.zip"]
    with pytest.raises(InputError, match="'ToyCar_data'"):
        get(only=["ToyCar_data"])


def test_archives_can_be_kept_and_left_packed(get, server):
    get(unpack=False)
    assert sorted(path.name for path in get.dest.iterdir()) == ["dev_data_ToyCar.zip", "dev_data_fan.zip", INVENTORY]
    assert check_folder(get.dest).problems == []
    server.requests.clear()
    get(keep_archives=True)
    assert len(server.requests) == 1, "the archives that are there are unpacked, not fetched again"
    assert n_wavs(get.dest) == 12
    assert (get.dest / "dev_data_fan.zip").exists()
    assert check_folder(get.dest).n_files == 14


def test_another_form_is_fetched_only_where_it_is_not_there(get, server):
    get()
    assert len(get(keep_archives=True).fetched) == 2
    server.requests.clear()
    assert len(get(unpack=False).complete) == 2
    assert len(get().complete) == 2
    assert [path for path, _, _ in server.requests] == [f"/api/records/{RECORD}"] * 2
    assert check_folder(get.dest).n_files == 14


def test_a_new_version_of_an_archive_is_fetched(get, server, sounds):
    get()
    server.put("dev_data_fan.zip", zip_of({"fan/train/normal_id_01_00000000.wav": sounds[11]}))
    assert get().fetched == ["dev_data_fan.zip"]
    assert (get.dest / "fan/train/normal_id_01_00000000.wav").read_bytes() == sounds[11]


def test_a_truncated_answer_is_gone_on_with_where_it_broke_off(get, server, fan):
    content = server.files[fan]
    server.mischief[fan] = [lambda handler: handler.reply(content, stop=100_000)]
    get()
    assert server.ranges(fan) == [None, "bytes=100000-"]
    assert check_folder(get.dest).problems == []


def test_what_came_is_kept_when_the_server_never_sends_more(get, server, fan):
    content = server.files[fan]
    server.mischief[fan] = [lambda handler: handler.reply(content, stop=100_000)] * 9
    with pytest.raises(DownloadError, match=r"broke off after 100.0 kB of .* What has come is kept \(100.0 kB\)"):
        get()
    assert sorted(path.name for path in get.dest.iterdir()) == ["dev_data_fan.zip.part", INVENTORY]
    assert check_folder(get.dest).problems == [
        "dev_data_fan.zip: has not been downloaded to its end",
        "dev_data_ToyCar.zip: has not been downloaded to its end",
    ]
    server.mischief.clear()
    server.requests.clear()
    get()
    assert server.ranges(fan) == ["bytes=100000-"]
    assert n_wavs(get.dest) == 12


def test_a_bad_line_that_brings_a_little_each_time_is_borne(get, server):
    content = zip_of({"pump/train/normal_id_01_00000000.wav": os.urandom(9_000_000)})
    path = server.put("dev_data_pump.zip", content)
    stops = range(1_200_000, 8_400_000, 1_200_000)
    server.mischief[path] = [lambda handler, stop=stop: handler.reply(content, stop=stop) for stop in stops]
    get(only=["pump"])
    assert server.ranges(path) == [None, *(f"bytes={stop}-" for stop in stops)]


def test_redirections_are_followed_and_keep_the_range(get, server, fan):
    content = server.files[fan]
    server.files["/elsewhere"] = content

    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.mischief[fan] = [lambda handler: handler.reply(content, stop=100_000), redirect]
    get()
    assert server.ranges("/elsewhere") == ["bytes=100000-"]
    assert check_folder(get.dest).problems == []


def test_a_server_that_ignores_ranges_is_read_from_the_start(get, server, fan):
    content = server.files[fan]
    server.mischief[fan] = [
        lambda handler: handler.reply(content, stop=100_000),
        lambda handler: handler.reply(content, ranges=False),
    ]
    get()
    assert server.ranges(fan) == [None, "bytes=100000-"]
    assert check_folder(get.dest).problems == []


def test_another_piece_than_was_asked_for_is_not_glued_on(get, server, fan):
    content = server.files[fan]

    def wrong_piece(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 5-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - 5))
        handler.end_headers()
        handler.wfile.write(content[5:])

    server.mischief[fan] = [lambda handler: handler.reply(content, stop=100_000), wrong_piece]
    get()
    assert server.ranges(fan) == [None, "bytes=100000-", None]
    assert not any("checksum" in line for line in get.told)
    assert check_folder(get.dest).problems == []


def test_a_part_that_is_longer_than_the_file_is_begun_anew(get, server, fan):
    get(only=["ToyCar"])
    (get.dest / "dev_data_fan.zip.part").write_bytes(bytes(len(server.files[fan]) + 1))
    get()
    assert server.ranges(fan) == [None]
    assert check_folder(get.dest).problems == []


def test_a_file_that_is_shorter_on_the_server_than_stated_is_said(get, server, fan):
    content = server.files[fan]
    server.stated[fan]["size"] += 1
    server.mischief[fan] = [lambda handler: handler.reply(content, length=len(content) + 1)]
    with pytest.raises(DownloadError, match="is shorter on the server than what has come"):
        get()


def test_a_stall_times_out_and_is_tried_again(get, server, fan):
    content = server.files[fan]

    def stall(handler):
        handler.reply(content, stop=50_000, length=len(content))
        handler.wfile.flush()
        server.released.wait(20)

    server.mischief[fan] = [stall]
    get(timeout_s=0.3)
    assert server.ranges(fan) == [None, "bytes=50000-"]


def test_a_record_that_never_comes_times_out_with_a_sentence(get, server):
    server.mischief[f"/api/records/{RECORD}"] = [lambda handler: server.released.wait(20)] * 9
    with pytest.raises(DownloadError, match="nothing came within the time allowed"):
        get(timeout_s=0.1)
    assert not get.dest.exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_after_the_wait_it_asks_for(get, server, fan, status, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)

    def busy(handler):
        handler.send_response(status)
        handler.send_header("Retry-After", "7")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.mischief[fan] = [busy]
    get()
    assert 7.0 in waits
    server.mischief[f"/api/records/{RECORD}"] = [busy] * 9
    with pytest.raises(DownloadError, match=rf"status {status}.*Try again later"):
        get()


def test_a_missing_record_or_file_is_said(get, server, fan):
    server.mischief[f"/api/records/{RECORD}"] = [lambda handler: handler.send_error(404)]
    with pytest.raises(DownloadError, match=r"records/3678171: is not there \(status 404"):
        get()
    server.mischief[fan] = [lambda handler: handler.send_error(403)]
    with pytest.raises(DownloadError, match=r"content: was refused \(status 403"):
        get()


def test_nobody_answering_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(time, "sleep", lambda wait_s: pytest.fail("waits"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(DownloadError, match=r"cannot be reached \(Connection refused\). Check the network"):
        download(NAME, tmp_path / "x", server=address)
    with pytest.raises(DownloadError, match="cannot be reached"):
        download(NAME, tmp_path / "x", server="http://nowhere.invalid")
    for wrong in ("zenodo.org", "file:///etc/passwd", "http://", "http://a:b"):
        with pytest.raises(InputError, match=r"was given. Give an address"):
            download(NAME, tmp_path / "x", server=wrong)
    assert not (tmp_path / "x").exists()


def cut(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def truncated_json(handler):
    handler.reply(b'{"files": [', kind="application/json", length=5000)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (lambda handler: handler.reply(b"<html>log in</html>", kind="text/html"), "answered with a web page"),
        (lambda handler: handler.reply(b"", kind="application/json"), "answered with nothing"),
        (lambda handler: handler.reply(b"{oh", kind="application/json"), "answered with no JSON"),
        (lambda handler: handler.reply(b"[" * 100_000, kind="application/json"), "answered with no JSON"),
        (lambda handler: handler.reply(b"[]", kind="application/json"), "is not a record as offkey knows them"),
        (lambda handler: handler.reply(b'{"metadata": {"title": "x"}, "files": []}'), "lists no files"),
        (truncated_json, "broke off"),
        (cut, "cut without an answer"),
    ],
)
def test_what_is_no_record_is_said_and_nothing_is_written(get, server, turn, said):
    server.mischief[f"/api/records/{RECORD}"] = [turn] * 9
    with pytest.raises(DownloadError, match=said):
        get()
    assert not get.dest.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "../../evil.zip"}, {"key": "a/b.zip"}, {"key": "c:evil.zip"}, {"key": ".hidden"}, {"key": 3},
        {"size": -1}, {"size": "large"}, {"checksum": "crc:12"}, {"checksum": None},
    ],
)  # fmt: skip
def test_records_that_state_nonsense_are_refused(get, server, fan, wrong):
    server.stated[fan] |= wrong
    with pytest.raises(DownloadError, match="is not a record as offkey knows them"):
        get()
    assert not get.dest.exists()


def test_a_link_that_is_none_of_the_web_is_refused(get, server, fan):
    server.stated[fan]["links"] = {"self": "file:///etc/passwd"}
    with pytest.raises(DownloadError, match="none of the web"):
        get()
    assert list(get.dest.rglob("*.part")) == []


def test_a_web_page_in_place_of_a_file_leaves_what_came_as_it_is(get, server, fan):
    content = server.files[fan]

    def page(handler):
        handler.reply(b"<html>log in</html>", kind="text/html", ranges=False)

    server.mischief[fan] = [lambda handler: handler.reply(content, stop=100_000), page]
    with pytest.raises(DownloadError, match="sends a web page where the archive states"):
        get()
    assert (get.dest / "dev_data_fan.zip.part").read_bytes() == content[:100_000]


@pytest.mark.parametrize("lie", [10, 10**9])
def test_a_server_that_lies_about_the_length_is_refused(get, server, fan, lie):
    server.mischief[fan] = [lambda handler: handler.reply(server.files[fan], length=lie)]
    with pytest.raises(DownloadError, match=f"sends {lie} bytes where the archive states"):
        get()


def test_wrong_bytes_are_removed_and_fetched_once_more(get, server, fan):
    wrong = bytes(len(server.files[fan]))
    server.mischief[fan] = [lambda handler: handler.reply(wrong)]
    get()
    assert server.ranges(fan) == [None, None]
    assert "dev_data_fan.zip: came with the wrong checksum and was removed" in get.told
    assert check_folder(get.dest).problems == []


def test_a_wrong_checksum_twice_is_an_error_and_nothing_stays(get, server, fan):
    server.stated[fan]["checksum"] = "md5:" + "0" * 32
    with pytest.raises(DownloadError, match=f"came twice with the wrong checksum .* states md5:{'0' * 32}"):
        get()
    assert len(server.ranges(fan)) == 2
    assert [path.name for path in get.dest.iterdir()] == [INVENTORY]


def test_a_file_that_changed_on_the_server_is_not_glued_to_its_old_half(get, server, fan, sounds):
    old = server.files[fan]
    server.mischief[fan] = [lambda handler: handler.reply(old, stop=100_000)] * 9
    with pytest.raises(DownloadError):
        get()
    server.mischief.clear()
    server.put("dev_data_fan.zip", zip_of({"fan/train/normal_id_02_00000000.wav": sounds[0] * 6}))
    get()
    assert check_folder(get.dest).problems == []
    assert (get.dest / "fan/train/normal_id_02_00000000.wav").read_bytes() == sounds[0] * 6


def free_space(monkeypatch, n):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=n))


def test_space_is_checked_before_anything_is_written(get, monkeypatch):
    free_space(monkeypatch, 400_000)
    with pytest.raises(InputError, match=r"400.0 kB are free, and about 964.7 kB are needed"):
        get()
    assert not get.dest.exists()
    get(only=["ToyCar"], unpack=False)  # 240 kB


def test_zips_count_one_at_a_time_if_they_are_not_kept(get, server, monkeypatch):
    for stated, size in zip(server.stated.values(), (8_000_000_000, 4_000_000_000), strict=True):
        stated["size"] = size
    free_space(monkeypatch, 25_900_000_000)
    with pytest.raises(
        InputError, match=r"25.9 GB are free, and about 26.0 GB are needed \(8.0 GB for archives, about"
    ):
        get()
    with pytest.raises(InputError, match=r"30.0 GB are needed"):
        get(keep_archives=True)
    free_space(monkeypatch, 7_000_000_000)
    with pytest.raises(InputError, match=r"12.0 GB are needed"):
        get(unpack=False)


def test_what_has_come_needs_no_space_any_more(get, server, fan, monkeypatch):
    server.mischief[fan] = [lambda handler: handler.reply(server.files[fan], stop=200_000)] * 9
    with pytest.raises(DownloadError):
        get(only=["fan"])
    server.mischief.clear()
    free_space(monkeypatch, len(server.files[fan]) * 5 // 2 - 200_000)
    get(only=["fan"])
    path = get.dest / "fan/train/normal_id_01_00000000.wav"
    path.unlink()
    free_space(monkeypatch, len(server.files[fan]) + 50_000)
    get(only=["fan"])
    assert path.exists(), "a repair needs space for the zip and what is missing alone"


def test_what_a_zip_unpacks_to_is_held_against_the_free_space(get, server, monkeypatch):
    zeros = {f"fan/train/normal_id_01_{i:08d}.wav": bytes(20_000) + os.urandom(500) for i in range(20)}
    server.put("dev_data_fan.zip", zip_of(zeros, zipfile.ZIP_DEFLATED))
    free_space(monkeypatch, 200_000)
    with pytest.raises(InputError, match=r"dev_data_fan.zip unpacks to 410.0 kB more.*the archive is kept"):
        get(only=["fan"])
    assert n_wavs(get.dest) == 0
    monkeypatch.undo()
    get(only=["fan"])
    assert n_wavs(get.dest) == 20


@pytest.mark.parametrize(
    "name",
    ["../evil.wav", "/evil.wav", "fan/../../evil.wav", "C:\\evil.wav", "C:evil.wav", "..\\evil.wav", "a\x01.wav"],
)
def test_members_that_lead_elsewhere_are_refused_before_anything_is_unpacked(get, server, name):
    server.put("dev_data_fan.zip", zip_of({"fan/train/normal_id_01_00000000.wav": b"fine", name: b"evil"}))
    with pytest.raises(DownloadError, match=r"would be written elsewhere. Nothing was unpacked"):
        get()
    assert list(get.dest.parent.rglob("*.wav")) == []


def test_bombs_damaged_and_double_zips_are_refused(get, server):
    server.put("dev_data_fan.zip", zip_of({"fan/a.wav": bytes(10_000_000)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(DownloadError, match="far more than recordings do"):
        get()
    server.put("dev_data_fan.zip", b"this is no zip")
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        get()
    damaged = bytearray(zip_of({"fan/a.wav": bytes(range(200))}))
    damaged[100] ^= 1
    server.put("dev_data_fan.zip", bytes(damaged))
    with pytest.raises(DownloadError, match=r"cannot be unpacked.*Bad CRC"):
        get()
    double = zip_of({"fan/a.wav": b"1", "fan/b.wav": b"2"}).replace(b"fan/b.wav", b"fan/a.wav")
    server.put("dev_data_fan.zip", double)
    with pytest.raises(DownloadError, match=r"holds fan/a.wav twice"):
        get()
    assert n_wavs(get.dest) == 0


def test_a_link_in_a_zip_becomes_a_plain_file(get, server):
    link = zipfile.ZipInfo("fan/link")
    link.external_attr = 0o120777 << 16
    server.put("dev_data_fan.zip", zip_of({link: "/etc"}))
    get(only=["fan"])
    assert not (get.dest / "fan" / "link").is_symlink()
    assert (get.dest / "fan" / "link").read_bytes() == b"/etc"


def test_files_of_others_are_not_written_over(get, tmp_path):
    mine = tmp_path / "fan/train/normal_id_01_00000001.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"00000001.wav: is there already, and is not what dev_data_fan.zip holds"):
        get(tmp_path)
    assert mine.read_bytes() == b"mine"
    assert n_wavs(get.dest) == 1


def test_years_do_not_mix_in_one_folder(get, server):
    get()
    with pytest.raises(InputError, match="holds dcase2020-dev, whose names would mix with those of dcase2024-dev"):
        get(name="dcase2024-dev")
    server.record, server.stated = 3727685, {}
    server.put("eval_data_train_fan.zip", zip_of({"fan/train/normal_id_05_00000000.wav": b"x"}))
    get(name="dcase2020-train")
    assert set(json.loads((get.dest / INVENTORY).read_text(encoding="utf-8"))["data_sets"]) == {NAME, "dcase2020-train"}


def test_the_noise_levels_of_mimii_go_to_folders_of_their_own(get, server):
    server.record, server.stated = 3384388, {}
    for level in ("-6", "0", "6"):
        server.put(f"{level}_dB_fan.zip", zip_of({"fan/id_00/normal/00000000.wav": level.encode()}))
    get(name="mimii")
    for folder, content in (("min6dB", b"-6"), ("0dB", b"0"), ("6dB", b"6")):
        assert (get.dest / folder / "fan/id_00/normal/00000000.wav").read_bytes() == content
    with pytest.raises(InputError, match=r"It has: -6_dB_fan.zip"):
        get(name="mimii", only=["3_dB_fan"])
    assert get(name="mimii", only=["6_dB_fan"]).complete == ["6_dB_fan.zip"]


def test_volumes_that_offkey_cannot_unpack_are_kept_and_checked(get, server):
    server.record, server.stated = 3351307, {}
    for name in ("ToyCar.7z.001", "ToyCar.7z.002", "LICENSE.pdf"):
        server.put(name, name.encode() * 50)
    get(name="toyadmos")
    assert sorted(path.name for path in get.dest.iterdir()) == [
        "LICENSE.pdf", "ToyCar.7z.001", "ToyCar.7z.002", INVENTORY,
    ]  # fmt: skip
    (get.dest / "ToyCar.7z.002").write_bytes(b"ToyCar.7z.003" * 50)
    assert check_folder(get.dest).problems == ["ToyCar.7z.002: is damaged (another checksum)"]
    assert get(name="toyadmos").fetched == ["ToyCar.7z.002"]
    assert check_folder(get.dest).problems == []


def test_check_finds_missing_short_and_damaged_files_and_download_repairs_them(get):
    get()
    before = tree(get.dest)
    folder = get.dest / "fan" / "train"
    (folder / "normal_id_01_00000000.wav").unlink()
    short, damaged = folder / "normal_id_01_00000001.wav", folder / "normal_id_01_00000002.wav"
    short.write_bytes(short.read_bytes()[:1000])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert check_folder(get.dest).problems == [
        "fan/train/normal_id_01_00000000.wav: is missing",
        "fan/train/normal_id_01_00000001.wav: has 1000 bytes, not 40044",
        "fan/train/normal_id_01_00000002.wav: is damaged (another checksum)",
    ]
    assert get().fetched == ["dev_data_fan.zip"]
    assert tree(get.dest) == before


def test_a_folder_that_is_none_is_said(get, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"file: is a file. Name a folder"):
        get(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        get(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="cannot be used"):
        get(tmp_path / ("x" * 400))
    with pytest.raises(InputError, match="is not a folder"):
        check_folder(tmp_path / "file")
    (tmp_path / INVENTORY).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be read .* Remove it and download again"):
        check_folder(tmp_path)
    (tmp_path / INVENTORY).write_text('{"format": 2, "data_sets": {}}', encoding="utf-8")
    with pytest.raises(InputError, match="its format is 2"):
        check_folder(tmp_path)


def test_a_full_disk_is_said_and_what_came_is_kept(get, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("offkey.datasets.unpack.shutil.copyfileobj", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        get()
    assert (get.dest / "dev_data_fan.zip").exists()
    assert n_wavs(get.dest) == 0
    assert list(get.dest.rglob(".*")) == []


def test_progress_is_told_from_the_first_to_the_last_megabyte(get, server):
    class Steps:
        def __init__(self):
            self.totals, self.steps = {}, Counter()

        def start(self, name, total):
            self.totals[name] = total
            return name

        def advance(self, task, steps, note):
            self.steps[task] += steps

        def finish(self, task):
            pass

    path = server.put("dev_data_pump.zip", zip_of({"pump/train/normal_id_01_00000000.wav": os.urandom(5_000_000)}))
    server.mischief[path] = [
        lambda handler: handler.reply(server.files[path], stop=3_000_000),
        lambda handler: handler.reply(server.files[path], ranges=False),
    ]
    steps = Steps()
    with reporting(steps):
        get()
    assert steps.totals["dev_data_pump.zip, MB"] == steps.steps["dev_data_pump.zip, MB"] == 5
    assert steps.totals["unpacking dev_data_fan.zip"] == steps.steps["unpacking dev_data_fan.zip"] == 6


def offkey(*arguments, **options):
    command = [sys.executable, "-m", "offkey", *map(str, arguments)]
    if sys.platform != "win32":  # tests that run in the background ignore Ctrl-C, and so would their children
        options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finished(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("stop", ["SIGKILL", "SIGINT"])
def test_a_command_that_is_stopped_in_the_middle_goes_on(server, fan, tmp_path, stop):
    content = server.files[fan]
    server.mischief[fan] = [lambda handler: handler.reply(content, slow_s=0.1)]
    dest = tmp_path / "data"
    command = ("datasets", "download", NAME, dest, "--server", server.address)
    process = offkey(*command)
    part = dest / "dev_data_fan.zip.part"
    while not (part.exists() and part.stat().st_size > 60_000):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(getattr(signal, stop))
    status, _, err = finished(process)
    assert status == (130 if stop == "SIGINT" else -signal.SIGKILL)
    assert "Traceback" not in err
    came = part.stat().st_size
    assert content[:came] == part.read_bytes()
    status, out, err = finished(offkey(*command))
    assert status == 0, err
    assert server.ranges(fan) == [None, f"bytes={came}-"]
    assert "2 of 2 files to get" in out
    assert f"Next: offkey datasets check {dest}" in out
    status, out, err = finished(offkey("datasets", "check", dest))
    assert (status, out.splitlines()[-1]) == (0, "12 files, no problems.")


def test_a_stop_while_unpacking_leaves_whole_files_only(get, server, monkeypatch):
    whole, stop = shutil.copyfileobj, iter([False, False, True])

    def interrupted(source, target, length):
        if next(stop):
            target.write(source.read(1000))
            raise KeyboardInterrupt
        whole(source, target, length)

    with monkeypatch.context() as patch:
        patch.setattr("offkey.datasets.unpack.shutil.copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get()
    assert n_wavs(get.dest) == 2
    server.requests.clear()
    get()
    assert [path for path, _, _ in server.requests if "fan" in path] == []
    assert check_folder(get.dest).problems == []


@pytest.mark.slow
def test_the_commands_print_what_machines_read_and_exit_with_2(server, tmp_path):
    dest = tmp_path / "data"
    status, out, err = finished(offkey("datasets", "list", "--json"))
    assert status == 0
    assert json.loads(out)[0]["page"] == "https://zenodo.org/records/3678171"
    command = ("datasets", "download", NAME, dest, "--only", "fan", "--server", server.address, "--json")
    status, out, err = finished(offkey(*command))
    assert json.loads(out)["fetched"] == ["dev_data_fan.zip"]
    assert "licence: cc-by-nc-sa-4.0" in err
    (dest / "fan/test/normal_id_01_00000000.wav").unlink()
    status, out, err = finished(offkey("datasets", "check", dest, "--json"))
    assert status == 2
    assert json.loads(out)["problems"] == ["fan/test/normal_id_01_00000000.wav: is missing"]
    status, out, err = finished(offkey("datasets", "download", "dcase2020_dev", dest))
    assert status == 2
    assert "Did you mean dcase2020-dev" in err
    assert "Traceback" not in err


def test_list_works_without_the_client():
    code = "import sys; sys.argv = ['offkey', '--help']\nfrom offkey.cli.app import make_app\ntry:\n    make_app()()\n"
    code += "except SystemExit:\n    print('urllib.request' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "datasets" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_a_folder_of_others_is_checked_by_opening_its_sounds(tmp_path, sounds):
    with pytest.raises(InputError, match="holds no sound files"):
        check_folder(tmp_path)
    folder = tmp_path / "fan" / "test"
    folder.mkdir(parents=True)
    for name in ("normal_id_00_00000000.wav", "anomaly_id_00_00000000.wav"):
        (folder / name).write_bytes(sounds[0])
    found = check_folder(tmp_path)
    assert (found.n_files, found.problems) == (2, [])
    assert "has no offkey-datasets.json" in found.what
    (folder / "normal_id_00_00000001.wav").write_bytes(sounds[0][:5000])
    (folder / "holiday.wav").write_bytes(sounds[0])
    first, second = check_folder(tmp_path).problems
    assert "normal_id_00_00000001.wav: is truncated" in first
    assert "holiday.wav: neither its name nor its folders say what it is" in second


def test_a_folder_of_other_names_is_said(tmp_path, sounds):
    (tmp_path / "a.wav").write_bytes(sounds[0])
    assert "holds no labelled recordings" in check_folder(tmp_path).problems[0]


def test_data_sets_have_names_and_records_of_their_own():
    assert len({archive.name for archive in ARCHIVES}) == len({archive.record for archive in ARCHIVES}) == 23
    assert {archive.family for archive in ARCHIVES} == {f"dcase{year}" for year in range(2020, 2027)} | {
        "mimii", "toyadmos",
    }  # fmt: skip
    assert find_archive(" DCASE2026-Eval ").record == 20437238
    with pytest.raises(InputError, match="See: offkey datasets list"):
        find_archive("penguins")


def test_a_mirror_is_asked_for_links_that_lead_to_zenodo():
    mirror = Server("http://mirror/z/")
    assert mirror.url("https://zenodo.org/api/records/1/files/é a.zip") == (
        "http://mirror/z/api/records/1/files/%C3%A9%20a.zip"
    )
    assert mirror.url("https://elsewhere/a%20b.zip") == "https://elsewhere/a%20b.zip"


def test_a_crc_is_that_of_the_zip(tmp_path):
    (tmp_path / "a").write_bytes(b"123456789")
    assert crc_of(tmp_path / "a") == 0xCBF43926
