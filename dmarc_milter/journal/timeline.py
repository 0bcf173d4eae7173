"""How many messages DMARC passed, failed and so on, hour by hour, from the counts."""

import math
from collections import Counter

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.schema import rollups

BARS = ("pass", "none", "fail", "error", "unjudged")
"""What is told apart, in the order in which it is stacked."""
_BAR = {"pass": "pass", "none": "none", "fail": "fail", "temperror": "error", "permerror": "error", "": "unjudged"}


def timeline(engine: Engine, period: Period, host: str | None, step: int) -> list[tuple[int, "Counter[str]"]]:
    """Starts of pieces of `step` seconds (whole hours), each with its messages by BARS; every piece of the period.

    The first one begins with the hour that `period` begins in.
    """
    hours = rollups["hours"].c
    first = math.floor(period.since / HOUR) * HOUR
    query = sa.select(hours.hour, hours.dmarc, sa.func.sum(hours.messages)).group_by(hours.hour, hours.dmarc)
    query = query.where(hours.hour >= first, hours.hour < period.until)
    if host is not None:
        query = query.where(hours.host == host)
    starts = range(first, math.ceil(period.until), step)
    found: list[Counter[str]] = [Counter() for _ in starts]
    with engine.connect() as connection:
        for hour, dmarc, messages in connection.execute(query):
            found[(int(hour) - first) // step][_BAR.get(dmarc, "error")] += int(messages)
    return list(zip(starts, found, strict=True))


def hosts(engine: Engine, period: Period) -> list[str]:
    """Those that judged mail in the period."""
    hours = rollups["hours"].c
    query = sa.select(hours.host).distinct().where(hours.hour > period.since - HOUR, hours.hour < period.until)
    with engine.connect() as connection:
        return sorted(str(each) for each in connection.execute(query).scalars())
