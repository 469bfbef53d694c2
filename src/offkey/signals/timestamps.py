"""Timestamps of sensor files: dates as text, epochs, spreadsheet days and relative seconds, to whole nanoseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING_TIME", "Clock", "as_datetime", "is_time_text", "is_unmistakable_time", "time_name"]

MISSING_TIME = np.iinfo(np.int64).min
"""What stands for no timestamp, as in numpy."""

TIME_NAMES = re.compile(
    r"(?:date|time|datum|zeit|uhrzeit|timestamps?|datetime|date[ _-]?time|time[ _-]?stamps?|zeitstempel|utc|epoch"
    r"|elapsed(?:[ _-]?time)?|seconds?|t|ts|(?:unix|utc|local|sample|rel|relative|measurement|sys)[ _-]?time(?:stamp)?"
    r"|time[ _-]?(?:s|sec|seconds|ms|us|µs|ns|min|h|utc|local))",
    re.IGNORECASE,
)
"""Names of columns that hold times. One that also is a quantity's symbol (``t``) must ascend as well."""

NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "sec": 10**9, "second": 10**9, "seconds": 10**9,
    "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9,
}  # fmt: skip

EPOCHS = ((1e17, 1), (1e14, 10**3), (1e11, 10**6), (1e8, 10**9))
"""Numbers from the first up count the second (in nanoseconds) since 1970; 1e8 seconds are March 1973."""

SPREADSHEET_DAYS = 20_000, 80_000
SPREADSHEET_EPOCH = 25_569
"""1970-01-01 in days since 1899-12-30."""

_ZONE = r"(?:\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
_ISO = re.compile(
    rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?{_ZONE})?"
    rf"|\d{{8}}T\d{{4}}(?:\d{{2}}(?:[.,]\d+)?)?{_ZONE}"
)
_ISO_COMMA = re.compile(r"(:\d{2}),(\d+)")
_DAY = re.compile(
    r"(?:(?P<a>\d{1,2})(?P<dot>[./-])(?P<b>\d{1,2})(?P=dot)(?P<year>\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})"
    r"(?:,?[ T]+(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(?P<half>[AaPp][Mm])?)?"
)
_CLOCK = re.compile(r"\d{1,3}:\d{2}(?::\d{2}(?:[.,]\d+)?)?")


def time_name(header: str) -> bool:
    """Say whether a column's name tells that it holds times."""
    return TIME_NAMES.fullmatch(header.strip().strip("_#")) is not None


def is_time_text(text: str) -> bool:
    """Say whether a text is a date, with or without time of day, or a time of day."""
    text = text.strip()
    return any(pattern.fullmatch(text) for pattern in (_ISO, _DAY, _CLOCK))


def is_unmistakable_time(values: NDArray[np.float64]) -> bool:
    """Say whether numbers can only be an epoch: they ascend, and the first lies between 2000 and 2100."""
    if len(values) < 2 or not (np.diff(values) > 0).all():
        return False
    return any(946_684_800 <= values[0] / 10**power < 4_102_444_800 for power in (0, 3, 6, 9))


def as_datetime(nanoseconds: int, zone: bool) -> datetime:
    """Return a time since 1970 as a date, to the microsecond; in UTC if the file states a zone."""
    start = datetime(1970, 1, 1, tzinfo=UTC if zone else None)
    return start + timedelta(microseconds=round(nanoseconds / 1000))


