"""Failures that wait become mails in the queue: a few per policy domain and hour, to whom its record names."""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.record import is_dmarc, parse
from dmarc_milter.dmarc.report_destination import ReportTag, destination
from dmarc_milter.dmarc.tree_walk import TreeWalks
from dmarc_milter.dns.message import MessageQuestions
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.source import Source
from dmarc_milter.journal.report_tables import failure_reports, reports
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.reporting.claim import MadeReport, queue
from dmarc_milter.reporting.failure import PendingFailure, failure_mail
from dmarc_milter.reporting.making import SECONDS, Sender
from dmarc_milter.reporting.planning import Rules, chosen
from dmarc_milter.reporting.signing import signed
from dmarc_milter.reporting.store import Store

HOUR = 3_600.0
KEEP_SECONDS = DAY
"""For how long a failure waits for the DNS; then nobody is told."""
MAX_DOMAINS = 10_000
KIND = "failure"


class _Chosen(NamedTuple):
    """Who gets reports about a domain; or why the DNS could not tell."""

    to: tuple[str, ...]
    failure: Reason | None = None


class FailureMaker:
    """Makes failure reports out of what waits."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        rules: Rules,
        domains: Sequence[DomainPattern],
        per_hour: int,
        runner: Runner,
        source: Source,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._sender = sender
        self._rules = rules
        self._domains = domains
        self._per_hour = per_hour
        self._runner = runner
        self._source = source
        self._clock = clock

    def make(self) -> int:
        """How many reports were made. What is over the limit of the hour is told by a later one, as a number."""
        query = sa.select(failure_reports.c.policy_domain).distinct().limit(MAX_DOMAINS)
        with self._store.one_host() as is_ours:
            if not is_ours:
                return 0
            with self._store.reading.connect() as connection:
                domains = sorted(connection.execute(query).scalars())
            return sum(map(self._make, domains))

    def _make(self, domain: str) -> int:
        pending = self._pending(domain)
        if not pending:
            return 0
        now = self._clock()
        if not any(each.matches(domain) for each in self._domains):
            return self._finish(pending, [], [])
        found = self._who(domain, pending[-1].record)
        if found.failure is not None:
            over = [each for each in pending if each.time < now - KEEP_SECONDS]
            return self._finish(over, [], [])
        room = max(0, self._per_hour - self._made_lately(domain, now))
        told, left = pending[:room], pending[room:]
        made = [self._report(each, found.to, now) for each in told] if found.to else []
        return self._finish([*told, *left[:-1]] if found.to else pending, left if found.to else [], made)

    def _pending(self, domain: str) -> list[PendingFailure]:
        table = failure_reports
        query = sa.select(table).where(table.c.policy_domain == domain).order_by(table.c.time, table.c.uid)
        with self._store.reading.connect() as connection:
            rows = connection.execute(query).mappings()
            return [PendingFailure(**{**row, "record": bytes(row["record"])}) for row in rows]

    def _made_lately(self, domain: str, now: float) -> int:
        query = sa.select(sa.func.count()).where(
            reports.c.policy_domain == domain, reports.c.kind == KIND, reports.c.made > now - HOUR
        )
        with self._store.reading.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _who(self, domain: str, record: bytes) -> _Chosen:
        questions = MessageQuestions(self._source)
        try:
            return self._runner.start(self._look(questions, domain, record)).result()
        finally:
            questions.close()

    async def _look(self, questions: MessageQuestions, domain: str, record: bytes) -> _Chosen:
        if not is_dmarc(record):
            return _Chosen(())
        resolver = questions.resolver(time.monotonic() + SECONDS)
        walks = TreeWalks(resolver)
        uris = parse(record).failure_addresses
        found = [await destination(resolver, walks, domain, uri, ReportTag.FAILURE) for uri in uris]
        failure = next((each.failure for each in found if each.failure is not None), None)
        return _Chosen(chosen(found, self._rules)[0], failure)

    def _report(self, pending: PendingFailure, to: tuple[str, ...], now: float) -> MadeReport:
        name = "f" + hashlib.sha256(pending.uid.encode()).hexdigest()[:31]
        message = failure_mail(pending, name, self._sender.reporter, to, now)
        if self._sender.keys:
            message = signed(message, self._sender.domain, self._sender.keys, int(now))
        day = int(pending.time // DAY) * DAY
        is_signed = bool(self._sender.keys)
        return MadeReport(
            name, day, pending.policy_domain, "", 1, KIND, pending.incidents, 1, now, is_signed, message, to
        )

    def _finish(self, done: Sequence[PendingFailure], left: Sequence[PendingFailure], made: list[MadeReport]) -> int:
        """In one transaction. What is left over is one failure, which stands for all of them."""
        table = failure_reports
        with self._store.writing.begin() as connection:
            queue(connection, made)
            for each in done:
                connection.execute(table.delete().where(table.c.uid == each.uid))
            if len(left) > 1:
                values: dict[str, Any] = {"incidents": sum(each.incidents for each in left)}
                connection.execute(table.update().where(table.c.uid == left[-1].uid).values(values))
        return len(made)
