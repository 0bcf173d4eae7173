"""Addresses that get no reports for a while, because they refused one (pure)."""

from dmarc_milter.journal.rollups import DAY

DAYS = (7, 30, 90)
"""For how long, the first, second and each further time."""


def until(times: int, now: float) -> float:
    """Until when an address is left alone that has refused `times` times, this one included."""
    return now + DAYS[min(times, len(DAYS)) - 1] * DAY


RETRY_FIRST, RETRY_MOST = 900.0, 4 * 3_600.0
EXPIRE_SECONDS = 3 * DAY


def retry(tries: int, now: float, first: float) -> float | None:
    """When a report is tried again that was put off `tries` times, first at `first`; None: no more."""
    if now - first >= EXPIRE_SECONDS:
        return None
    return now + min(RETRY_MOST, RETRY_FIRST * float(2 ** min(tries - 1, 10)))