@final
@dataclass(frozen=True)
class Clock:
    """How a column tells the time.

    Attributes
    ----------
    kind : str
        ``"number"``, ``"iso"``, ``"date"`` or ``"clock"`` (time of day, or time since the start).
    scale : int
        Nanoseconds that a number counts.
    offset : int
        Number at 1970-01-01.
    formats : tuple of str
        strptime formats of dates, tried in order.
    is_absolute : bool
        Whether times have a date.
    has_zone : bool
        Whether they have an offset from UTC.
    note : str
        What had to be assumed.
    """

    kind: str
    scale: int = 10**9
    offset: int = 0
    formats: tuple[str, ...] = ()
    is_absolute: bool = True
    has_zone: bool = False
    note: str = ""

    @classmethod
    def of_numbers(cls, sample: NDArray[np.float64], name: str, unit: str) -> Clock:
        """Read a clock off some numbers, the column's name and unit."""
        words = [unit, *re.split(r"[ _-]", name.lower())[1:]]
        stated = next((NANOSECONDS[word] for word in words if word in NANOSECONDS), None)
        first = abs(float(sample[0])) if len(sample) else 0.0
        epoch = next((scale for limit, scale in EPOCHS if first >= limit), None)
        if stated is not None:
            return cls("number", stated, is_absolute=epoch is not None and is_unmistakable_time(sample), has_zone=True)
        if epoch is not None:
            return cls("number", epoch, has_zone=True)
        if name.lower().startswith("dat") and SPREADSHEET_DAYS[0] < first < SPREADSHEET_DAYS[1]:
            return cls("number", NANOSECONDS["d"], SPREADSHEET_EPOCH)
        is_told = len(sample) and (sample % 1 != 0).any()
        note = "" if is_told else f"the whole numbers of column {name!r} are taken as seconds"
        return cls("number", is_absolute=False, note=note)

    @classmethod
    def of_text(cls, sample: list[str], decimal: str) -> Clock:
        """Read a clock off some texts of a column."""
        texts = [text.strip() for text in sample if text.strip()]
        if any(_ISO.fullmatch(text) for text in texts):
            zone = any(re.search(r"(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$", text[10:]) for text in texts)
            return cls("iso", has_zone=zone)
        days = [match for match in map(_DAY.fullmatch, texts) if match]
        if not days:
            return cls("clock", is_absolute=False)
        formats, note = _formats(days, decimal)
        return cls("date", formats=formats, note=note)

    def nanoseconds(self, column: Any) -> NDArray[np.int64]:
        """Return the times of a pandas column (n,); `MISSING_TIME` where there is none."""
        import pandas as pd

        if pd.api.types.is_datetime64_any_dtype(column):
            return _since_1970(column)
        if self.kind == "number":
            return self._of_numbers(pd.to_numeric(column, errors="coerce").to_numpy(na_value=np.nan))
        text = column.astype("string").str.strip()
        if self.kind == "clock":
            text = text.str.replace(",", ".", regex=False)
            short = text.str.count(":") == 1
            text = text.where(~short, text + ":00")
            spans = pd.to_timedelta(text, errors="coerce")
            return np.asarray(spans.astype("timedelta64[ns]").to_numpy().view(np.int64))
        text = text.str.replace(_ISO_COMMA, r"\1.\2", regex=True)
        if self.kind == "iso":
            return _since_1970(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True))
        times = np.full(len(text), MISSING_TIME)
        for pattern in self.formats:
            open_ = times == MISSING_TIME
            if open_.any():
                times[open_] = _since_1970(pd.to_datetime(text[open_], format=pattern, errors="coerce"))
        return times

    def _of_numbers(self, values: NDArray[Any]) -> NDArray[np.int64]:
        if values.dtype.kind in "iu":
            return (values.astype(np.int64) - self.offset) * self.scale
        values = np.asarray(values, np.float64)
        whole = np.floor(values)
        with np.errstate(invalid="ignore", over="ignore"):
            fine = np.isfinite(values) & (np.abs((values - self.offset) * float(self.scale)) < 2.0**63)
            ticks = np.rint((np.where(fine, values - whole, 0)) * self.scale).astype(np.int64)
        seconds = np.where(fine, whole, 0).astype(np.int64) - self.offset
        return np.where(fine, seconds * self.scale + ticks, MISSING_TIME)


def _since_1970(column: Any) -> NDArray[np.int64]:
    import pandas as pd

    if column.dt.tz is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    fine = column.between(pd.Timestamp.min, pd.Timestamp.max)
    return np.asarray(column.where(fine).to_numpy().astype("datetime64[ns]").view(np.int64))


def _formats(days: list[re.Match[str]], decimal: str) -> tuple[tuple[str, ...], str]:
    """Return the strptime formats of dates, and a note if the order of day and month had to be assumed."""
    first = days[0]
    note = ""
    if first["a"] is None:
        mark = first[0][4]
        day = f"%Y{mark}%m{mark}%d"
    else:
        mark, year = first["dot"], "%Y" if len(first["year"]) == 4 else "%y"
        above = [max(int(match[part]) for match in days if match[part]) > 12 for part in ("a", "b")]
        is_day_first = above[0] or (not above[1] and (mark == "." or decimal == ","))
        if not any(above) and mark != ".":
            note = f"dates such as {first[0].split()[0]} are read {'day' if is_day_first else 'month'} first"
        day = f"%d{mark}%m{mark}{year}" if is_day_first else f"%m{mark}%d{mark}{year}"
    between = re.search(r",?[ T]+(?=\d{1,2}:)", first[0])
    gap = between[0] if between else " "
    half = " %p" if any(match["half"] for match in days) else ""
    hour = "%I" if half else "%H"
    clocks = [f"{hour}:%M:%S.%f", f"{hour}:%M:%S", f"{hour}:%M"]
    if half and not re.search(r"\s[AaPp][Mm]$", first[0]):
        half = "%p"
    return (*(f"{day}{gap}{clock}{half}" for clock in clocks), day), note
