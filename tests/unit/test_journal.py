"""The journal: written beside the mail, read back, kept in shape."""

import contextlib
import errno
import ipaddress
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.arc.results import MethodResult, SealedResults
from dmarc_milter.cli.main import main
from dmarc_milter.columns.table import told
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.explaining.rejudging import Rejudging
from dmarc_milter.journal import advice, insertion, schema, upkeep
from dmarc_milter.journal import seen_lists as module_of_lists
from dmarc_milter.journal import what_if as module_of_what_if
from dmarc_milter.journal.database import DatabaseError, open_engine, open_for_reading
from dmarc_milter.journal.reader import (
    Criteria,
    failing_list_mail,
    find,
    judged,
)
from dmarc_milter.journal.reader import (
    refused as refused_rows,
)
from dmarc_milter.journal.row import COLUMNS, JSON_COLUMNS, VERSION, row
from dmarc_milter.journal.seen_lists import seen_lists, setting
from dmarc_milter.journal.story import story
from dmarc_milter.journal.upkeep import prune
from dmarc_milter.journal.what_if import Method, network_of, refused, sealers_setting
from dmarc_milter.journal.writer import Writer
from dmarc_milter.judging.policy import Mode, decide, vouching_sealer
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.site import policy_settings, trusted_lists
from dmarc_milter.judging.verdict import Action, Disposition, Envelope, SpfFinding, SpfIdentity
from dmarc_milter.message.mailing_list import MailingList, list_pattern
from dmarc_milter.settings import config
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.spf.evaluation import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from dmarc_milter.telemetry.metrics import WorkerMetrics
from tests.support.waiting import wait_for
from tests.unit.test_policy import verdict

NOW = 1_800_000_000.0
ENVELOPE = Envelope(bytes([192, 0, 2, 7]), "h.example", "joe@sender.example")
FAILS = PolicyReason.DMARC_FAIL(because=DmarcReason.NOTHING_AUTHENTICATED(), domain="sender.example", policy="reject")
REFUSED = Disposition(Action.REJECT, Action.REJECT, FAILS)
SPARED = Disposition(Action.ACCEPT, Action.REJECT, FAILS)


def record(queue_id: str = "4X1", **changed: Any) -> MessageRecord:
    found = MessageRecord(
        NOW, queue_id, "<1@sender.example>", ENVELOPE, Mode.ENFORCE, REFUSED, verdict("fail", "reject")
    )
    return replace(found, **changed)


def as_row(found: MessageRecord, uid: str = "u") -> dict[str, Any]:
    return row(told(found), uid=uid, host="mx", worker_number=0, addresses=False)


@pytest.fixture
def settings(tmp_path: Path) -> JournalSection:
    return JournalSection(database=DatabaseUrl(f"sqlite:///{tmp_path}/j/journal.sqlite"))


@pytest.fixture
def engine(settings: JournalSection) -> Iterator[Engine]:
    opened = open_engine(settings.database, create=True)
    schema.prepare(opened)
    yield opened
    opened.dispose()


def write(settings: JournalSection, records: list[MessageRecord]) -> list[tuple[str, int]]:
    notes: list[tuple[str, int]] = []
    writer = Writer(settings, 0, lambda outcome, count: notes.append((outcome, count)))
    writer.start()
    for each in records:
        writer.put(told(each))
    writer.close(30)
    return notes


def test_what_is_put_is_found(settings: JournalSection) -> None:
    notes = write(settings, [record(f"4X{number}", time=NOW + number) for number in range(1200)])
    assert sum(count for outcome, count in notes if outcome == "written") == 1200
    reading = open_engine(settings.database, create=False)
    (found,) = find(reading, Criteria(queue_ids=("4X77",)), 10)
    assert found["author_domain"] == "example.com"
    assert found["mail_from"] == "sender.example", "no local part unless asked for"
    assert find(reading, Criteria(queue_ids=("4Y",)), 10) == []


