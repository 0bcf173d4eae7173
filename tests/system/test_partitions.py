"""The journal in a real PostgreSQL, partitioned by day: made so, brought there while others write, days dropped."""

import time
from collections.abc import Iterator
from itertools import count as numbers
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal import locking, partitions, report_tables, schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.dividing import divide
from dmarc_milter.journal.partitions import AHEAD, forget, keep_ahead
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.row import TABLE
from dmarc_milter.journal.schema import COUNTED, MESSAGES
from dmarc_milter.journal.upkeep import keep_up
from tests.support.dying import is_killed, kill_at
from tests.support.journals import insert
from tests.support.records import as_row, record
from tests.support.reports import count, row
from tests.system.servers import PostgreSql

pytestmark = pytest.mark.system
TODAY = int(time.time() // DAY) * DAY


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        started = PostgreSql(folder)
        yield started
        started.stop()


@pytest.fixture
def engine(server: PostgreSql) -> Iterator[Engine]:
    """Of a database without anything in it."""
    made = open_engine(server.url, create=True)
    _empty(made)
    yield made
    made.dispose()


def _empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))


def _url(engine: Engine) -> str:
    return engine.url.render_as_string().replace("+psycopg2", "")


def message(uid: str, moment: float) -> dict[str, Any]:
    return as_row(record(uid, time=moment), uid)


def write(engine: Engine, **moments: float) -> list[dict[str, Any]]:
    """Messages, as a worker writes them."""
    rows = [message(uid, moment) for uid, moment in moments.items()]
    insert(_url(engine), rows)
    return rows


def where(engine: Engine, table: str = "messages") -> dict[str, str]:
    """In which partition each row is."""
    query = sa.text(
        f"SELECT {'uid' if table == 'messages' else 'policy_domain'}, tableoid::regclass::text FROM {table}"
    )
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def names(engine: Engine, table: str = "messages") -> list[str]:
    """Its partitions."""
    query = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table)")
    with engine.connect() as connection:
        return sorted(connection.execute(query, {"table": table}).scalars())


def day_name(day: int, table: str = "messages") -> str:
    return f"{table}_{time.strftime('%Y%m%d', time.gmtime(day))}"


def old_journal(engine: Engine, *rows: dict[str, Any]) -> None:
    """As version 4 left it: one plain table."""
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        for column in TABLE:
            if column.since > 4:
                connection.execute(sa.text(f"ALTER TABLE messages DROP COLUMN {column.name}"))
        connection.execute(schema.version_table.insert().values(version=4))
        for each in rows:
            known = {column.name: each[column.name] for column in TABLE if column.since <= 4}
            connection.execute(schema.messages.insert().values(known))


def files(engine: Engine, like: str) -> dict[str, int]:
    """Where tables and indexes lie on the disk: what is copied or built again lies elsewhere."""
    query = sa.text("SELECT relname, relfilenode FROM pg_class WHERE relname LIKE :like AND relfilenode <> 0")
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query, {"like": like})}


# New tables


def test_new_tables_have_a_partition_per_day_and_one_for_everything_else(engine: Engine) -> None:
    schema.prepare(engine)
    days = range(TODAY, TODAY + (AHEAD + 1) * DAY, DAY)
    for table in ("messages", "reported"):
        assert names(engine, table) == [*(day_name(day, table) for day in days), f"{table}_other"]
    moments = {"now": time.time(), "late": TODAY - 40.0 * DAY, "soon": TODAY + AHEAD * DAY + 1.0, "far": TODAY * 2.0}
    rows = write(engine, **moments)
    insert(_url(engine), rows)
    insert(_url(engine), [*reversed(rows)])
    other = "messages_other"
    found = where(engine)
    assert found == {"now": day_name(TODAY), "late": other, "soon": day_name(TODAY + AHEAD * DAY), "far": other}
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.sum(schema.rollups["hours"].c.messages))).scalar() == len(rows)


