"""Columns that are derived, counts beside the records, rows of older versions, and how questions are answered."""

import contextlib
import ipaddress
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.columns.origin import octets
from dmarc_milter.columns.table import told
from dmarc_milter.journal import insertion, reader, rollups, schema, upkeep
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.filling import fill
from dmarc_milter.journal.reader import Criteria, find
from dmarc_milter.journal.refused import refused
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.message.received import HandOver, Relayed
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.journals import as_derived, counts, derived, expected, insert, make_old
from tests.support.mail import KINDS, mail
from tests.support.records import ENVELOPE, NOW, as_row, record
from tests.support.verdicts import verdict
from tests.support.waiting import wait_for


@pytest.mark.parametrize(("found", "kind"), KINDS.values(), ids=KINDS.keys())
def test_kinds(found: MessageRecord, kind: str) -> None:
    assert told(found)["kind"] == kind


def relayed(client: bytes | None) -> MessageRecord:
    found = HandOver(client, "h.example") if client else None
    return record(verdict=replace(verdict("fail", "reject"), relayed=Relayed(found, None, 1)))


V6 = ipaddress.ip_address("2001:db8::7").packed
SOURCES = {
    "client": (record(), octets(ipaddress.ip_address("192.0.2.7"))),
    "IPv6": (record(envelope=replace(ENVELOPE, client_address=V6)), V6),
    "behind a relay": (relayed(bytes([203, 0, 113, 9])), octets(ipaddress.ip_address("203.0.113.9"))),
    "unknown behind a relay": (relayed(None), None),
    "local": (record(envelope=replace(ENVELOPE, client_address=None), verdict=None), None),
}


@pytest.mark.parametrize(("found", "source"), SOURCES.values(), ids=SOURCES.keys())
def test_sources(found: MessageRecord, source: bytes | None) -> None:
    assert told(found)["source"] == source


def test_counts_are_those_of_the_rows(url: DatabaseUrl, engine: Engine) -> None:
    rows = mail()
    insert(url, rows[:35])
    insert(url, rows[35:])
    found = counts(engine)
    assert found == expected(rows)
    assert sum(each[-1] for each in found["hours"]) == len(rows)
    assert {each[0] % HOUR for each in found["hours"]} == {0}
    judged = [each for each in rows if each["spf"] is not None]
    assert sum(each[-1] for each in found["results"]) == 4 * len(judged)


def test_what_is_written_again_is_counted_once(url: DatabaseUrl, engine: Engine) -> None:
    """The answer to a commit got lost: the batch comes again, with more behind it."""
    rows = mail()
    insert(url, rows[:35])
    insert(url, rows)
    insert(url, rows[10:20])
    assert counts(engine) == expected(rows)


def test_a_batch_that_is_refused_counts_nothing(url: DatabaseUrl, engine: Engine) -> None:
    rows = mail(10)
    with pytest.raises(insertion.RefusedError):
        insert(url, [*rows[:9], {**rows[9], "reason": None}])
    assert counts(engine) == expected([])


def test_messages_and_the_counts_of_their_days_are_forgotten(url: DatabaseUrl, engine: Engine) -> None:
    now = time.time()
    ages = (0, 5, 40, 390, 500)
    insert(url, [as_row(record(time=now - age * 86_400), f"u{age}") for age in ages])
    assert upkeep.keep_up(engine, 30) == 3
    found = counts(engine)
    assert [len(found[name]) for name in ("days", "hours")] == [2, 4]
    assert upkeep.keep_up(engine, 0) == 0, "0 days means for ever"
    assert counts(engine) == found


def test_rows_of_version_3_are_filled_while_new_ones_are_written(url: DatabaseUrl, engine: Engine) -> None:
    rows = mail()
    make_old(engine, rows[:50])
    schema.prepare(engine)
    insert(url, rows[50:])
    assert fill(engine, piece=7) == 50
    assert derived(engine) == as_derived(rows)
    assert counts(engine) == expected(rows)
    assert fill(engine) == 0
    indexes = {each["name"] for each in sa.inspect(engine).get_indexes("messages")}
    assert indexes == {str(each.name) for each in schema.messages.indexes}


def test_upkeep_by_hand_beside_a_service_that_writes(url: DatabaseUrl, engine: Engine) -> None:
    """`prune` reads before it writes: another's batch between the two must not end it."""
    rows = mail()
    insert(url, rows[:30])
    by_hand = open_engine(url, create=False)
    with by_hand.begin() as connection:
        connection.execute(sa.select(schema.messages.c.uid)).all()
        other = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0)
        with contextlib.closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("DELETE FROM messages")
        connection.execute(schema.messages.delete())
    assert find(engine, Criteria(since=0.0), 100) == []
    by_hand.dispose()


