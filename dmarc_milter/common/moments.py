"""Moments as people write and read them: in the local time, as in mail.log, unless an offset says otherwise."""

import re
from datetime import date, datetime, time, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
FORMS = "a duration (30m, 24h, 7d), a date (2026-11-24), a time (10:00), or both (2026-11-24T10:00)"
"""What can be written, for people."""


def moment(text: str, now: float) -> float:
    """What ``24h``, ``2026-11-24``, ``10:00`` or ``2026-11-24T10:00+01:00`` says, in seconds since 1970.

    A duration is counted back from `now`. A time alone is the last one that was not after `now`. Of an hour that the
    clock shows twice, the first is meant. Nothing is before 1970. Raises ValueError.
    """
    return max(0.0, _moment(text, now))


def _moment(text: str, now: float) -> float:
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return now - int(duration[1]) * _UNITS[duration[2]]
    try:
        return _last(time.fromisoformat(text), now) if _is_time(text) else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is none of: {FORMS}") from None


def _is_time(text: str) -> bool:
    return re.match(r"[0-9]{1,2}:", text) is not None


def _last(wanted: time, now: float) -> float:
    today = datetime.fromtimestamp(now, wanted.tzinfo).date()
    found = datetime.combine(today, wanted).timestamp()
    return found if found <= now else datetime.combine(_before(today), wanted).timestamp()


def _before(day: date) -> date:
    return day - timedelta(days=1)


def local(seconds: float) -> datetime:
    """A moment in the local time, with the offset that was in force then."""
    return datetime.fromtimestamp(seconds).astimezone()


def told(seconds: float) -> str:
    """For people: ``2026-11-24 10:00:05``."""
    return local(seconds).strftime("%Y-%m-%d %H:%M:%S")


def written(seconds: float) -> str:
    """For programs: ``2026-11-24T10:00:05+01:00``."""
    return local(seconds).isoformat(timespec="seconds")


def zone(seconds: float) -> str:
    """What the local time is called: ``CET``, ``UTC``."""
    return local(seconds).strftime("%Z")
