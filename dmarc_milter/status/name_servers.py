"""Whether the name servers that the workers ask answer."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from dmarc_milter import wording
from dmarc_milter.dns.servers import PROBE, NameServer
from dmarc_milter.dns.upstream import ask_once
from dmarc_milter.judging.name_servers import name_servers
from dmarc_milter.settings.config import Settings
from dmarc_milter.status.finding import Finding, attention, good
from dmarc_milter.status.words import listed

PATIENCE = 1.2
"""Seconds that each is given, all at once."""
MAX_ASKED = 10


def findings(settings: Settings) -> Iterator[Finding]:
    """One for all that answer, and one for each that doesn't."""
    servers = name_servers(settings.dns)[:MAX_ASKED]
    where = "[dns] nameservers" if settings.dns.nameservers else "/etc/resolv.conf"
    if not servers:
        yield attention("DNS", f"no name server is named in {where}")
        return
    asked = _asked(servers)
    answering = [f"{each.server} ({each.seconds * 1e3:.0f} ms)" for each in asked if not each.trouble]
    if answering:
        yield good("DNS", f"{listed(answering)} of {where} answer{'s' if len(answering) == 1 else ''}")
    for each in asked:
        if each.trouble:
            yield attention(
                "DNS", f"{each.server} does not answer: {each.trouble}", f"look at {where}, and at that server"
            )


class _Asked(NamedTuple):
    server: NameServer
    seconds: float
    trouble: str
    """Empty where it answered."""


def _asked(servers: Sequence[NameServer]) -> list[_Asked]:
    with ThreadPoolExecutor(len(servers)) as threads:
        return list(threads.map(_ask, servers))


def _ask(server: NameServer) -> _Asked:
    started = time.perf_counter()
    answer = ask_once((server,), PATIENCE, 1, PROBE)
    return _Asked(server, time.perf_counter() - started, wording.text(answer.reason) if answer.failed else "")
