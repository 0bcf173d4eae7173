"""Judging a message outside of an MTA: what `check` runs, and other programs may."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmarc_milter import wording
from dmarc_milter.dns.answer import Answer, Question
from dmarc_milter.dns.caching import CachingResolver
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.message import MessageQuestions
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.dns.source import Source
from dmarc_milter.dns.upstream import Upstream
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.judging.site import Site
from dmarc_milter.judging.transaction import Connection, Outcome, Transaction
from dmarc_milter.judging.verdict import Disposition, Envelope, Verdict
from dmarc_milter.message.header import Header, split_message
from dmarc_milter.settings.config import Settings
from dmarc_milter.spf.check import Step
from dmarc_milter.telemetry.log import logger

_CHUNK = 65_535


class Dns:
    """Where answers come from: name servers, or a zone file. May be shared by threads."""

    def __init__(self, source: Source, loop: Loop | None = None, upstream: Upstream | None = None) -> None:
        """`loop` and `upstream` are what `source` asks by: closed with this."""
        self.source = source
        self.runner = Runner(source)
        self._loop = loop
        self._upstream = upstream

    @classmethod
    def servers(cls, servers: Sequence[NameServer], timeout: float = 3.0, tries: int = 2) -> "Dns":
        """Ask `servers`, in order, each of them `tries` times with `timeout` seconds per try.

        Answers are kept for their time to live. A thread reads them, until :meth:`close`.
        """
        loop = Loop()
        upstream = Upstream(tuple(servers), timeout, tries, loop)
        return cls(CachingResolver(upstream, loop), loop, upstream)

    @classmethod
    def zone(cls, text: str) -> "Dns":
        """Answer from a master file (RFC 1035 5) whose names may lie anywhere.

        Raises ``dmarc_milter.dns.zone.ZoneError``, whose text names the line.
        """
        return cls(ZoneResolver.from_text(text))

    def close(self) -> None:
        """End the thread that reads answers, and close its sockets. Nothing may be asked any more."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None
        if self._upstream is not None:
            self._upstream.close()

    def __enter__(self) -> "Dns":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def questions(self) -> MessageQuestions:
        """The questions of one occasion: each is answered once, and what was used is in its `used`."""
        return MessageQuestions(self.source)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A message judged, with everything that led there."""

    outcome: Outcome
    spf_steps: tuple[Step, ...]
    answers: Mapping[Question, Answer[Any]]
    """Every question that was put to the DNS for this message."""
    header: Header

    @property
    def verdict(self) -> Verdict | None:
        """None where the filter would not judge the message; the disposition's reason says why."""
        return self.outcome.verdict

    @property
    def disposition(self) -> Disposition:
        """What the filter would do with the message, in the mode of the settings, and why."""
        return self.outcome.disposition

    @property
    def why(self) -> str:
        """Why this would be done with the message, in words; programs compare ``disposition.reason.code``."""
        return wording.decision(self.outcome.disposition)


def evaluate(
    message: bytes,
    envelope: Envelope,
    dns: Dns,
    settings: Settings | None = None,
    *,
    recipients: Sequence[str] = (),
    authenticated: str | None = None,
    at: float | None = None,
) -> Evaluated:
    """Judge `message` (octets as they lie in a file, with any line ends) as the running filter would.

    `envelope` says who brought it. `recipients` are the addresses for whom, without brackets; `authenticated` is as
    whom the client had logged in, None where it had not. `settings` are those of the filter, by default its defaults.
    `at` is when the message came in, in seconds since 1970, by default now: signatures expire (RFC 6376 3.5). What the
    DNS says is of now, whatever `at` is.

    Raises ConfigError where the settings cannot be used. Never raises for what is in the message or the DNS: every
    outcome is a value. It waits for the DNS as long as `[dns] deadline` lets it.
    """
    settings = settings or Settings()
    header, body = split_message(message)
    steps: list[Step] = []
    site = Site.of(settings, dns.runner, dns.source, time.time if at is None else lambda: at)
    connection = Connection(envelope.client_address, envelope.helo, settings.milter.authserv_id or "localhost")
    transaction = Transaction(site, connection, envelope.mail_from, authenticated, header=header, spf_trace=steps)
    try:
        for recipient in recipients:
            transaction.recipient(recipient)
        if transaction.end_of_header():
            for start in range(0, len(body), _CHUNK):
                transaction.body(body[start : start + _CHUNK])
        outcome = transaction.end_of_message()
    except Exception:  # noqa: BLE001 - a bug comes to what it comes to in the filter
        logger.exception("error in the filter")
        transaction.fail()
        outcome = transaction.end_of_message()
    finally:
        transaction.close()
    answers = transaction.evaluation.answers if transaction.evaluation is not None else {}
    return Evaluated(outcome, tuple(steps), dict(answers), header)
