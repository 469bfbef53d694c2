"""Timestamps of sensor files: dates as text, epochs, spreadsheet days and relative seconds, to whole nanoseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.signals.units import split_unit

__all__ = [
    "MISSING_TIME",
    "Clock",
    "as_datetime",
    "is_time_text",
    "is_unmistakable_time",
    "may_be_quantity",
    "nanoseconds_in",
    "time_name",
]

MISSING_TIME = np.iinfo(np.int64).min
"""What stands for no timestamp, as in numpy."""

NANOSECONDS = {
    "ns": 1, "nsec": 1, "nanoseconds": 1, "us": 10**3, "µs": 10**3, "usec": 10**3, "micros": 10**3,
    "microsecond": 10**3, "microseconds": 10**3, "ms": 10**6, "msec": 10**6, "msecs": 10**6, "millis": 10**6,
    "millisecond": 10**6, "milliseconds": 10**6, "millisekunden": 10**6, "s": 10**9, "sec": 10**9, "secs": 10**9,
    "second": 10**9, "seconds": 10**9, "sek": 10**9, "sekunden": 10**9, "min": 60 * 10**9, "mins": 60 * 10**9,
    "minute": 60 * 10**9, "minutes": 60 * 10**9, "minuten": 60 * 10**9, "h": 3600 * 10**9, "hr": 3600 * 10**9,
    "hrs": 3600 * 10**9, "hour": 3600 * 10**9, "hours": 3600 * 10**9, "stunden": 3600 * 10**9, "d": 86_400 * 10**9,
    "day": 86_400 * 10**9, "days": 86_400 * 10**9, "tage": 86_400 * 10**9,
}  # fmt: skip
NO_UNITS = frozenset({"", "utc", "gmt", "local", "unix", "epoch", "posix"})
"""What headers say of times in place of a unit."""

_UNIT = "|".join(sorted(NANOSECONDS, key=lambda unit: -len(unit)))
TIME_NAMES = re.compile(
    rf"(?:date|datum|zeit|uhrzeit|timestamps?|date[ _/-]?time|time[ _-]?stamps?|zeitstempel|utc|epoch|ts|t"
    rf"|elapsed(?:[ _-]?time)?|(?:unix|utc|local|sample|rel|relative|measurement|sys)[ _-]?time(?:stamp)?|datetime)"
    rf"(?:[ _-](?:in[ _-])?(?:{_UNIT}|utc|local))?"
    rf"|time(?:(?:[ _-]in[ _-]|[ _-]?)(?:{_UNIT}|utc|local))?|seconds?|sekunden|millis(?:econds?)?|micros(?:econds?)?",
    re.IGNORECASE,
)
"""Names of columns that hold times. One that also is a quantity's symbol (``t``) must ascend as well."""

QUANTITIES = frozenset({"t", "ts", "seconds", "second", "epoch", "utc"})
"""Names of times that may as well be quantities: they have to ascend."""

EPOCH_YEARS = 1e8, 4_102_444_800
"""Numbers count from 1970 if that makes them a date from 1973 to 2099 (in seconds)."""

COMPACT_DATES = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}
"""Dates written as one number, by its digits; eight may as well count something, unless the name says date."""

SPREADSHEET_DAYS = 20_000, 80_000
SPREADSHEET_EPOCH = 25_569
"""1970-01-01 in days since 1899-12-30."""

_ZONE = r"(?:\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
_ISO = re.compile(
    rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?{_ZONE})?"
    rf"|\d{{8}}T\d{{4}}(?:\d{{2}}(?:[.,]\d+)?)?{_ZONE}"
)
_ISO_COMMA = re.compile(r"(:\d{2}),(\d+)")
_ISO_ZONE = re.compile(r"\s*(?:Z|UTC)$")
_DAY = re.compile(
    r"(?:(?P<a>\d{1,2})(?P<dot>[./-])(?P<b>\d{1,2})(?P=dot)(?P<year>\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})"
    r"(?:,?[ T]+(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(?P<half>[AaPp][Mm])?)?"
)
_CLOCK = re.compile(r"\d{1,3}:\d{2}(?::\d{2}(?:[.,]\d+)?)?")


def time_name(header: str) -> bool:
    """Say whether a column's name, with or without the unit in brackets, tells that it holds times."""
    return TIME_NAMES.fullmatch(split_unit(header)[0].strip("_#")) is not None


def may_be_quantity(name: str) -> bool:
    """Say whether the name of a time may as well be a quantity's: ``t``, ``ts``."""
    return re.split(r"[ _-]", split_unit(name)[0].lower())[0] in QUANTITIES


