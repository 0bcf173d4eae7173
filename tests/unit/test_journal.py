"""The journal: written beside the mail, read back, kept in shape."""

import contextlib
import errno
import ipaddress
import json
import math
import os
import re
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.cli.main import main
from dmarc_milter.columns.table import told
from dmarc_milter.journal import advice, forgetting, schema
from dmarc_milter.journal.database import DatabaseError, open_engine, open_for_reading
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.forgetting import forget_messages
from dmarc_milter.journal.reader import Criteria, find
from dmarc_milter.journal.refused import refused
from dmarc_milter.journal.row import COLUMNS, JSON_COLUMNS, VERSION, row
from dmarc_milter.journal.story import story
from dmarc_milter.journal.writer import Writer
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.telemetry.metrics import WorkerMetrics
from tests.support.records import ENVELOPE, NOW, as_row, fill, record, write
from tests.support.waiting import wait_for


@pytest.fixture
def url(tmp_path: Path) -> DatabaseUrl:
    """In a folder that is not there yet, either."""
    return DatabaseUrl(f"sqlite:///{tmp_path}/j/journal.sqlite")


@pytest.fixture
def settings(url: DatabaseUrl) -> JournalSection:
    return JournalSection(database=url)


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
        assert forget_messages(engine, 36_500) == 0
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
from tests.support.records import record

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
    assert forget_messages(engine, 30) == 2
    assert forget_messages(engine, 30) == 0
    assert len(find(engine, Criteria(since=0.0), 10)) == 2


def test_pruning_goes_on_batch_by_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "PRUNE_ROWS", 2)
    monkeypatch.setattr(forgetting, "PAUSE_SECONDS", 0)
    fill(engine, *(record(time=1000.0 + number) for number in range(5)))
    assert forget_messages(engine, 0) == 0, "0 days means for ever"
    assert forget_messages(engine, 30) == 5
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
    assert [each.list_id for each in refused(reading, Period(0.0, math.inf)).lists] == ["dev.lists.example"]


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
