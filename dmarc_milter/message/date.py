"""Dates of header fields (RFC 5322 3.3 and 4.3), and when a host received a message (RFC 5321 4.4)."""

import re
from datetime import UTC, datetime, timedelta, timezone

MAX_DATE = 200
"""Octets of a date: the longest that programs write, a comment included, are half as long."""
_MAX_FIELD = 4_096
_LEAP = 59
"""A leap second counts as the one before it: Python knows none."""
_FOLD = re.compile(rb"[ \t\r\n]+")
_DAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun) ?, ?)?"
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
_ZONE = r"(?P<sign>[+-])(?P<hours>[0-9]{2})(?P<minutes>[0-9]{2})|(?P<name>[a-z]{1,5})"
_COMMENT = r"(?:\([^()]*\) ?)?"
_DATE = re.compile(
    rf" ?{_DAY}(?P<day>[0-9]{{1,2}}) (?P<month>[a-z]{{3}}) (?P<year>[0-9]{{2,4}}) {_CLOCK} (?:{_ZONE}) ?{_COMMENT}",
    re.IGNORECASE,
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_HOURS_OF_NAME = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
"""The only names that say an offset; RFC 5322 4.3 has every other one read as -0000."""


def seconds_of(value: bytes) -> int | None:
    """The date `value` in seconds since 1970; None where it cannot be read, or lies before 1970."""
    if len(value) > MAX_DATE:
        return None
    match = _DATE.fullmatch(_FOLD.sub(b" ", value).decode("ascii", "replace"))
    if match is None or match["month"].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match["month"].lower()) + 1
    try:
        read = datetime(
            _year(match["year"]),
            month,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"] or 0), _LEAP),
            tzinfo=timezone(_offset(match)),
        )
    except ValueError:
        return None
    seconds = int((read - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds if seconds >= 0 else None


def received_at(value: bytes) -> int | None:
    """When a host received the message, by the value of its Received field: what stands behind the last semicolon."""
    if len(value) > _MAX_FIELD:
        return None
    _, semicolon, date = value.rpartition(b";")
    return seconds_of(date) if semicolon else None


def _year(digits: str) -> int:
    """Years of two and three digits (4.3)."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _offset(match: re.Match[str]) -> timedelta:
    """Raises ValueError where there is no such offset."""
    if match["sign"] is None:
        return timedelta(hours=_HOURS_OF_NAME.get(match["name"].lower(), 0))
    if int(match["minutes"]) > 59:
        raise ValueError
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return -offset if match["sign"] == "-" else offset
