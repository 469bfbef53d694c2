"""A small HTTP client: JSON, and large files that are received in pieces until they are whole.

What may pass by itself (no answer, a broken connection, status 429 or 5xx) is tried again a few times, with growing
waits; a file goes on where it broke off (a range request, RFC 9110 section 14).
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final
from urllib.parse import quote, urljoin, urlsplit

from offkey.datasets.archives import SERVER
from offkey.errors import DownloadError, InputError
from offkey.version import __version__

__all__ = ["TIMEOUT_S", "Server", "bytes_text"]

T = TypeVar("T")

TIMEOUT_S = 60.0
"""Longest wait for the next bytes."""

WAITS_S = (1.0, 3.0, 10.0, 30.0)
"""Waits between the tries."""

LONGEST_WAIT_S = 120.0
BLOCK = 1 << 20
GAIN = 1 << 20
"""After so many new bytes the tries are counted from the start."""

LARGEST_JSON = 1 << 26
PASSING = {408, 425, 429, 500, 502, 503, 504}


class _PassingError(Exception):
    """A failure that may be over at the next try."""

    def __init__(self, reason: str, *, wait_s: float | None = None, had_contact: bool = True) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.had_contact = had_contact


@final
@dataclass(frozen=True)
class Server:
    """A server that archives are taken from.

    Parameters
    ----------
    address : str
        ``https://...`` or ``http://...``; links of the archive itself that lead elsewhere are followed, those to Zenodo
        are asked of this server.
    timeout_s : float
        Longest wait for the next bytes.

    Raises
    ------
    InputError
        If the address is none of the web.

    Examples
    --------
    >>> Server("https://mirror.example/zenodo").url("https://zenodo.org/api/records/1")
    'https://mirror.example/zenodo/api/records/1'
    """

    address: str = SERVER
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if not _is_web(self.address):
            raise InputError(f"The server {self.address!r} was given. Give an address such as {SERVER}")

    def url(self, link: str) -> str:
        """Return the address of a path or link on this server.

        Raises
        ------
        DownloadError
            If the link is none of the web.
        """
        path = link.removeprefix(SERVER)
        url = self.address.rstrip("/") + path if path.startswith("/") else urljoin(self.address, path)
        if not _is_web(url):
            raise DownloadError(f"The archive gives the address {link!r}, which is none of the web. Report it there.")
        return quote(url, safe="%/:?#[]@!$&'()*+,;=~")

    def read_json(self, link: str) -> Any:
        """Return what the server says in JSON.

        Raises
        ------
        DownloadError
            If it cannot be reached, refuses, or says something else.
        """
        url = self.url(link)

        def ask() -> bytes:
            with self._open(url, {"Accept": "application/json"}) as response, _receiving():
                said = response.read(LARGEST_JSON)
                if response.length:
                    raise _PassingError("the answer broke off")
                return said

        answer = _persist(url, ask)
        try:
            return json.loads(answer)
        except (ValueError, RecursionError) as error:
            was = "nothing" if not answer.strip() else "a web page" if answer.lstrip()[:1] == b"<" else "no JSON"
            raise DownloadError(
                f"{url}: answered with {was} where a record was expected. Look at it in a browser: the server may be "
                "under repair, or a log-in page of your network in the way."
            ) from error

    def receive(self, link: str, part: Path, size: int, told: Callable[[int], None]) -> None:
        """Receive a file of ``size`` bytes, and go on with what is in ``part`` already.

        Parameters
        ----------
        link : str
            Of the file.
        part : Path
            Where to; it stays there whatever happens.
        size : int
            Bytes of the whole file, as the archive states them.
        told : callable
            Gets the number of bytes there are, time and again.

        Raises
        ------
        DownloadError
            If it cannot be had as a whole.
        """
        url = self.url(link)
        _persist(url, lambda: self._go_on(url, part, size, told), lambda: _size(part), insist=True)

    def _go_on(self, url: str, part: Path, size: int, told: Callable[[int], None]) -> None:
        n = _size(part)
        if n > size:
            part.unlink()
            n = 0
        told(n)
        if n == size and part.exists():
            return
        with self._open(url, {"Range": f"bytes={n}-"} if n else {}) as response:
            n = _start(response, url, part, size)
            with part.open("ab" if n else "wb") as file:
                while n < size:
                    with _receiving():
                        block = response.read1(min(BLOCK, size - n))
                    if not block:
                        raise _PassingError(f"broke off after {bytes_text(n)} of {bytes_text(size)}")
                    file.write(block)
                    n += len(block)
                    told(n)

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        headers = {"User-Agent": f"offkey/{__version__}", "Accept-Encoding": "identity", **headers}
        try:
            with _receiving():
                answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=self.timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise _of_status(error, url) from error
        return answer  # type: ignore[no-any-return]


def bytes_text(n: int) -> str:
    """Write a number of bytes for people.

    >>> bytes_text(8_236_951_723), bytes_text(1_200_000), bytes_text(70)
    ('8.2 GB', '1.2 MB', '70 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n >= unit:
            return f"{n / unit:,.1f} {name}"
    return f"{n} bytes"


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _persist(url: str, work: Callable[[], T], n_kept: Callable[[], int] = lambda: 0, *, insist: bool = False) -> T:
    """Do work until it succeeds or `WAITS_S` are over; ``insist`` also where nobody answers at all."""
    best, n_tries = n_kept(), 0
    while True:
        try:
            return work()
        except _PassingError as failure:
            if n_kept() >= best + GAIN:
                best, n_tries = n_kept(), 0
            if n_tries == len(WAITS_S) or not (failure.had_contact or insist):
                raise DownloadError(_gave_up(url, failure, n_kept())) from failure
            wait_s = WAITS_S[n_tries] if failure.wait_s is None else min(failure.wait_s, LONGEST_WAIT_S)
            n_tries += 1
        time.sleep(wait_s)


def _gave_up(url: str, failure: _PassingError, n_kept: int) -> str:
    kept = f" What has come is kept ({bytes_text(n_kept)}): the same command goes on from there." if n_kept else ""
    advice = "Try again later." if failure.had_contact else "Check the network, its proxy and the server's address."
    return f"{url}: {failure}. {advice}{kept}"


@contextmanager
def _receiving() -> Iterator[None]:
    """Tell failures of the network from others, and those that may pass from those that will not."""
    try:
        yield
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"The server's certificate cannot be verified ({cause.verify_message}). Check the clock and "
                "the network: somebody may be listening in."
            ) from error
        if isinstance(cause, TimeoutError):
            is_connecting = isinstance(error, urllib.error.URLError)
            raise _PassingError("nothing came within the time allowed", had_contact=not is_connecting) from error
        if isinstance(cause, http.client.RemoteDisconnected | ConnectionResetError):
            raise _PassingError("the connection was cut without an answer") from error
        if isinstance(cause, http.client.HTTPException):
            raise _PassingError(f"the answer broke off or makes no sense ({type(cause).__name__})") from error
        reason = getattr(cause, "strerror", None) or cause
        raise _PassingError(f"cannot be reached ({reason})", had_contact=False) from error


