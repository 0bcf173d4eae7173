"""The journal of the running filter: SQLite from two workers at full speed, PostgreSQL that goes and comes back."""

import ipaddress
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.journal import schema, upkeep
from dmarc_milter.journal.database import open_engine, open_for_reading
from dmarc_milter.journal.filling import fill
from dmarc_milter.journal.reader import Criteria, find
from dmarc_milter.journal.row import TABLE, VERSION
from dmarc_milter.journal.summary import summary
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.journals import as_derived, counts, derived, expected, insert, make_old
from tests.support.mail import PERIODS, mail, varied
from tests.support.running import RunningFilter, settings
from tests.support.waiting import wait_for
from tests.system.servers import PostgreSql

pytestmark = pytest.mark.system

MESSAGES, CONNECTIONS = 10_000, 20


def send(running: RunningFilter, queue_ids: list[str]) -> list[str]:
    """Several messages over one connection; the answers."""
    scene = EXAMPLES[0]
    fields, body = scene.content
    mta = running.mta()
    mta.connect(scene.helo, scene.client)
    mta.helo(scene.helo)
    answers = [
        mta.message(scene.mail_from, ["you@example.org"], fields, body, queue_id=each).action for each in queue_ids
    ]
    mta.quit()
    return answers


def load(running: RunningFilter, queue_ids: list[str]) -> set[str]:
    parts = [queue_ids[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return {answer for answers in pool.map(lambda part: send(running, part), parts) for answer in answers}


def test_trace_finds_every_message(tmp_path: Path, name_server: NameServerThread) -> None:
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    queue_ids = [f"4X{number:06d}" for number in range(MESSAGES)]
    assert load(running, queue_ids) == {"accept"}
    assert running.stop() == 0
    found = find(open_engine(running.journal, create=False), Criteria(since=0.0), MESSAGES + 1)
    assert {each["queue_id"] for each in found} == set(queue_ids)
    assert {each["worker"] for each in found} == {0, 1}
    command = [sys.executable, "-m", "dmarc_milter", "trace", queue_ids[4711], "--config", str(running.config)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith(queue_ids[4711])
    assert "dropped" not in running.log


def persist(running: RunningFilter, queue_ids: list[str]) -> set[str]:
    """As an MTA that tries again does: each message is sent until it is answered. Those that were, the first time."""
    answered = set()
    for each in queue_ids:
        with suppress(OSError):
            if send(running, [each]) == ["accept"]:
                answered.add(each)
    return answered


def counted(running: RunningFilter, outcome: str) -> float:
    (found,) = re.findall(rf'dmarc_milter_journal_records_total{{outcome="{outcome}"}} (\S+)', running.metrics())
    return float(found)


def is_written_beyond(running: RunningFilter, before: float) -> bool:
    return counted(running, "written") > before


def test_what_died_with_a_worker_is_counted(tmp_path: Path, name_server: NameServerThread) -> None:
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    queue_ids = [f"4X{number:06d}" for number in range(2_000)]
    parts = [queue_ids[start::CONNECTIONS] for start in range(CONNECTIONS)]
    kills = 5
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        sending = [pool.submit(persist, running, part) for part in parts]
        for _ in range(kills):
            before = counted(running, "written")
            wait_for(partial(is_written_beyond, running, before), "records")
            os.kill(running.workers[0], signal.SIGKILL)
        answered = {each for part in sending for each in part.result()}
    wait_for(lambda: len(running.workers) == 2, "the workers")
    lost = counted(running, "lost")
    assert running.stop() == 0
    written = {
        each["queue_id"] for each in find(open_for_reading(running.journal), Criteria(since=0.0), len(queue_ids))
    }
    assert len(answered - written) <= lost
    assert len(queue_ids) - len(answered) <= kills * CONNECTIONS, "those at hand in a worker that was killed"
    logged = re.findall(r"died with (\d+) records that are not in the journal", running.log)
    assert sum(map(int, logged)) == lost


@pytest.fixture
def postgresql(open_folder: Path) -> Iterator[PostgreSql]:
    started = PostgreSql(open_folder)
    yield started
    started.stop()


def test_postgresql_stopped_and_started_under_load(
    tmp_path: Path, name_server: NameServerThread, postgresql: PostgreSql
) -> None:
    text = settings(name_server) + f'[journal]\ndatabase = "{postgresql.url}"\n'
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    queue_ids = [f"4P{number:06d}" for number in range(3_000)]
    answers: list[set[str]] = []
    sending = threading.Thread(target=lambda: answers.append(load(running, queue_ids)))
    sending.start()
    reading = open_engine(postgresql.url, create=False)
    wait_for(lambda: count(reading) > 0, "the first records")
    postgresql.stop()
    more = load(running, [f"4Q{number:06d}" for number in range(500)])
    wait_for(lambda: "journal: cannot write" in running.log, "the filter to notice")
    sending.join()
    postgresql.start()
    wait_for(lambda: count(reading) == 3_500, "what was queued to arrive")
    assert answers == [{"accept"}], "mail does not wait for the journal"
    assert more == {"accept"}
    assert running.stop() == 0
    assert len(re.findall("Traceback", running.log)) == 0
    found = find(reading, Criteria(since=0.0), 4_000)
    assert {each["queue_id"][:2] for each in found} == {"4P", "4Q"}
    assert len({each["queue_id"] for each in found}) == 3_500


PASSWORD = "s3cret: /?@%41"


@pytest.fixture
def guarded(open_folder: Path) -> Iterator[PostgreSql]:
    """A server that wants a password over the network."""
    started = PostgreSql(open_folder, PASSWORD)
    yield started
    started.stop()


def trace(running: RunningFilter, queue_id: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "dmarc_milter", "trace", queue_id, "--config", str(running.config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["file", "credential"])
def test_a_password_of_its_own(tmp_path: Path, name_server: NameServerThread, guarded: PostgreSql, kind: str) -> None:
    """Wrong at first, then right: it is read anew, and nothing ever shows it."""
    path = tmp_path / "journal-password"
    path.write_text("n0t-it")
    name = str(path) if kind == "file" else path.name
    text = settings(name_server) + f'[journal]\ndatabase = "{guarded.url}"\npassword_file = "{name}"\n'
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text, environment)
    assert load(running, ["4W1"]) == {"accept"}
    wait_for(lambda: "journal: cannot write" in running.log, "the wrong password to be refused")
    path.write_text(f"{PASSWORD}\n")
    wait_for(lambda: 'outcome="written"} 1.0' in running.metrics(), "the record to be written")
    told = trace(running, "4W1")
    assert running.stop() == 0
    if kind == "file":
        assert told.stdout.startswith("4W1")
    else:
        assert "which systemd hands to the service alone" in told.stderr
    for shown in (running.log, told.stdout, told.stderr):
        assert PASSWORD not in shown
        assert "n0t-it" not in shown


def test_peer_authentication(tmp_path: Path, name_server: NameServerThread, guarded: PostgreSql) -> None:
    text = settings(name_server) + f'[journal]\ndatabase = "{guarded.local_url}"\n'
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    assert load(running, ["4V1"]) == {"accept"}
    wait_for(lambda: 'outcome="written"} 1.0' in running.metrics(), "the record to be written")
    assert trace(running, "4V1").stdout.startswith("4V1")
    assert running.stop() == 0


@pytest.mark.parametrize("version", range(1, VERSION))
def test_an_older_journal_in_postgresql_is_written_on(
    tmp_path: Path, name_server: NameServerThread, postgresql: PostgreSql, version: int
) -> None:
    made = open_engine(postgresql.url, create=True)
    schema.prepare(made)
    with made.begin() as connection:
        for column in TABLE:
            if column.since > version:
                connection.execute(sa.text(f"ALTER TABLE messages DROP COLUMN {column.name}"))
        connection.execute(schema.version_table.update().values(version=version))
    text = settings(name_server) + f'[journal]\ndatabase = "{postgresql.url}"\n'
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    assert send(running, ["4X1"]) == ["accept"]
    wait_for(lambda: count(made) == 1, "the record")
    assert running.stop() == 0
    schema.check(made)
    made.dispose()


def test_counts_in_postgresql(postgresql: PostgreSql) -> None:
    """Rows of version 3 are filled by two hosts at once, while four workers write, each batch twice."""
    engine = open_engine(postgresql.url, create=True)
    schema.prepare(engine)
    rows = mail(2_000)
    make_old(engine, rows[:1_000])
    schema.prepare(engine)
    new = [rows[start : start + 50] for start in range(1_000, 2_000, 50)]
    with ThreadPoolExecutor(6) as pool:
        filling = [pool.submit(fill, open_engine(postgresql.url, create=False), 100) for _ in range(2)]
        list(pool.map(partial(insert, postgresql.url), [*new, *new, *reversed(new)]))
        assert sum(each.result() for each in filling) == 1_000
    assert counts(engine) == expected(rows)
    assert derived(engine) == as_derived(rows)
    assert len(find(engine, Criteria(client=ipaddress.ip_network("192.0.2.0/24")), 5_000)) == len(rows)
    upkeep.keep_up(engine, 30)
    engine.dispose()


def test_a_summary_of_postgresql_is_that_of_sqlite(postgresql: PostgreSql, tmp_path: Path) -> None:
    found = []
    rows = varied()
    for url in (postgresql.url, f"sqlite:///{tmp_path}/journal.sqlite"):
        engine = open_engine(url, create=True)
        schema.prepare(engine)
        insert(url, rows)
        upkeep.keep_up(engine, 0)
        asked = [summary(engine, period, domain) for period in PERIODS.values() for domain in (None, "a.example")]
        found.append(asked)
        engine.dispose()
    for one, other in zip(*found, strict=True):
        for name in one.__slots__:
            assert getattr(one, name) == getattr(other, name)
    assert all(each.domains and each.networks for each in found[0][:2])


def count(engine: object) -> int:
    try:
        with engine.connect() as connection:  # type: ignore[attr-defined]
            return int(connection.execute(sa.select(sa.func.count()).select_from(schema.messages)).scalar())
    except sa.exc.SQLAlchemyError:
        return 0