def nanoseconds_in(unit: str) -> int | None:
    """Return how many nanoseconds a unit of time has; None if it is none."""
    return NANOSECONDS.get(unit.strip().rstrip(".").lower().replace("μ", "µ"))


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
        """Read a clock off some numbers, the column's name and unit.

        Raises
        ------
        InputError
            If the unit is not one of time, or the numbers are neither dates nor seconds.
        """
        stated = _stated(name, unit)
        first = abs(float(sample[0])) if len(sample) else 0.0
        epoch = next((scale for scale in (10**9, 10**6, 10**3, 1) if _is_epoch(first * scale / 1e9)), None)
        if stated is not None:
            return cls("number", stated, is_absolute=epoch is not None and is_unmistakable_time(sample), has_zone=True)
        compact = _compact(sample)
        if compact and (len(f"{first:.0f}") > 8 or name.lower().startswith("dat")):
            return cls("date", formats=(compact,))
        if epoch is not None:
            return cls("number", epoch, has_zone=True)
        if first >= EPOCH_YEARS[0]:
            raise InputError(
                f"holds {first:.17g} in the column of times {name!r}, which is no date from 1973 to 2099. State its "
                f"unit in the header ('{name} [us]'), or pass over the timestamps (time='') and give the rate."
            )
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
        if column.dtype.kind == "f":  # dates written as numbers, some missing
            column = column.astype("Int64")
        text = column.astype("string").str.strip()
        if self.kind == "clock":
            text = text.str.replace(",", ".", regex=False)
            short = text.str.count(":") == 1
            text = text.where(~short, text + ":00")
            spans = pd.to_timedelta(text, errors="coerce")
            return np.asarray(spans.astype("timedelta64[ns]").to_numpy().view(np.int64))
        text = text.str.replace(_ISO_COMMA, r"\1.\2", regex=True)
        if self.kind == "iso":
            text = text.str.replace(_ISO_ZONE, "Z", regex=True)
            return _since_1970(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True))
        times = np.full(len(text), MISSING_TIME)
        for pattern in self.formats:
            open_ = times == MISSING_TIME
            if open_.any():
                times[open_] = _since_1970(pd.to_datetime(text[open_], format=pattern, errors="coerce"))
        return times

    def _of_numbers(self, values: NDArray[Any]) -> NDArray[np.int64]:
        if values.dtype.kind in "iu" and len(values):
            since = values.astype(np.int64) - self.offset
            if max(abs(int(since.min())), abs(int(since.max()))) < 2**63 // self.scale:
                return since * self.scale
        values = np.asarray(values, np.float64)
        whole = np.floor(values)
        with np.errstate(invalid="ignore", over="ignore"):
            fine = np.isfinite(values) & (np.abs((values - self.offset) * float(self.scale)) < 2.0**63)
            ticks = np.rint((np.where(fine, values - whole, 0)) * self.scale).astype(np.int64)
        seconds = np.where(fine, whole, 0).astype(np.int64) - self.offset
        return np.where(fine, seconds * self.scale + ticks, MISSING_TIME)


def _stated(name: str, unit: str) -> int | None:
    """Return the nanoseconds of the unit that a column of times states; None if it states none."""
    stated = nanoseconds_in(unit)
    if stated is None and unit.strip().lower() not in NO_UNITS:
        raise InputError(
            f"states its times {name!r} in {unit!r}, which is no unit of time that is known. Write s, ms, us, ns, min "
            "or h, or pass over the timestamps (time='') and give the rate."
        )
    first, *words = re.split(r"[ _-]", name.strip().lower())
    named = next((nanoseconds_in(word) for word in words if nanoseconds_in(word)), None)
    return stated or named or (nanoseconds_in(first) if len(first) > 3 else None)


def _is_epoch(seconds: float) -> bool:
    return EPOCH_YEARS[0] <= seconds < EPOCH_YEARS[1]


def _compact(sample: NDArray[np.float64]) -> str:
    """Return the strptime format of numbers that are dates, such as 20240105120000; empty if they are none."""
    fine = sample[np.isfinite(sample)]
    texts = [f"{number:.0f}" for number in fine]
    pattern = COMPACT_DATES.get(len(texts[0]), "") if texts else ""
    try:
        dates = [datetime.strptime(text, pattern) for text in texts] if pattern and not (fine % 1).any() else []
    except ValueError:
        return ""
    return pattern if dates and all(1990 <= date.year < 2100 for date in dates) else ""


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
