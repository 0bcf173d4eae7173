"""The journal kept: its upkeep as a process, its file, what other versions and other databases are, a writer that is behind."""

import io
import json
import os
import sqlite3
import stat
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.columns.table import told
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.journal import database, insertion, schema, seen_lists, upkeep, writer
from dmarc_milter.journal.criteria import Criteria
from dmarc_milter.journal.database import DatabaseError, open_engine, open_for_both, open_for_reading
from dmarc_milter.journal.dividing import divide
from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.journal.locking import is_busy
from dmarc_milter.journal.partitions import forget, keep_ahead
from dmarc_milter.journal.preparation import connect_prepared, prepare_local
from dmarc_milter.journal.reader import find, rejudged
from dmarc_milter.journal.reported import reported
from dmarc_milter.journal.row import VERSION
from dmarc_milter.journal.schema import PARTITIONED, SchemaError
from dmarc_milter.journal.seen_lists import SeenLists
from dmarc_milter.journal.writer import Writer
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.verdict import Action, Disposition
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.journal import JournalSection
from tests.support.records import NOW, as_row, fill, record
from tests.support.reports import row
from tests.support.verdicts import verdict

ALL = Criteria(since=0.0)


# Its upkeep


def run_upkeep(monkeypatch: pytest.MonkeyPatch, **wanted: Any) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"keep_days": None, "report_days": 30} | wanted)))
    return upkeep.main()


def uids(url: str) -> list[str]:
    engine = open_engine(url, create=False)
    found = sorted(each["uid"] for each in find(engine, ALL, 10))
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("keep_days", "left"), [(None, ["u0", "u1"]), (0, ["u0", "u1"]), (10, ["u0", "u1"]), (1, ["u1"])]
)
def test_upkeep_makes_the_tables_and_forgets_what_is_old(
    url: DatabaseUrl,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keep_days: float | None,
    left: list[str],
) -> None:
    assert run_upkeep(monkeypatch, database=url) == 0
    opened = insertion.connect(url)
    opened.insert([as_row(record(time=time.time() - 3 * 86_400), "u0"), as_row(record(time=time.time()), "u1")])
    opened.close()
    assert run_upkeep(monkeypatch, database=url, keep_days=keep_days) == 0
    assert uids(url) == left
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["mysql://x/y", "sqlite:////dev/null/x.sqlite"])
def test_upkeep_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert run_upkeep(monkeypatch, database=text) == 1
    assert capsys.readouterr().out.count("\n") == 1


class LockNotFree(Exception):  # noqa: N818 - as the driver names it
    pgcode = "55P03"


@pytest.mark.parametrize(("reason", "is_raised"), [(LockNotFree(), False), (Exception("disk full"), True)])
def test_upkeep_goes_on_where_a_table_is_not_free(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, reason: Exception, is_raised: bool
) -> None:
    error = sa.exc.OperationalError("DROP TABLE", {}, reason)

    def fails(*_: object) -> int:
        raise error

    monkeypatch.setattr(upkeep, "forget_messages", fails)
    assert is_busy(error) is not is_raised
    if is_raised:
        with pytest.raises(sa.exc.OperationalError):
            upkeep.keep_up(engine, 1)
    else:
        assert upkeep.keep_up(engine, 1) == 0


def test_sqlite_has_no_partitions(engine: Engine) -> None:
    fill(engine, record())
    for each in PARTITIONED:
        divide(engine, each, NOW)
        keep_ahead(engine, each, NOW)
        assert forget(engine, each, NOW + 1) == 0
    assert len(find(engine, ALL, 10)) == 1


def test_tables_that_cannot_be_made_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError, match="file"):
        connect_prepared(f"sqlite:///{tmp_path}/file/journal.sqlite")


@pytest.mark.parametrize(
    ("is_enabled", "name", "is_made"),
    [(True, "journal.sqlite", True), (False, "journal.sqlite", False), (True, "no/such/folder", False)],
)
def test_a_file_is_prepared_before_workers_need_it(tmp_path: Path, is_enabled: bool, name: str, is_made: bool) -> None:
    settings = JournalSection(enabled=is_enabled, database=DatabaseUrl(f"sqlite:///{tmp_path}/{name}"))
    prepare_local(settings)
    assert (tmp_path / name).exists() is is_made