class KilledError(Exception):
    pass


def test_filling_goes_on_where_it_was_killed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mail()
    make_old(engine, rows)
    schema.prepare(engine)
    real, calls = rollups.counted, iter(range(100))

    def counted(rows: Any) -> Any:
        """The rows of the third piece are changed, and not counted yet."""
        if next(calls) == 2:
            raise KilledError
        return real(rows)

    monkeypatch.setattr("dmarc_milter.journal.filling.counted", counted)
    with pytest.raises(KilledError):
        fill(engine, piece=7)
    assert sum(each[-1] for each in counts(engine)["hours"]) == 14
    assert fill(engine, piece=7) == len(rows) - 14
    assert counts(engine) == expected(rows)
    assert derived(engine) == as_derived(rows)


FILLING = """
import sys
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.filling import fill

fill(open_engine(sys.argv[1], create=False), piece=20)
"""


def test_filling_goes_on_after_sigkill(url: DatabaseUrl, engine: Engine) -> None:
    rows = mail(1_000)
    make_old(engine, rows)
    schema.prepare(engine)
    process = subprocess.Popen([sys.executable, "-c", FILLING, url], cwd=Path(__file__).parents[2])
    wait_for(lambda: counts(engine)["hours"], "the first piece")
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 0 < fill(engine) < len(rows)
    assert counts(engine) == expected(rows)
    assert derived(engine) == as_derived(rows)


def test_whoever_is_behind_a_relay_is_found(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, [as_row(relayed(bytes([203, 0, 113, 9])), "u1"), as_row(record(), "u2")])
    networks = {"203.0.113.9": 1, "203.0.113.0/24": 1, "192.0.2.0/24": 1, "198.51.100.0/24": 0, "::/0": 2}
    for network, count in networks.items():
        assert len(find(engine, Criteria(client=ipaddress.ip_network(network)), 10)) == count, network


QUESTIONS = {
    "queue id": lambda engine: find(engine, Criteria(queue_ids=("A",)), 10),
    "message id": lambda engine: find(engine, Criteria(message_id="<b@x>"), 10),
    "From": lambda engine: find(engine, Criteria(author_domain="example.com"), 10),
    "From, since": lambda engine: find(engine, Criteria(author_domain="example.com", since=NOW), 10),
    "address": lambda engine: find(engine, Criteria(client=ipaddress.ip_network("192.0.2.7")), 10),
    "network": lambda engine: find(engine, Criteria(client=ipaddress.ip_network("198.51.100.0/24")), 10),
    "since": lambda engine: find(engine, Criteria(since=NOW), 10),
    "what-if": lambda engine: refused(engine, Period(NOW, NOW + 1e6)),
    "judged": lambda engine: reader.judged(engine, NOW + 100),
    "unfilled": fill,
}


@pytest.mark.parametrize("since", [0.0, NOW, NOW + 1_234.5, NOW + 40 * HOUR])
def test_what_each_mode_judged_is_counted(engine: Engine, url: DatabaseUrl, since: float) -> None:
    rows = [{**each, "mode": ("monitor", "enforce")[number % 2]} for number, each in enumerate(mail())]
    insert(url, rows)
    judged = Counter(each["mode"] for each in rows if each["spf"] is not None and each["time"] >= since)
    assert +reader.judged(engine, since) == judged


def test_what_was_judged_is_forgotten_with_the_records(engine: Engine, url: DatabaseUrl) -> None:
    """Else `what-if` would hold few refusals against the mail of a year."""
    rows = [{**each, "mode": "monitor"} for each in mail()]
    insert(url, rows)
    kept = [each for each in rows if each["time"] >= NOW + 10_000]
    with engine.begin() as connection:
        connection.execute(schema.messages.delete().where(schema.messages.c.time < NOW + 10_000))
    assert reader.judged(engine, 0.0) == {"monitor": len([each for each in kept if each["spf"] is not None])}


PARTIAL = tuple(
    str(each.name) for each in schema.messages.indexes if each.dialect_options["sqlite"]["where"] is not None
)
"""What is in these is little."""


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
@pytest.mark.parametrize("is_analyzed", [False, True])
def test_no_question_reads_the_whole_table(engine: Engine, url: DatabaseUrl, question: Any, is_analyzed: bool) -> None:
    insert(url, mail(500))
    if is_analyzed:
        upkeep.keep_up(engine, 0)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    question(engine)
    queries = [each for each in asked if each[0].startswith("SELECT") and "FROM messages" in each[0]]
    assert queries
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for statement, parameters in queries:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            steps = [step[3] for step in plan]
            assert not [each for each in steps if each.startswith("SCAN messages") and not each.endswith(PARTIAL)], (
                steps
            )
