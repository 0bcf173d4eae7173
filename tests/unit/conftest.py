"""What tests of the journal share: a database of their own, and a local time that pages can show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from dmarc_milter.journal import schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.clock import local_time


@pytest.fixture
def url(tmp_path: Path) -> DatabaseUrl:
    """Of a journal that is not there yet."""
    return DatabaseUrl(f"sqlite:///{tmp_path}/journal.sqlite")


@pytest.fixture
def engine(url: DatabaseUrl) -> Iterator[Engine]:
    """Of an empty journal at `url`."""
    opened = open_engine(url, create=True)
    schema.prepare(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def utc() -> Iterator[None]:
    """Times are told in UTC, whatever the host's zone."""
    with local_time("UTC"):
        yield
