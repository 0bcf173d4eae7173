"""What several questions of one page see, and answers as rows."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal import insertion
from dmarc_milter.journal.database import open_for_reading
from dmarc_milter.journal.fetching import fetched, snapshot
from dmarc_milter.journal.schema import messages
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.journals import insert
from tests.support.mail import varied

COUNT = sa.select(sa.func.count()).select_from(messages)


def test_what_is_written_meanwhile_is_seen_afterwards(engine: Engine, url: DatabaseUrl) -> None:
    rows = varied(20)
    # A file that nobody has open is read as one that never changes.
    writer = insertion.connect(url)
    writer.insert(rows[:10])
    reading = open_for_reading(url)
    with snapshot(reading) as connection:
        assert connection.execute(COUNT).scalar() == 10
        writer.insert(rows[10:])
        assert connection.execute(COUNT).scalar() == 10
    with snapshot(reading) as connection:
        assert connection.execute(COUNT).scalar() == 20
    writer.close()


def test_who_writes_can_ask_too(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied(20))
    for _ in range(2):
        with snapshot(engine) as connection:
            assert connection.execute(COUNT).scalar() == 20


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_by_the_names_of_columns(engine: Engine, url: DatabaseUrl, streamed: bool) -> None:
    rows = varied(30)
    insert(url, rows)
    query = sa.select(messages.c.uid, messages.c.dkim, sa.func.coalesce(messages.c.author_domain, "-").label("From"))
    with engine.connect() as connection:
        found = list(fetched(connection, query.order_by(messages.c.time), streamed=streamed))
    wanted = sorted(rows, key=lambda each: float(each["time"]))
    assert found == [
        {"uid": each["uid"], "dkim": each["dkim"], "From": each["author_domain"] or "-"} for each in wanted
    ]