def test_a_server_is_left_to_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_local(JournalSection(database=DatabaseUrl("postgresql://nobody@127.0.0.1:1/x")))


# Its file


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_file_of_another_mode_is_given_ours(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "journal.sqlite"
    path.touch()
    path.chmod(mode)
    open_engine(f"sqlite:///{path}", create=True).dispose()
    assert stat.S_IMODE(path.stat().st_mode) == database.FILE_MODE


@pytest.mark.parametrize(
    ("may_read", "said", "why"),
    [
        (True, "attempt to write a readonly database", "the service was killed while it wrote"),
        (True, "disk I/O error", "disk I/O error"),
        (False, "unable to open database file", "Permission denied. Run this with sudo"),
    ],
)
def test_why_a_file_cannot_be_read(
    url: DatabaseUrl, engine: Engine, monkeypatch: pytest.MonkeyPatch, may_read: bool, said: str, why: str
) -> None:
    class Broken:
        def execute(self, statement: str) -> None:
            raise sqlite3.OperationalError(said)

        def close(self) -> None:
            pass

    monkeypatch.setattr(os, "access", lambda *_: may_read)
    monkeypatch.setattr(database.sqlite3, "connect", lambda *_, **__: Broken())  # type: ignore[attr-defined]
    with pytest.raises(DatabaseError, match=why):
        open_for_reading(url).connect()


def test_a_server_has_one_engine_for_both() -> None:
    reading, writing = open_for_both("postgresql://nobody@127.0.0.1:1/x")
    assert reading is writing
    assert reading.url.drivername == "postgresql+psycopg2"
    reading.dispose()


# Versions


@pytest.mark.parametrize(
    ("version", "why"),
    [(VERSION + 1, "this program knows"), (VERSION - 1, "brings it up to date when it is restarted")],
)
def test_whoever_reads_and_writes_says_that_the_version_is_another(
    engine: Engine, url: DatabaseUrl, version: int, why: str
) -> None:
    with engine.begin() as connection:
        connection.execute(schema.version_table.update().values(version=version))
    with pytest.raises(SchemaError, match=why):
        schema.check(engine)
    with pytest.raises(UnreachableError):
        insertion.connect(url)


def test_a_database_without_tables_is_none_yet(tmp_path: Path) -> None:
    empty = open_engine(f"sqlite:///{tmp_path}/empty.sqlite", create=True)
    with pytest.raises(SchemaError, match="it has no tables yet"):
        schema.check(empty)
    empty.dispose()


# What is read


FINE = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL()))


@pytest.mark.parametrize(("needs_all", "found"), [(True, ["u0", "u1"]), (False, ["u0"])])
def test_only_what_may_change_is_judged_again(engine: Engine, needs_all: bool, found: list[str]) -> None:
    passes = record("P", verdict=verdict("pass", "reject"), disposition=FINE)
    fill(engine, record("F"), passes)
    assert [each["uid"] for each in rejudged(engine, 0.0, needs_all=needs_all)] == found


@pytest.mark.parametrize(
    ("dmarc", "is_told"), [("pass", True), ("temperror", True), ("permerror", False), ("none", False)]
)
def test_which_results_are_reported(dmarc: str, is_told: bool) -> None:
    assert (reported(row(dmarc=dmarc)) is not None) is is_told


def test_no_more_lists_are_joined_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_lists, "MAX_LISTS", 1)
    first, second = SeenLists(), SeenLists()
    for each in ("a.example", "b.example"):
        found = first._list(each)
        text = seen_lists.SeenList(each).text() if found is None else found.text()
        second.join(each, text)
    assert [each.list_id for each in second.ranked()] == ["a.example"]


# A writer


def test_a_writer_takes_so_many_at_once_and_the_rest_with_the_next(
    url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH", 3)
    noted: Counter[str] = Counter()
    batches: list[int] = []

    def note(outcome: str, count: int) -> None:
        noted[outcome] += count
        batches.append(count)

    one = Writer(JournalSection(database=url), 0, note, counts_for_reports=True)
    for number in range(8):
        one.put(told(record(f"4X{number}")))
    one.start()
    one.close(60)
    assert noted == {"written": 8}
    assert batches == [3, 3, 2]
    assert one.waiting == 0