def _of_status(error: urllib.error.HTTPError, url: str) -> Exception:
    said = f"{error.code} {error.reason}".strip()
    if error.code in PASSING:
        asked = error.headers.get("Retry-After", "")
        busy = "is asked too often" if error.code == 429 else "is out of order"
        return _PassingError(f"the server {busy} (status {said})", wait_s=float(asked) if asked.isdecimal() else None)
    if error.code == 416:
        return DownloadError(
            f"{url}: is shorter on the server than what has come of it already. Remove the .part file and start again."
        )
    if error.code in (404, 410):
        return DownloadError(f"{url}: is not there (status {said}). Look at the data set's page for where it is now.")
    return DownloadError(f"{url}: was refused (status {said}). Look at it in a browser, or try again later.")


def _start(response: http.client.HTTPResponse, url: str, part: Path, size: int) -> int:
    """Return the place that an answer starts at: where the part ends, or zero if the server does not know ranges."""
    headers = response.headers
    if response.status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if place and int(place[1]) == _size(part) and place[2] in (str(size), "*"):
            return int(place[1])
        part.unlink(missing_ok=True)
        raise _PassingError("sent another piece of the file than was asked for")
    length = headers.get("Content-Length", str(size))
    if headers.get_content_type() == "text/html" or length != str(size):
        what = "a web page" if headers.get_content_type() == "text/html" else f"{length} bytes"
        raise DownloadError(
            f"{url}: the server sends {what} where the archive states a file of {size} bytes. Look at it in a browser, "
            "or try again later."
        )
    return 0
