"""Days that are tallied in PostgreSQL, where others write at the same moment."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal import domain_kinds, insertion, schema, tallying
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.domain import domain
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.refused import refused, tally_refused
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.summary import summary
from dmarc_milter.journal.tally_tables import tallied_kinds
from dmarc_milter.journal.tallying import tally
from tests.support.journals import insert
from tests.support.mail import PERIODS, UNTIL, varied
from tests.support.waiting import wait_for
from tests.system.servers import PostgreSql

pytestmark = pytest.mark.system
YESTERDAY = int(UNTIL // DAY) * DAY - DAY
ITS_DAY = Period(YESTERDAY, YESTERDAY + DAY)


@pytest.fixture
def postgresql(open_folder: Path) -> Iterator[PostgreSql]:
    started = PostgreSql(open_folder)
    yield started
    started.stop()


@pytest.fixture
def engine(postgresql: PostgreSql) -> Iterator[Engine]:
    made = open_engine(postgresql.url, create=True)
    schema.prepare(made)
    yield made
    made.dispose()


def test_they_are_those_of_sqlite(
    postgresql: PostgreSql, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain_kinds, "MIN_MESSAGES", 20)
    other = open_engine(f"sqlite:///{tmp_path}/journal.sqlite", create=True)
    schema.prepare(other)
    rows = varied()
    for url, each in ((postgresql.url, engine), (f"sqlite:///{tmp_path}/journal.sqlite", other)):
        insert(url, rows)
        assert tally(each, UNTIL) == 2
    for period in PERIODS.values():
        found, its = summary(engine, period), summary(other, period)
        assert (found.domains, found.networks, found.lists) == (its.domains, its.networks, its.lists)
        one, two = refused(engine, period), refused(other, period)
        assert (one.refused.totals, one.lists, one.days) == (two.refused.totals, two.lists, two.days)
        for group, same in zip(one.refused.groups, two.refused.groups, strict=True):
            assert (group.count, group.particulars) == (same.count, same.particulars)
        for name in {each["author_domain"] for each in rows} - {None}:
            assert domain(engine, name, period).kinds == domain(other, name, period).kinds
    assert _number_of_kinds(engine) == _number_of_kinds(other) > 0
    other.dispose()


def _number_of_kinds(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(sa.select(tallied_kinds)).all())


def test_a_record_that_is_being_written_is_waited_for(
    postgresql: PostgreSql, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day is tallied with it, and not without it."""
    rows = [{**each, "wanted": "reject", "action": "reject"} for each in varied(50)]
    insert(postgresql.url, rows)
    late = {**rows[0], "uid": "late", "time": YESTERDAY + 5.0}
    before = refused(engine, ITS_DAY).refused.messages
    is_written, may_end = threading.Event(), threading.Event()

    def held(*given: Any) -> list[Any]:
        is_written.set()
        may_end.wait()
        return []

    monkeypatch.setattr(insertion, "failure_rows", held)
    writer = threading.Thread(target=insert, args=(postgresql.url, [{**late, "failure": object()}]))
    writer.start()
    is_written.wait()
    upkeep = threading.Thread(target=tally, args=(engine, UNTIL))
    upkeep.start()
    try:
        wait_for(lambda: waits_for_a_lock(postgresql), "the upkeep to wait for the writer")
    finally:
        may_end.set()
        writer.join()
        upkeep.join()
    found = refused(engine, ITS_DAY)
    assert found.days == (YESTERDAY,)
    assert found.refused.messages == before + 1


def test_a_record_that_is_written_while_its_day_is_tallied_takes_the_day_back(
    postgresql: PostgreSql, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**each, "wanted": "reject", "action": "reject"} for each in varied(50)]
    insert(postgresql.url, rows)
    before = refused(engine, ITS_DAY).refused.messages
    writers: list[threading.Thread] = []
    real = tally_refused

    def beside(connection: Any, day: int) -> None:
        real(connection, day)
        if day == YESTERDAY and not writers:
            late = {**rows[0], "uid": "late", "time": YESTERDAY + 5.0}
            writers.append(threading.Thread(target=insert, args=(postgresql.url, [late])))
            writers[0].start()
            wait_for(lambda: waits_for_a_lock(postgresql), "the writer to wait for the upkeep")

    monkeypatch.setattr(tallying, "tally_refused", beside)
    tally(engine, UNTIL)
    writers[0].join()
    found = refused(engine, ITS_DAY)
    assert found.days == ()
    assert found.refused.messages == before + 1
    assert tally(engine, UNTIL) == 1
    assert refused(engine, ITS_DAY).refused.messages == before + 1


def waits_for_a_lock(postgresql: PostgreSql) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    connection = psycopg2.connect(postgresql.url.replace("postgresql+psycopg2", "postgresql"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return bool(cursor.fetchone()[0])
    finally:
        connection.close()