def test_the_file_is_for_its_group_alone(settings: JournalSection) -> None:
    old = os.umask(0)
    try:
        write(settings, [record()])
    finally:
        os.umask(old)
    path = Path(settings.database.removeprefix("sqlite:///"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert all(not stat.S_IMODE(each.stat().st_mode) & 0o007 for each in path.parent.iterdir())


def as_member_of_its_group(path: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run Python as somebody who may read the file and its folder by their group, and nothing else."""
    path.parent.chmod(0o550)
    become = ""
    if os.geteuid() == 0:
        nobody = 65534
        for each in (path, path.parent):
            os.chown(each, -1, nobody)
        for folder in path.parent.parents[:-1]:
            folder.chmod(folder.stat().st_mode | 0o001)
        become = f"import os; os.setgroups([{nobody}]); os.setgid({nobody}); os.setuid({nobody});"
    return subprocess.run(
        [sys.executable, "-c", become + command],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


FIND = (
    "from dmarc_milter.journal.database import open_for_reading; from dmarc_milter.journal.reader import find, Criteria;"
    "print(len(find(open_for_reading('{url}'), Criteria(since=0.0), 10)))"
)


@pytest.mark.parametrize("last", ["the writer", "prune", "a reader"])
def test_its_group_reads_it_whoever_had_it_open_last(last: str, open_folder: Path) -> None:
    """In a folder of its own: those of pytest are closed to others whenever a run begins."""
    settings = JournalSection(database=DatabaseUrl(f"sqlite:///{open_folder}/j/journal.sqlite"))
    write(settings, [record()])
    path = Path(settings.database.removeprefix("sqlite:///"))
    if last == "prune":
        engine = open_engine(settings.database, create=False)
        assert upkeep.prune_all(engine, 36_500) == 0
        engine.dispose()
    elif last == "a reader":
        engine = open_for_reading(settings.database)
        assert len(find(engine, Criteria(since=0.0), 10)) == 1
        engine.dispose()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    done = as_member_of_its_group(path, FIND.format(url=settings.database))
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_it_is_read_while_it_is_written(settings: JournalSection) -> None:
    writer = Writer(settings, 0, lambda outcome, count: None)
    writer.start()
    for number in range(2):
        writer.put(told(record(f"4X{number}")))
        reading = open_engine(settings.database, create=True)
        wait_for(lambda: writer.waiting == 0, "the journal")
        reading.dispose()
        assert len(find(open_for_reading(settings.database), Criteria(since=0.0), 10)) == number + 1
    writer.close(30)


def test_who_may_not_read_it_is_told_what_to_do(settings: JournalSection, monkeypatch: pytest.MonkeyPatch) -> None:
    write(settings, [record()])
    path = Path(settings.database.removeprefix("sqlite:///"))
    path.chmod(0)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Unreadable())
    with pytest.raises(DatabaseError, match=r"Permission denied. Run this with sudo, or join the group"):
        open_for_reading(settings.database).connect()


class Unreadable:
    def execute(self, statement: str) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    def close(self) -> None:
        pass


def test_trouble_and_recovery_are_told(settings: JournalSection, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="dmarc_milter")
    path = Path(settings.database.removeprefix("sqlite:///"))
    path.parent.mkdir()
    path.mkdir()
    states: list[bool] = []
    notes: list[tuple[str, int]] = []
    writer = Writer(replace(settings, queue=1), 0, lambda outcome, count: notes.append((outcome, count)), states.append)
    writer.start()
    writer.put(told(record()))
    wait_for(lambda: states == [False], "the trouble")
    wait_for(lambda: writer.waiting == 1, "the record in hand")
    writer.put(told(record()))
    wait_for(lambda: writer.waiting == 2, "the record that waits")
    writer.put(told(record()))
    path.rmdir()
    wait_for(lambda: states == [False, True], "the recovery")
    assert sum(count for outcome, count in notes if outcome == "written") == 2, "it is told when nothing waits any more"
    writer.close(30)
    assert ("dropped", 1) in notes
    assert "1 records were dropped meanwhile" in caplog.text


def test_addresses_are_kept_where_the_settings_say_so(settings: JournalSection) -> None:
    write(replace(settings, addresses=True), [record()])
    (found,) = find(open_engine(settings.database, create=False), Criteria(queue_ids=("4X1",)), 1)
    assert found["mail_from"] == "joe@sender.example"


def test_octets_of_senders_are_made_harmless(settings: JournalSection) -> None:
    hostile = replace(ENVELOPE, helo="a\0b\x1b[31m\udcff", mail_from="x\n@y\0")
    write(settings, [record("4X'; drop table messages; --", envelope=hostile, message_id="<\0\udc80>")])
    (found,) = find(open_engine(settings.database, create=False), Criteria(since=0.0), 1)
    assert (found["helo"], found["mail_from"]) == ("a?b?[31m?", "y?")
    assert "\x1b" not in "".join(line.text for line in story(found, is_held=False))


FULL_DISK = """
import logging, resource, sys, time
from dataclasses import replace
from dmarc_milter.columns.table import told
from dmarc_milter.journal.writer import Writer
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.journal import JournalSection
from tests.support.waiting import wait_for
from tests.unit.test_journal import record

logging.basicConfig(level="ERROR")
path = sys.argv[1]
states = []
writer = Writer(JournalSection(database=DatabaseUrl(f"sqlite:///{path}")), 0, lambda *_: None, states.append)
writer.start()
writer.put(told(record()))
wait_for(lambda: writer.waiting == 0, "the first record")
# No file may become larger: what a full disk says, too.
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
for number in range(40):
    writer.put(told(record(f"4X{number}")))
wait_for(lambda: states == [False], "the trouble")
for number in range(3):
    writer.put(told(record(f"4Y{number}")))
writer.close(1)
"""


def test_a_stop_says_what_could_not_be_written(settings: JournalSection) -> None:
    path = settings.database.removeprefix("sqlite:///")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"ERROR:dmarc_milter:journal: 43 records could not be written \(.*(full|I/O error).*\)", last)


def test_what_is_counted_is_there_from_the_start() -> None:
    """An alert on an increase sees none where the first value is not 0."""
    (family,) = WorkerMetrics()._journal._counter.collect()
    found = {each.labels["outcome"]: each.value for each in family.samples if each.name.endswith("_total")}
    assert found == {"written": 0.0, "dropped": 0.0}


def test_too_many_are_dropped_and_counted(settings: JournalSection, caplog: pytest.LogCaptureFixture) -> None:
    notes: list[tuple[str, int]] = []
    writer = Writer(replace(settings, queue=100), 0, lambda outcome, count: notes.append((outcome, count)))
    for _ in range(150):
        writer.put(told(record()))
    assert notes == [("dropped", 1)] * 50


def test_a_database_that_comes_back_gets_everything_once(settings: JournalSection) -> None:
    folder = Path(settings.database.removeprefix("sqlite:///")).parent
    folder.parent.joinpath("j").write_text("a file is in the way of the folder")
    notes: list[tuple[str, int]] = []
    writer = Writer(settings, 0, lambda outcome, count: notes.append((outcome, count)))
    writer.start()
    for number in range(300):
        writer.put(told(record(f"4X{number}")))
    assert notes == []
    folder.unlink()
    wait_for(lambda: sum(count for _, count in notes) == 300, "the records to be written")
    writer.close(10)
    assert len(find(open_engine(settings.database, create=False), Criteria(since=0.0), 1000)) == 300


def test_a_row_that_the_database_refuses_holds_up_no_other(
    settings: JournalSection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dmarc_milter.journal import writer as module

    def row_of(found: dict[str, Any], **more: Any) -> dict[str, Any]:
        made = row(found, **more)
        return {**made, "reason": None} if found["queue_id"] == "4X70" else made

    monkeypatch.setattr(module, "row", row_of)
    notes = write(settings, [record(f"4X{number}") for number in range(100)])
    assert sum(count for outcome, count in notes if outcome == "written") == 99
    assert [count for outcome, count in notes if outcome == "dropped"] == [1]


def test_writing_twice_makes_one_row(engine: Engine) -> None:
    from sqlalchemy.dialects import sqlite

    insert = sqlite.insert(schema.messages).on_conflict_do_nothing()
    for _ in range(2):
        with engine.begin() as connection:
            connection.execute(insert, [as_row(record())])
    assert len(find(engine, Criteria(since=0.0), 10)) == 1


def fill(engine: Engine, *records: MessageRecord) -> None:
    database = insertion.connect(f"sqlite:///{engine.url.database}")
    database.insert([as_row(each, f"u{n}") for n, each in enumerate(records)])
    database.close()


CRITERIA = {
    "queue id": (Criteria(queue_ids=("A",)), ["A"]),
    "message id": (Criteria(message_id="<b@x>"), ["B"]),
    "From": (Criteria(author_domain="example.com"), ["C", "B", "A"]),
    "another From": (Criteria(author_domain="x.example"), []),
    "client": (Criteria(client=ipaddress.ip_network("192.0.2.7")), ["C", "A"]),
    "client's network": (Criteria(client=ipaddress.ip_network("198.51.100.0/24")), ["B"]),
    "since": (Criteria(since=NOW + 1), ["C", "B"]),
    "all of it": (Criteria(since=NOW + 1, client=ipaddress.ip_network("192.0.2.0/24")), ["C"]),
}


@pytest.mark.parametrize(("criteria", "found"), CRITERIA.values(), ids=CRITERIA.keys())
def test_finding(engine: Engine, criteria: Criteria, found: list[str]) -> None:
    other = replace(ENVELOPE, client_address=bytes([198, 51, 100, 7]))
    fill(
        engine,
        record("A"),
        record("B", time=NOW + 1, message_id="<b@x>", envelope=other),
        record("C", time=NOW + 2, message_id=None),
    )
    assert [each["queue_id"] for each in find(engine, criteria, 10)] == found


def test_records_wait_while_no_process_can_be_started(
    settings: JournalSection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are made by a process of its own; a system at its limit has none."""
    real, tries = subprocess.Popen, iter(range(100))

    def popen(*arguments: object, **options: object) -> object:
        if next(tries) < 3:
            raise OSError(errno.EAGAIN, "no more processes")
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", popen)
    notes: list[tuple[str, int]] = []
    writer = Writer(settings, 0, lambda outcome, count: notes.append((outcome, count)))
    writer.start()
    writer.put(told(record()))
    writer.close(20)
    assert notes == [("written", 1)]


def test_the_rows_of_workers_fill_every_column() -> None:
    """Workers write without SQLAlchemy, and must not fall behind the table."""
    assert set(COLUMNS) == {column.name for column in schema.messages.columns}
    assert set(JSON_COLUMNS) == {each.name for each in schema.messages.columns if isinstance(each.type, sa.JSON)}


def test_old_records_are_forgotten(engine: Engine) -> None:
    day = 86_400
    fill(engine, *(record(time=time.time() - age * day) for age in (0, 5, 40, 50)))
    assert prune(engine, 30, 1) == 1
    assert prune(engine, 30, 100) == 1
    assert prune(engine, 30, 100) == 0
    assert len(find(engine, Criteria(since=0.0), 10)) == 2


def test_pruning_goes_on_batch_by_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PRUNE_ROWS", 2)
    monkeypatch.setattr(upkeep, "PAUSE_SECONDS", 0)
    fill(engine, *(record(time=1000.0 + number) for number in range(5)))
    assert upkeep.prune_all(engine, 0) == 0, "0 days means for ever"
    assert upkeep.prune_all(engine, 30) == 5
    assert find(engine, Criteria(since=0.0), 10) == []


def test_pruning_a_journal_that_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The package's timer asks every day, and must not fail every day."""
    config = tmp_path / "filter.toml"
    config.write_text(f'[journal]\nenabled = false\ndatabase = "sqlite:///{tmp_path}/none.sqlite"\n')
    assert main(["prune", "--config", str(config)]) == 0
    assert "no journal is kept" in capsys.readouterr().out


def test_an_older_journal_is_brought_up_to_date(engine: Engine) -> None:
    fill(engine, record())

    def add_column(connection: Connection) -> None:
        connection.execute(sa.text("alter table messages add column extra text"))

    newer = VERSION + 1
    schema.prepare(engine, newer, {VERSION: add_column})
    schema.prepare(engine, newer, {VERSION: add_column})
    with engine.connect() as connection:
        assert connection.execute(sa.text("select version from journal_version")).scalar() == newer
        assert connection.execute(sa.text("select extra from messages")).all() == [(None,)]


VERSION_1 = """
CREATE TABLE journal_version (version INTEGER NOT NULL);
INSERT INTO journal_version VALUES (1);
CREATE TABLE messages (
    uid VARCHAR(40) NOT NULL PRIMARY KEY, time FLOAT NOT NULL, host VARCHAR(255) NOT NULL, worker INTEGER NOT NULL,
    queue_id VARCHAR(64) NOT NULL, message_id VARCHAR(250), client VARCHAR(45), outer_client VARCHAR(45),
    helo VARCHAR(255) NOT NULL, mail_from VARCHAR(320) NOT NULL, author_domain VARCHAR(253), spf VARCHAR(16),
    spf_domain VARCHAR(253), spf_reason TEXT, dkim JSON, arc VARCHAR(16), arc_reason TEXT, arc_sealers JSON,
    list_id VARCHAR(253), dmarc VARCHAR(16), dmarc_reason TEXT, published_policy VARCHAR(16), policy VARCHAR(16),
    policy_domain VARCHAR(253), alignments JSON, mode VARCHAR(16) NOT NULL, action VARCHAR(16) NOT NULL,
    wanted VARCHAR(16) NOT NULL, override VARCHAR(32), rule VARCHAR(64), comment TEXT, reason TEXT NOT NULL,
    reply TEXT, seconds FLOAT NOT NULL, seconds_waited FLOAT NOT NULL
);
INSERT INTO messages (uid, time, host, worker, queue_id, helo, mail_from, list_id, spf, spf_domain, dmarc, policy,
                      mode, action, wanted, reason, seconds, seconds_waited)
VALUES ('old', 1800000000, 'mx', 0, '4W1', 'h', 'x', 'dev.lists.example', 'pass', 'lists.example', 'fail', 'reject',
        'monitor', 'accept', 'reject', 'dmarc=fail', 0, 0);
"""


@pytest.fixture
def old_journal(settings: JournalSection) -> JournalSection:
    """As the first version of the program left it."""
    path = Path(settings.database.removeprefix("sqlite:///"))
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
    return settings


def test_a_journal_of_version_1_is_written_on(old_journal: JournalSection) -> None:
    assert write(old_journal, [record("4X1")]) == [("written", 1)]
    reading = open_engine(old_journal.database, create=False)
    new, old = find(reading, Criteria(since=0.0), 10)[0], find(reading, Criteria(queue_ids=("4W1",)), 10)[0]
    assert set(new) == set(old) == set(COLUMNS) - {"source"}
    assert [each.list_id for each in seen_lists(failing_list_mail(reading, 0.0))] == ["dev.lists.example"]


TO_VERSION_2 = """
ALTER TABLE messages ADD COLUMN from_reason TEXT;
ALTER TABLE messages ADD COLUMN list_has_address BOOLEAN;
UPDATE journal_version SET version = 2;
"""


def test_a_journal_of_version_2_is_written_on_and_its_rows_are_read(
    old_journal: JournalSection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of its rows nobody knows the codes."""
    with contextlib.closing(sqlite3.connect(old_journal.database.removeprefix("sqlite:///"))) as connection:
        connection.executescript(TO_VERSION_2)
    assert write(old_journal, [record("4X1")]) == [("written", 1)]
    reading = open_for_reading(old_journal.database)
    new, old = find(reading, Criteria(queue_ids=("4X1",)), 10)[0], find(reading, Criteria(queue_ids=("4W1",)), 10)[0]
    assert (new["spf_code"], new["dmarc_code"], new["reason_code"]) == (
        "no-client",
        "nothing-authenticated",
        "dmarc-fail",
    )
    assert {name for name, value in old.items() if name.endswith("_code") and value is not None} == set()
    reading.dispose()
    for command in (["trace", "4W1"], ["trace", "4W1", "--json"], ["what-if", "--days", "9999"]):
        main([*command, "--journal", old_journal.database])
        assert "lists.example" in capsys.readouterr().out


def test_a_journal_of_version_1_that_nobody_has_written_on_yet(
    old_journal: JournalSection, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", "4W1", "--journal", old_journal.database]) == 2
    assert "brings it up to date when it is restarted" in capsys.readouterr().err


def test_a_newer_journal_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(schema.version_table.update().values(version=99))
    with pytest.raises(schema.SchemaError, match="version 99"):
        schema.prepare(engine)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "no database URL"),
        ("mysql://x/y", "neither sqlite nor postgresql"),
        ("sqlite://", "needs the path"),
        ("sqlite:////nowhere/at/all.sqlite", "no such file"),
    ],
)
def test_databases_that_cannot_be(url: str, why: str) -> None:
    with pytest.raises(DatabaseError, match=why):
        open_engine(url, create=False)


def by_list(number: int) -> MessageRecord:
    spf = SpfFinding(
        Check(SpfResult.PASS, SpfReason.TERM_MATCHED(term="all", domain="a.example")),
        SpfIdentity.MAIL_FROM,
        "lists.example",
    )
    return record(f"L{number}", mode=Mode.MONITOR, disposition=SPARED, verdict=verdict("fail", "reject", spf=spf))


def sent_on(queue_id: str, signer: str = "fwd.example", **changed: Any) -> MessageRecord:
    """What the Author Domain signed, changed and signed again by somebody else."""
    signatures = (
        SignatureResult(DkimResult.FAIL, DkimReason.BODY_CHANGED(), "example.com"),
        SignatureResult(DkimResult.PASS, None, signer),
    )
    found = verdict("fail", "reject", signatures=signatures)
    return record(queue_id, **{"mode": Mode.MONITOR, "disposition": SPARED, "verdict": found, **changed})


def test_what_if(engine: Engine) -> None:
    """Each message by its own best identifier; rules only where somebody sent on what the Author Domain had signed."""
    elsewhere = replace(ENVELOPE, client_address=bytes([203, 0, 113, 9]))
    signed = verdict("fail", "reject", signatures=(SignatureResult(DkimResult.PASS, None, "crook.example"),))
    fine = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL()))
    fill(
        engine,
        by_list(1),
        by_list(2),
        record("S", mode=Mode.MONITOR, disposition=SPARED, envelope=elsewhere),
        record("enforced"),
        record("fine", mode=Mode.MONITOR, disposition=fine),
        record("signed", mode=Mode.MONITOR, disposition=SPARED, verdict=signed, envelope=Envelope(None, "", "")),
        sent_on("F1"),
        sent_on("F2", envelope=elsewhere, time=NOW + 1),
        sent_on("F3", time=NOW + 2),
    )
    assert judged(engine, 0.0) == {"monitor": 8, "enforce": 1}
    found = refused(refused_rows(engine, 0.0))
    assert found.totals == {("monitor", "reject"): 7, ("enforce", "reject"): 1}
    assert found.others == 0
    assert [(each.method, each.identifier, each.count) for each in found.groups] == [
        (Method.DKIM, "fwd.example", 3),
        (Method.NOBODY, "", 2),
        (Method.SPF, "lists.example", 2),
        (Method.DKIM, "crook.example", 1),
    ]
    forwarder, nobody, of_a_list, phisher = found.groups
    assert forwarder.networks == {"192.0.2.0/24": 2, "203.0.113.0/24": 1}
    assert forwarder.examples == ["F1", "F2", "F3"]
    assert forwarder.rule is not None
    assert 'dkim_domain = ["fwd.example"]' in forwarder.rule
    assert nobody.rule is None, "nothing authenticated: a rule for it would let anybody in"
    assert nobody.modes == {"monitor": 1, "enforce": 1}
    assert of_a_list.rule is None, "lists are named in trusted_lists"
    assert phisher.rule is None, "it is itself, in somebody else's name"
    assert phisher.condition == 'dkim_domain = ["crook.example"]'


def test_every_message_counts_however_many_groups_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers choose the names; a group that is large stays, and what gives way is summed up."""
    monkeypatch.setattr(module_of_what_if, "MAX_GROUPS", 10)
    rows = []
    for number in range(400):
        spoofed = verdict("fail", "reject", spf=replace(verdict("fail", "reject").spf, domain=f"d{number}.example"))
        passed = replace(spoofed.spf, check=Check(SpfResult.PASS, SpfReason.TERM_MATCHED(term="all", domain="x")))
        rows.append(
            as_row(record(f"R{number}", disposition=REFUSED, verdict=replace(spoofed, spf=passed)), str(number))
        )
        rows.append(as_row(record(f"S{number}", disposition=REFUSED), f"s{number}"))
    found = refused(rows)
    assert found.messages == 800
    assert len(found.groups) == 10
    assert (found.groups[0].method, found.groups[0].count) == (Method.NOBODY, 400)
    assert sum(each.count for each in found.groups) + found.others == 800


SEEN_PASS = MethodResult("dmarc", "pass", (("header.from", "example.com"),))


def sealed_by(*sealers: str, who_saw: int | None) -> Chain:
    """A valid chain, oldest first; the one with this number saw dmarc=pass."""
    results = [
        SealedResults(each, "", (SEEN_PASS,) if number == who_saw else ()) for number, each in enumerate(sealers)
    ]
    return Chain(ArcStatus.PASS, sealers=sealers, results=tuple(results))


@pytest.mark.parametrize(
    ("chain", "line"),
    [
        (sealed_by("a.example", who_saw=0), 'trusted_sealers = ["a.example"]'),
        (sealed_by("a.example", "b.example", who_saw=0), 'trusted_sealers = ["a.example", "b.example"]'),
        (sealed_by("a.example", "b.example", who_saw=1), 'trusted_sealers = ["b.example"]'),
        (sealed_by("a.example", who_saw=None), None),
        (replace(sealed_by("a.example", who_saw=0), status=ArcStatus.FAIL), None),
        (Chain(ArcStatus.NONE), None),
    ],
)
def test_the_sealers_of_what_if(engine: Engine, chain: Chain, line: str | None) -> None:
    fill(engine, record("A", mode=Mode.MONITOR, disposition=SPARED, verdict=verdict("fail", "reject", arc=chain)))
    found = refused(refused_rows(engine, 0.0))
    assert sealers_setting(found.groups, []) == line
    if line is not None:
        trusted = policy_settings(config.parse(tomllib.loads(f"[policy.indirect]\n{line}"))).trusted_sealers
        assert vouching_sealer(verdict("fail", "reject", arc=chain), trusted) is not None, "as named, it vouches"
        assert sealers_setting(found.groups, [*found.groups[0].sealers.most_common(1)[0][0]]) is None


OTHER_SETTINGS = {
    # settings                                                  what becomes of the spoofed, the forwarded, the list's, the fine
    "": ["accept", "accept", "accept", "accept"],
    '[policy]\nmode = "enforce"': ["reject", "reject", "reject", "accept"],
    '[policy]\nmode = "enforce"\n[policy.indirect]\ntrusted_lists = ["lists.example"]': ["reject", "reject", "quarantine", "accept"],
    '[policy]\nmode = "enforce"\n[policy.indirect]\ntrusted_sealers = ["seal.example"]': ["reject", "accept", "reject", "accept"],
    '[policy]\nmode = "enforce"\ntrusted_networks = ["192.0.2.0/24"]': ["accept"] * 4,
    '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\ndkim_domain = ["fwd.example"]\naction = "accept"\nreason = "x"': ["reject", "accept", "reject", "accept"],
    '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\nfrom_domain = ["example.com"]\naction = "reject"\nreason = "x"': ["reject"] * 4,
    '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\nrecipient_domain = ["x.example"]\naction = "accept"\nreason = "x"': ["unknown", "unknown", "unknown", "accept"],
    '[policy]\nmode = "enforce"\nquarantine = "reject"\n[policy.indirect]\ntrusted_lists = ["lists.example"]': ["reject", "reject", "reject", "accept"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "actions"), OTHER_SETTINGS.items(), ids=range(len(OTHER_SETTINGS)))
def test_other_settings_on_what_is_recorded(text: str, actions: list[str]) -> None:
    """The policy itself decides: what it says of the verdict, it says of the row."""
    fine = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL()))
    forwarded = sent_on("F")
    assert forwarded.verdict is not None
    chain = sealed_by("seal.example", who_saw=0)
    messages = [
        record("S", disposition=SPARED),
        replace(forwarded, verdict=replace(forwarded.verdict, arc=chain)),
        listed("dev.lists.example", "lists.example"),
        record("fine", disposition=fine, verdict=verdict("pass", "reject")),
    ]
    settings = config.parse(tomllib.loads(text))
    found = [Rejudging(settings).action(as_row(each)) for each in messages]
    assert found == actions
    judging = policy_settings(settings)
    for each, action in zip(messages, found, strict=True):
        assert each.verdict is not None
        if action != "unknown" and "trusted_networks" not in text:
            assert decide(each.verdict, judging).action.value == action


def test_what_was_not_judged_stays_so_or_is_unknown() -> None:
    own = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.TRUSTED_NETWORK())
    login = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.AUTHENTICATED_SENDER())
    rejudging = Rejudging(config.parse({"policy": {"trusted_networks": ["198.51.100.0/24"]}}))
    assert rejudging.action(as_row(record(disposition=own, verdict=None))) == "unknown"
    assert rejudging.action(as_row(record(disposition=login, verdict=None))) == "accept"


