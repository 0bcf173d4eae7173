"""Reports of a fleet: hosts that share one real PostgreSQL share the work, and do what one that died had in hand."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa

from dmarc_milter.columns.table import told as told_of
from dmarc_milter.journal import schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.insertion import connect
from dmarc_milter.journal.partitions import forget, keep_ahead
from dmarc_milter.journal.row import row as journal_row
from dmarc_milter.journal.schema import PARTITIONED
from dmarc_milter.journal.upkeep import keep_up
from dmarc_milter.reporting.store import Store
from tests.support.records import record
from tests.support.report_runs import killed_while_making, killed_while_sending, run_make, run_send
from tests.support.reports import DAY, count, maker, prepared, row
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import wait_for
from tests.system.servers import PostgreSql

pytestmark = pytest.mark.system
DOMAINS = [f"d{number}.example" for number in range(400)]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        started = PostgreSql(folder)
        yield started
        started.stop()


@pytest.fixture
def url(postgresql: PostgreSql) -> str:
    return empty(postgresql)


def empty(postgresql: PostgreSql) -> str:
    """A journal without anything in it."""
    engine = open_engine(postgresql.url, create=True)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return prepared(postgresql.url)


def _make(url: str, batches: int | None = None) -> None:
    """One host; with `batches`, it is killed while it has the next one in hand."""
    store = Store(url)
    one = maker(store)
    one.close_days(0)
    if batches is not None:
        done = 0

        def progress(_: int) -> None:
            nonlocal done
            done += 1
            if done == batches:
                sa.event.listen(store.writing, "before_cursor_execute", _die_while_inserting)

        one.make(progress=progress)
    one.make()
    store.close()


def _die_while_inserting(*arguments: object) -> None:
    if str(arguments[2]).startswith("INSERT INTO reports"):
        os.kill(os.getpid(), signal.SIGKILL)


def _send(url: str, port: int) -> None:
    store = Store(url)
    run_send(store, port)
    store.close()


def together(*runs: tuple[Any, ...]) -> list[int | None]:
    """Processes at once; their exit statuses."""
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=run[0], args=run[1:]) for run in runs]
    for each in started:
        each.start()
    for each in started:
        each.join(120)
    return [each.exitcode for each in started]


def test_two_hosts_make_and_send_each_report_once(url: str) -> None:
    count(url, map(row, DOMAINS))
    assert together((_make, url), (_make, url)) == [0, 0]
    store = Store(url)
    assert sorted(found.policy_domain for found, _ in store.stored(DAY)) == sorted(DOMAINS)
    assert store.open_jobs() == 0
    with SmtpSink() as sink:
        assert together((_send, url, sink.port), (_send, url, sink.port)) == [0, 0]
    assert sorted(each.recipient for each in sink.taken) == sorted(f"d@{domain}" for domain in DOMAINS)
    store.close()


def test_what_a_host_that_died_had_in_hand_is_done_by_the_others(url: str) -> None:
    count(url, map(row, DOMAINS))
    assert together((_make, url, 2)) == [-signal.SIGKILL]
    store = Store(url)
    assert 0 < len(list(store.stored(DAY))) < len(DOMAINS)
    # PostgreSQL sees that the connection is gone, and gives its rows free.
    wait_for(lambda: _worked_off(store), "the rows that it had locked")
    assert sorted(found.policy_domain for found, _ in store.stored(DAY)) == sorted(DOMAINS)
    store.close()


def _worked_off(store: Store) -> bool:
    run_make(store)
    return store.open_jobs() == 0


def test_killed_at_every_statement(postgresql: PostgreSql) -> None:
    assert killed_while_making(lambda: empty(postgresql)) > 10
    assert killed_while_sending(lambda: empty(postgresql)) > 10


# Partitions


def partitions(url: str, table: str) -> list[str]:
    """Their names, in order."""
    engine = open_engine(url, create=False)
    query = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table)")
    with engine.connect() as connection:
        found = sorted(connection.execute(query, {"table": table}).scalars())
    engine.dispose()
    return found


def test_a_day_is_forgotten_by_dropping_its_partition(url: str) -> None:
    engine = open_engine(url, create=False)
    now = 1_796_000_000.0
    for each in PARTITIONED:
        with engine.begin() as connection:
            keep_ahead(connection, each, now)
    names = partitions(url, "reported")
    assert {"reported_before", "reported_other"} <= set(names)
    assert len(names) >= 2
    insertion = connect(url)
    rows = [row_of(f"{number}", time.time() + number * 86_400) for number in range(-40, 12)]
    insertion.insert(rows)
    insertion.insert(rows)
    insertion.close()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM messages")).scalar() == len(rows)
    assert keep_up(engine, 30) > 0
    later = time.time() + 5 * 86_400
    with engine.begin() as connection:
        dropped = forget(connection, PARTITIONED[0], later)
    assert dropped > 0
    assert "messages_before" not in partitions(url, "messages")
    with engine.connect() as connection:
        oldest = connection.execute(sa.text("SELECT min(time) FROM messages")).scalar_one()
    assert oldest > time.time()
    engine.dispose()


def row_of(uid: str, moment: float) -> dict[str, Any]:
    """A whole row of the table."""
    told = journal_row(told_of(record()), uid=uid, host="mx1", worker_number=0, addresses=False)
    return told | {"time": moment}


def test_what_has_no_partition_yet_is_kept_all_the_same(url: str) -> None:
    insertion = connect(url)
    insertion.insert([row_of("far", time.time() + 400 * 86_400)])
    insertion.close()
    engine = open_engine(url, create=False)
    keep_up(engine, 30)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM messages_other")).scalar() == 1
    engine.dispose()


def test_an_older_table_becomes_a_partition(postgresql: PostgreSql) -> None:
    url = empty(postgresql)
    engine = open_engine(url, create=False)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(schema.version_table.insert().values(version=4))
        found = row_of("old", time.time() - 86_400)
        connection.execute(schema.messages.insert(), [found])
    schema.prepare(engine)
    assert partitions(url, "messages") == ["messages_before", "messages_other"]
    insertion = connect(url)
    insertion.insert([row_of("old", found["time"]), row_of("new", time.time())])
    insertion.close()
    with engine.connect() as connection:
        uids = connection.execute(sa.text("SELECT uid FROM messages ORDER BY time")).scalars().all()
        plan = connection.execute(sa.text("EXPLAIN SELECT * FROM messages WHERE queue_id = 'x'")).scalars().all()
    assert uids == ["old", "new"]
    assert "ix_messages_queue_id" in " ".join(plan) or "Seq Scan" in " ".join(plan)
    keep_up(engine, 30)
    engine.dispose()
