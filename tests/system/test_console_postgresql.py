"""The console over PostgreSQL: each number leads to a list of as many messages there, too."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.journal import schema
from dmarc_milter.journal.database import open_engine
from tests.support.clock import local_time
from tests.support.console_links import NOW, PAGES, check_numbers, varied
from tests.support.journals import insert
from tests.system.servers import PostgreSql

pytestmark = pytest.mark.system


@pytest.fixture
def postgresql(open_folder: Path) -> Iterator[PostgreSql]:
    started = PostgreSql(open_folder)
    yield started
    started.stop()


def test_numbers_lead_to_as_many_messages(postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(postgresql.url, create=True)
    monkeypatch.setattr(time, "time", lambda: NOW)
    schema.prepare(engine)
    engine.dispose()
    rows = varied()
    insert(postgresql.url, rows)
    with local_time("UTC"):
        for page in PAGES:
            check_numbers(rows, postgresql.url, page)
