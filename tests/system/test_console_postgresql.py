"""The console over PostgreSQL: each number leads to a list of as many messages there, too."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.demo.month import month
from dmarc_milter.journal import schema, upkeep
from dmarc_milter.journal.database import open_engine
from tests.support.clock import local_time
from tests.support.console import questions
from tests.support.console_links import NOW, PAGES, check_numbers, fill, of_filter, varied
from tests.support.journals import insert
from tests.system.servers import PostgreSql

pytestmark = pytest.mark.system


@pytest.fixture
def postgresql(open_folder: Path) -> Iterator[PostgreSql]:
    started = PostgreSql(open_folder)
    yield started
    started.stop()


def test_numbers_lead_to_as_many_messages(
    postgresql: PostgreSql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(postgresql.url, create=True)
    monkeypatch.setattr(time, "time", lambda: NOW)
    schema.prepare(engine)
    rows = varied()
    fill(engine, postgresql.url, rows)
    engine.dispose()
    with local_time("UTC"):
        for page in PAGES:
            check_numbers(rows, postgresql.url, page, of_filter(tmp_path, postgresql.url))


def test_no_question_of_a_page_reads_the_whole_table(postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it may not, PostgreSQL has an index for each."""
    engine = open_engine(postgresql.url, create=True)
    monkeypatch.setattr(time, "time", lambda: NOW)
    schema.prepare(engine)
    rows = list(month(3_000, NOW))
    insert(postgresql.url, rows)
    upkeep.keep_up(engine, 0)
    asked = questions(postgresql.url, rows[0]["uid"])
    assert len(asked) > 40
    connection = engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute("SET enable_seqscan = off")
    for statement, parameters in asked:
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        assert not re.search(r"Seq Scan on messages", plan), f"{statement}\n{plan}"
    connection.close()
    engine.dispose()