def test_what_if_with_other_settings(
    settings: JournalSection, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, record("S1", mode=Mode.MONITOR, disposition=SPARED), sent_on("F1"), sent_on("F2"))
    path = tmp_path / "other.toml"
    path.write_text(
        '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\ndkim_domain = ["fwd.example"]\naction = "accept"\nreason = "x"\n'
    )
    command = ["what-if", "--days", "9999", "--journal", settings.database, "--config", str(path)]
    assert main(command) == 1
    shown = capsys.readouterr().out
    assert "3 messages were judged" in shown
    assert "accepted, would be refused: 1\n  From      example.com (1)\n  examples  S1\n" in shown
    assert main([*command, "--json"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["done"], each["would_be"]): each["messages"] for each in found} == {
        ("accept", "reject"): 1,
        ("accept", "accept"): 2,
    }


def test_what_if_for_people(
    settings: JournalSection, engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))
    chain, forwarded = sealed_by("seal.example", who_saw=0), sent_on("F1")
    assert forwarded.verdict is not None
    fill(
        engine,
        record("R1", disposition=REFUSED),
        replace(forwarded, verdict=replace(forwarded.verdict, arc=chain)),
    )
    assert main(["what-if", "--days", "9999", "--journal", settings.database]) == 1
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines() if "=" not in line)
    text = " ".join(shown.split())
    assert "Mode monitor let all in; enforce would have refused 1 of 1. Mode enforce refused 1 of 1." in text
    assert "example.com, authenticated as nobody: 1 reject" in text
    assert "example.com, authenticated as fwd.example (DKIM): 1 reject" in text
    assert "seal.example saw dmarc=pass (1)" in text
    assert 'trusted_sealers = ["seal.example"]' in shown
    assert shown.count("[[override]]") == 1
    assert "\n\nexample.com, " in shown, "each group is a block of its own"


