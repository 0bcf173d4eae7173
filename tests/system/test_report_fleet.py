"""Reports of a fleet: hosts that share one real PostgreSQL share the work, and do what one that died had in hand."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa

from dmarc_milter.journal.database import open_engine
from dmarc_milter.reporting.store import Store
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
