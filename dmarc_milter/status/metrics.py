"""A few counts of the running service, read where Prometheus reads them."""

import re
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from dmarc_milter.settings.addresses import InetAddress

PATIENCE = 1.0
"""Seconds."""
_MAX_OCTETS = 4 << 20
_SAMPLE = re.compile(r"(?m)^(?P<name>dmarc_milter_\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[-+0-9.eE]+)$")


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the service was started."""

    waiting_records: float
    """Records that are not in the journal yet."""
    lost_records: float
    """Records that never came there."""


def read(address: InetAddress | None) -> Counts | None:
    """None where nothing answers, or nothing is to."""
    if address is None:
        return None
    try:
        with closing(
            HTTPConnection(_ON_THIS_HOST.get(address.host, address.host), address.port, timeout=PATIENCE)
        ) as asked:
            asked.request("GET", "/metrics")
            return counts(asked.getresponse().read(_MAX_OCTETS).decode("utf-8"))
    except (HTTPException, OSError, UnicodeDecodeError):
        return None


_ON_THIS_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where every address listens, this one does


def counts(text: str) -> Counts:
    """Out of Prometheus's text format."""
    waiting = lost = 0.0
    for found in _SAMPLE.finditer(text):
        if found["name"] == "dmarc_milter_journal_waiting_records":
            waiting += float(found["value"])
        elif found["name"] == "dmarc_milter_journal_records_total" and found["labels"] in (
            'outcome="dropped"',
            'outcome="lost"',
        ):
            lost += float(found["value"])
    return Counts(waiting, lost)