def test_the_page_about_what_if_shows_what_is_printed(
    settings: JournalSection, engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docs/what-if.md`: a forwarder, a list, a spoofer and somebody who proves to be himself, in somebody's name."""
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    elsewhere = replace(ENVELOPE, client_address=bytes([203, 0, 113, 66]))
    crook = verdict("fail", "reject", signatures=(SignatureResult(DkimResult.PASS, None, "crook.example"),))
    forwarded, chain = sent_on("x"), sealed_by("fwd.example", who_saw=0)
    assert forwarded.verdict is not None
    sealed = replace(forwarded.verdict, arc=chain)
    fill(
        engine,
        *(sent_on(f"4Xq{number}", verdict=sealed, time=NOW + 60 * number) for number in range(4)),
        *(record(f"4Xs{number}", mode=Mode.MONITOR, disposition=SPARED, envelope=elsewhere) for number in range(2)),
        replace(listed("dev.lists.example", "lists.example"), queue_id="4Xm1"),
        record("4Xc1", mode=Mode.MONITOR, disposition=SPARED, verdict=crook, envelope=elsewhere),
    )
    assert main(["what-if", "--days", "9999", "--journal", settings.database]) == 1
    said = capsys.readouterr().out.replace("In 9999 days", "In 7 days")
    page = (Path(__file__).parents[2] / "docs/what-if.md").read_text("utf-8")
    example = "    $ dmarc-milter what-if\n" + "".join(f"    {line}".rstrip() + "\n" for line in said.splitlines())
    assert example in page, example


def listed(list_id: str, spf_domain: str | None, has_address: bool = True, **more: Any) -> MessageRecord:
    """Mail of a list, in mode monitor."""
    result = SpfResult.PASS if spf_domain else SpfResult.FAIL
    spf = SpfFinding(
        Check(result, SpfReason.TERM_MATCHED(term="all", domain="a.example")), SpfIdentity.MAIL_FROM, spf_domain
    )
    found = verdict("fail", "reject", spf=spf, mailing_list=MailingList(list_id, has_address), **more)
    return record("L", mode=Mode.MONITOR, disposition=SPARED, verdict=found)


def test_the_lists_of_what_if(engine: Engine) -> None:
    signed = (
        SignatureResult(DkimResult.PASS, None, "esp.example"),
        SignatureResult(DkimResult.FAIL, None, "broken.example"),
    )
    fill(
        engine,
        listed("dev.lists.example", "lists.example"),
        listed("dev.lists.example", "lists.example", signatures=signed),
        listed("dev.lists.example", None, signatures=signed),
        listed("news.shop.example", "esp.example"),
        listed("unproven.example", None),
        listed("no-address.example", "no-address.example", has_address=False),
        record("enforced", verdict=verdict("fail", "reject", mailing_list=MailingList("x.example", True))),
    )
    found = seen_lists(failing_list_mail(engine, 0.0))
    assert [(each.list_id, each.messages, each.authenticated_as) for each in found] == [
        ("dev.lists.example", 3, "lists.example"),
        ("news.shop.example", 1, "esp.example"),
        ("unproven.example", 1, None),
        ("x.example", 1, None),
    ]
    assert found[0].authenticated == {"lists.example": 2, "esp.example": 2}
    assert (found[0].wanted, found[0].authors) == ({"reject": 3}, {"example.com": 3})


SETTINGS_OF_LISTS = {
    # trusted already     the line
    (): 'trusted_lists = ["esp.example", "lists.example"]',
    ("lists.example",): 'trusted_lists = ["lists.example", "esp.example"]',
    (".example",): None,
    ("*",): 'trusted_lists = ["esp.example", "lists.example"]',
}


@pytest.mark.parametrize(("trusted", "line"), SETTINGS_OF_LISTS.items())
def test_the_lists_of_what_if_as_a_setting(engine: Engine, trusted: tuple[str, ...], line: str | None) -> None:
    fill(engine, listed("dev.lists.example", "lists.example"), listed("a.shop.example", "esp.example"))
    found = seen_lists(failing_list_mail(engine, 0.0))
    patterns = [pattern for pattern in map(list_pattern, trusted) if pattern]
    assert setting(found, patterns) == line
    if line is not None:
        read = trusted_lists(config.parse(tomllib.loads(f"[policy.indirect]\n{line}")))
        assert all(each.is_trusted(read) for each in found)


def test_whoever_writes_list_ids_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of_lists, "MAX_LISTS", 3)
    monkeypatch.setattr(module_of_lists, "MAX_NAMES", 5)
    rows = [as_row(listed(f"l{number % 7}.example", f"d{number}.example")) for number in range(100)]
    found = seen_lists(rows)
    assert len(found) == 3
    assert all(len(each.authenticated) == 5 for each in found)


def test_what_if_tells_about_lists(
    settings: JournalSection,
    engine: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(engine, listed("dev.lists.example", "lists.example"), listed("a.shop.example", "esp.example"))
    path = tmp_path / "filter.toml"
    path.write_text('[policy.indirect]\ntrusted_lists = ["lists.example"]\n')
    monkeypatch.setattr(config, "DEFAULT_PATH", path)
    command = ["what-if", "--days", "9999", "--journal", settings.database]
    assert main(command) == 1
    shown = capsys.readouterr().out
    assert "a.shop.example: 1 reject; not trusted\n  authenticated as: esp.example\n" in shown
    assert "dev.lists.example: 1 reject; trusted\n" in shown
    assert "only the lists that your own users subscribe to" in " ".join(shown.split())
    assert shown.endswith('\n\ntrusted_lists = ["lists.example", "esp.example"]\n')
    assert main([*command, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lists = {each["list_id"]: each["trusted"] for each in lines if "list_id" in each}
    assert lists == {"dev.lists.example": True, "a.shop.example": False}


def test_the_rules_of_what_if_are_settings(engine: Engine) -> None:
    fill(engine, sent_on("F"))
    (group,) = refused(refused_rows(engine, 0.0)).groups
    assert group.rule is not None
    assert config.parse(tomllib.loads(group.rule)).override[0].action == "accept"


def test_networks() -> None:
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of(None) == "local"


FAULTS = {
    # what was found                                                          what the advice has to name
    "no record": ({"dmarc": "none"}, "publishes no DMARC record"),
    "nothing authenticated": ({"alignments": []}, "this is a spoof, and nothing is to be fixed"),
    "unaligned": (
        {"alignments": [{"authenticated": "yes", "domain": "other.example"}]},
        "from other.example, and not from example.com",
    ),
    "list footer": (
        {"dkim": [{"result": "fail", "code": "body-changed", "domain": "example.com", "selector": "s"}]},
        "changed the body after example.com",
    ),
    "no key": (
        {"dmarc": "none", "dkim": [{"result": "permerror", "code": "no-key", "domain": "a.example", "selector": "s"}]},
        "publish s._domainkey.a.example",
    ),
    "eleven look-ups": (
        {"dmarc": "none", "spf": "permerror", "spf_domain": "a.example", "spf_reason": "more than 10 terms"},
        "SPF record of a.example cannot be used",
    ),
    "forwarded": (
        {"dmarc": "none", "spf": "fail", "spf_domain": "a.example"},
        "not among the hosts that may send for a.example",
    ),
    "two authors": (
        {"author_domain": None, "dmarc": "permerror", "dmarc_reason": "several From fields"},
        "one address",
    ),
    "malformed From": ({"from_reason": "a From field that cannot be read by RFC 5322"}, "has a From field that cannot"),
    "DNS": ({"dmarc": "temperror"}, "Try again"),
}


@pytest.mark.parametrize(("found", "text"), FAULTS.values(), ids=FAULTS.keys())
def test_advice(found: dict[str, Any], text: str) -> None:
    assert text in " ".join(advice.advice({**as_row(record()), **found}))


def test_no_advice_where_nothing_is_wrong() -> None:
    assert advice.advice({**as_row(record()), "dmarc": "pass"}) == []


def test_what_asks_the_journal_says_what_is_wrong(
    settings: JournalSection, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, record(), record("unjudged", verdict=None))
    assert main(["trace", "unjudged", "--json", "--journal", settings.database]) == 0
    assert json.loads(capsys.readouterr().out)["spf"] is None
    assert main(["trace", "none", "--journal", settings.database]) == 1
    assert main(["trace", "--journal", settings.database]) == 2
    assert main(["trace", "4X1", "--client", "x", "--journal", settings.database]) == 2
    assert main(["trace", "4X1", "--journal", "sqlite:////nowhere/x"]) == 2
    assert main(["what-if", "--days", "9999", "--journal", settings.database]) == 1
    assert main(["prune", "--journal", settings.database]) == 0
