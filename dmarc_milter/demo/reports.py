"""A week of reports for the console's demo: most of them sent, one address that refuses them."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy.engine import Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.report_tables import (
    DeliveryState,
    JobState,
    report_deliveries,
    report_jobs,
    report_suppressions,
    reports,
)

DAYS = 7
_DAY = 86_400
_MORNING = 4 * 3600.0
_BOUNCE = "550 5.1.1 <dmarc@partner.example>: no such user here"


class Receiver(NamedTuple):
    """A domain that asks for reports."""

    domain: str
    address: str


RECEIVERS = (
    Receiver("bank.example", "dmarc@bank.example"),
    Receiver("news.example", "reports@analyzer.example"),
    Receiver("partner.example", "dmarc@partner.example"),
    Receiver("shop.example", "dmarc@shop.example"),
)


Counts = Counter[tuple[int, str]]
"""Messages by the day's start and the policy domain."""


def counts(rows: Iterable[Row]) -> Counts:
    """What reports of these messages count: in the demo, each has a client and a result that can be told."""
    return Counter((int(each["time"] // _DAY) * _DAY, each["policy_domain"]) for each in rows if each["policy"])


def write_reports(engine: Engine, until: float, counted: Counts) -> None:
    """Into a journal that has none."""
    today = int(until // _DAY) * _DAY
    made, delivered = [], []
    for number, day in enumerate(range(today - DAYS * _DAY, today, _DAY)):
        for each in RECEIVERS:
            report = hashlib.sha256(f"{each.domain} {day}".encode()).hexdigest()[:24]
            done = min(day + _DAY + _MORNING, until)
            made.append(_report(each, report, day, done, counted[day, each.domain]))
            delivered.append(_delivery(each, report, number, done))
    with engine.begin() as connection:
        connection.execute(reports.insert(), made)
        connection.execute(report_deliveries.insert(), delivered)
        connection.execute(
            report_jobs.insert(),
            {
                "day": today - _DAY,
                "policy_domain": "slow.example",
                "state": JobState.OPEN.value,
                "tries": 3,
                "next_try": until + 3600.0,
                "messages": 4,
                "note": "the DNS did not answer: _dmarc.slow.example",
            },
        )
        connection.execute(
            report_suppressions.insert(),
            {
                "address": "dmarc@partner.example",
                "until": today + 5 * _DAY + _MORNING,
                "times": 1,
                "changed": today - 2 * _DAY + _MORNING,
                "why": _BOUNCE,
            },
        )


def _report(receiver: Receiver, report: str, day: int, made: float, messages: int) -> dict[str, object]:
    return {
        "id": report,
        "day": day,
        "policy_domain": receiver.domain,
        "policy": "p=reject",
        "part": 1,
        "kind": "aggregate",
        "messages": messages,
        "records": 3,
        "made": made,
        "is_signed": True,
        "message": b"",
    }


def _delivery(receiver: Receiver, report: str, number: int, done: float) -> dict[str, object]:
    state, tries, reply = DeliveryState.SENT, 1, "250 2.0.0 Ok: queued"
    if receiver.domain == "partner.example" and number >= DAYS - 2:
        is_first = number == DAYS - 2
        state, reply = (DeliveryState.BOUNCED, _BOUNCE) if is_first else (DeliveryState.SUPPRESSED, "suppressed")
    if receiver.domain == "shop.example" and number == DAYS - 1:
        state, tries, reply = DeliveryState.PENDING, 2, "451 4.7.1 Greylisting in effect, please come back later"
    return {
        "report": report,
        "address": receiver.address,
        "token": report,
        "host": "mx1.example.org",
        "state": state.value,
        "tries": tries,
        "next_try": done + 1800.0,
        "changed": done,
        "reply": reply,
    }