def test_counts_for_reports_add_up_in_their_partition(engine: Engine) -> None:
    schema.prepare(engine)
    for _ in range(3):
        count(_url(engine), [row(time=TODAY + 1.0), row("late.example", time=TODAY - DAY)])
    assert where(engine, "reported") == {
        "bank.example": day_name(TODAY, "reported"),
        "late.example": "reported_other",
    }
    with engine.connect() as connection:
        assert connection.execute(sa.select(report_tables.reported.c.messages)).scalars().all() == [3, 3]


def test_a_new_partition_takes_over_what_the_safety_net_has_of_its_day(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.prepare(engine)
    first, second = TODAY + (AHEAD + 1) * DAY, TODAY + (AHEAD + 2) * DAY
    write(engine, one=first + 1.0, two=first + DAY - 1.0, three=second, four=second + 2.0, five=second + 3.0)
    assert set(where(engine).values()) == {"messages_other"}
    monkeypatch.setattr(partitions, "MAX_MOVED", 2)
    keep_ahead(engine, MESSAGES, first + 5.0)
    found = where(engine)
    assert found["one"] == found["two"] == day_name(first)
    assert found["three"] == found["four"] == found["five"] == "messages_other", "too many: they stay"
    assert day_name(second) not in names(engine)
    assert day_name(second + DAY) in names(engine)


def test_a_day_is_forgotten_by_dropping_its_partition(engine: Engine) -> None:
    schema.prepare(engine)
    keep_ahead(engine, MESSAGES, TODAY - 40 * DAY)
    write(engine, old=TODAY - 40.0 * DAY, older=TODAY - 50.0 * DAY, now=time.time())
    assert where(engine)["old"] == day_name(TODAY - 40 * DAY)
    assert keep_up(engine, 30) == 2
    assert where(engine) == {"now": day_name(TODAY)}
    assert day_name(TODAY - 40 * DAY) not in names(engine)
    assert keep_up(engine, 0) == 0, "0 days means for ever"
    assert forget(engine, MESSAGES, TODAY + DAY) == 1
    write(engine, again=time.time())
    assert where(engine) == {"again": "messages_other"}


def test_upkeep_waits_for_nobody_who_reads_for_long(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "WAIT_SECONDS", 0.05)
    schema.prepare(engine)
    keep_ahead(engine, MESSAGES, TODAY - 40 * DAY)
    reading = open_engine(_url(engine), create=False)
    with reading.connect() as reader:
        reader.execute(sa.select(schema.messages)).all()
        keep_up(engine, 30)
        assert day_name(TODAY - 40 * DAY) in names(engine)
        write(engine, now=time.time())
    keep_up(engine, 30)
    assert day_name(TODAY - 40 * DAY) not in names(engine)
    assert where(engine) == {"now": day_name(TODAY)}
    reading.dispose()


# A table that is there


def test_an_older_table_becomes_a_partition_and_nothing_is_copied(engine: Engine) -> None:
    then = TODAY - 40.0 * DAY
    old_journal(engine, message("old", then), message("new", time.time()), message("far", TODAY + 30.0 * DAY))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS people"))
        connection.execute(sa.text("CREATE ROLE people"))
        connection.execute(sa.text("GRANT USAGE ON SCHEMA public TO people"))
        connection.execute(sa.text("GRANT SELECT ON messages TO people"))
    schema.prepare(engine)
    write(engine, at_once=time.time())
    on_disk = files(engine, "%messages%")
    keep_up(engine, 0)
    assert names(engine)[0] == "messages_before"
    assert set(where(engine).values()) == {"messages_before"}, "it goes as far as the last row that was there"
    known = {name for name in on_disk if name != "messages_pkey"}
    kept = {name: number for name, number in files(engine, "%messages%").items() if number in on_disk.values()}
    assert len(kept) == len(known)
    assert kept["messages_before"] == on_disk["messages"]
    write(engine, old=then, new=time.time(), beyond=TODAY + 300.0 * DAY)
    assert where(engine)["beyond"] == "messages_other"
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL ROLE people"))
        assert connection.execute(sa.text("SELECT count(*) FROM messages WHERE uid = 'old'")).scalar() == 1
        connection.execute(sa.text("RESET ROLE"))
        connection.execute(sa.text("DROP OWNED BY people"))
    assert keep_up(engine, 30) == 1
    assert "old" not in where(engine)


def _divide_killed(url: str, number: int) -> None:
    engine = open_engine(url, create=False)
    kill_at(number, engine)
    divide(engine, MESSAGES, time.time())


def test_killed_at_every_statement_it_goes_on_and_others_write_meanwhile(engine: Engine) -> None:
    for number in numbers():
        _empty(engine)
        old_journal(engine, message("old", TODAY - 5.0 * DAY))
        schema.prepare(engine)
        was_killed = is_killed(_divide_killed, _url(engine), number)
        write(engine, meanwhile=time.time(), tomorrow=TODAY + DAY + 1.0)
        divide(engine, MESSAGES, time.time())
        assert where(engine) == dict.fromkeys(("old", "meanwhile", "tomorrow"), "messages_before"), number
        keep_ahead(engine, MESSAGES, TODAY + 9 * DAY)
        write(engine, later=TODAY + 9.0 * DAY)
        assert where(engine)["later"] == day_name(TODAY + 9 * DAY)
        if not was_killed:
            break
    assert number > 15


def test_what_was_left_too_long_is_begun_anew(engine: Engine) -> None:
    """The check of an earlier try would refuse rows of today."""
    old_journal(engine, message("old", TODAY - 20.0 * DAY))
    schema.prepare(engine)
    with engine.begin() as connection:
        check = f"ADD CONSTRAINT messages_before_{TODAY + 2 * DAY} CHECK (time < {TODAY + 2 * DAY}) NOT VALID"
        connection.execute(sa.text(f"ALTER TABLE messages {check}"))
    divide(engine, MESSAGES, time.time())
    write(engine, later=TODAY + 5.0 * DAY)
    assert where(engine)["later"] == "messages_before"


# Plans


def plan(engine: Engine, query: "sa.sql.Select[Any] | str") -> str:
    text = query if isinstance(query, str) else str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        return "\n".join(connection.execute(sa.text(f"EXPLAIN {text}".replace(":", "\\:"))).scalars())


def test_queries_read_the_days_that_they_ask_for_by_their_indexes(engine: Engine) -> None:
    old_journal(engine)
    schema.prepare(engine)
    keep_up(engine, 0)
    table = schema.messages
    keep_ahead(engine, MESSAGES, TODAY + 20 * DAY)
    day = TODAY + 21 * DAY
    found = plan(engine, sa.select(table.c.uid).where(table.c.time.between(day, day + 3600)))
    assert day_name(day) in found
    assert day_name(day + DAY) not in found
    assert "messages_before" not in found
    by_queue_id = plan(engine, sa.select(table.c.uid).where(table.c.queue_id == "4X1"))
    assert "Seq Scan" not in by_queue_id
    assert "messages_before" in by_queue_id
    assert "messages_other" in by_queue_id


def test_what_a_report_tells_is_read_from_one_partition_in_order(engine: Engine) -> None:
    """Sorted first, a domain of five million rows would need their room."""
    schema.prepare(engine)
    reported = report_tables.reported
    query = sa.select(reported).where(reported.c.day == TODAY, reported.c.policy_domain.between("a", "b"))
    found = plan(engine, query.order_by(*reported.primary_key.columns))
    assert "Sort" not in found
    assert found.startswith(f"Index Scan using {day_name(TODAY, 'reported')}_pkey")
    assert COUNTED.key == tuple(each.name for each in reported.primary_key.columns)
