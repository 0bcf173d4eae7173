"""Jobs in hand, and what comes of them: reports kept, deliveries queued, jobs finished, all at once or not at all."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.report_tables import DeliveryState, JobState, report_deliveries, report_jobs, reports


class Job(NamedTuple):
    """One domain of a closed day."""

    day: int
    policy_domain: str
    tries: int


class MadeReport(NamedTuple):
    """A report, and the addresses that it goes to."""

    id: str
    day: int
    policy_domain: str
    policy: str
    part: int
    kind: str
    messages: int
    records: int
    made: float
    is_signed: bool
    message: bytes
    """The whole mail; empty where it is kept already."""
    to: tuple[str, ...]


class JobOutcome(NamedTuple):
    """What became of one job."""

    job: Job
    state: JobState
    messages: int = 0
    reports: tuple[MadeReport, ...] = ()
    note: str | None = None
    next_try: float = 0.0


@contextmanager
def writing(engine: Engine, connection: Connection | None) -> Iterator[Connection]:
    """The transaction that locks what is in hand, where there is one; else one of its own."""
    if connection is not None:
        yield connection
    else:
        with engine.begin() as made:
            yield made


class Claim:
    """Jobs in hand. What comes of them is written at once: all of it, or nothing."""

    def __init__(self, jobs: Sequence[Job], engine: Engine, connection: Connection | None) -> None:
        """The transaction of `connection` locks the jobs; without one, what is written has a transaction of its own."""
        self.jobs = jobs
        self._engine = engine
        self._connection = connection

    def keep(self, made: Sequence[MadeReport]) -> None:
        """Keep reports of a job that is not finished yet: nobody gets them before it is."""
        with writing(self._engine, self._connection) as connection:
            _insert_once(connection, reports, [_report_row(each) for each in made])

    def begin(self, day: int, domains: Sequence[str]) -> None:
        """Forget what somebody kept for these jobs who was ended before they were finished."""
        has_deliveries = sa.exists().where(report_deliveries.c.report == reports.c.id)
        with writing(self._engine, self._connection) as connection:
            connection.execute(
                reports.delete().where(reports.c.day == day, reports.c.policy_domain.in_(domains), ~has_deliveries)
            )

    def finish(self, outcomes: Sequence[JobOutcome]) -> None:
        """Keep the reports, and what became of the jobs (at least one). Reports that are there already stay so."""
        made = [report for each in outcomes for report in each.reports]
        with writing(self._engine, self._connection) as connection:
            queue(connection, made)
            connection.execute(_FINISH, [_finished(each) for each in outcomes])


def queue(connection: Connection, made: Sequence[MadeReport]) -> None:
    """Have reports sent; those that are there already stay as they are."""
    _insert_once(connection, reports, [_report_row(each) for each in made if each.message])
    _insert_once(connection, report_deliveries, [row for each in made for row in _deliveries(each)])


def insert_new(connection: Connection, table: sa.Table) -> Any:
    """An insertion that leaves rows whose keys are there already as they are."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def _insert_once(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert_new(connection, table), rows)


_FINISH = (
    report_jobs.update()
    .where(
        report_jobs.c.day == sa.bindparam("the_day"), report_jobs.c.policy_domain == sa.bindparam("the_policy_domain")
    )
    .values(
        state=sa.bindparam("state"),
        tries=sa.bindparam("tries"),
        next_try=sa.bindparam("next_try"),
        messages=sa.bindparam("messages"),
        note=sa.bindparam("note"),
    )
)


def _finished(outcome: JobOutcome) -> dict[str, Any]:
    return {
        "the_day": outcome.job.day,
        "the_policy_domain": outcome.job.policy_domain,
        "state": outcome.state.value,
        "tries": outcome.job.tries + 1,
        "next_try": outcome.next_try,
        "messages": outcome.messages,
        "note": outcome.note,
    }


def _report_row(report: MadeReport) -> dict[str, Any]:
    row = report._asdict()
    del row["to"]
    return row


def _deliveries(report: MadeReport) -> Iterator[dict[str, Any]]:
    for address in report.to:
        yield {
            "report": report.id,
            "address": address,
            "token": secrets.token_hex(16),
            "host": address.rpartition("@")[2].lower(),
            "state": DeliveryState.PENDING.value,
            "tries": 0,
            "next_try": report.made,
            "changed": report.made,
            "reply": None,
        }
