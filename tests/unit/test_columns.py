"""The table of what is told of a message: whoever tells something is fed from it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dmarc_milter.columns.column import Reader
from dmarc_milter.columns.table import COLUMNS, FINDINGS, codes, lines, logged, read_by, told
from dmarc_milter.common.reason import ReasonCode
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.journal.row import VERSION
from dmarc_milter.judging.verdict import Envelope
from dmarc_milter.settings.log import LogSection
from dmarc_milter.telemetry.log import message_line
from tests.support.records import record
from tests.support.verdicts import verdict

HERE = Path(__file__).parents[2]

# In a process of its own: the tables of the journal, the log and so on are made when their modules are loaded.
NEW_FINDING = """
import contextlib, io, json, sys
from dmarc_milter.columns import table
from dmarc_milter.columns.column import Column, Finding, Line

sys.modules.pop("dmarc_milter.columns.table")
source = open(table.__file__).read().replace(
    "    decision.FINDING,\\n", "    IPREV,\\n    decision.FINDING,\\n"
)
IPREV = Finding(
    "iprev",
    (
        Column("iprev", lambda verdict: "fail", 16, log="iprev", since=NEWEST),
        Column("iprev_code", lambda verdict: "no-name", 64, log="iprev_code", since=NEWEST),
    ),
    lambda row: [Line("iprev", f"{row['iprev']}: the client has no name", row["iprev"])],
    codes=lambda row: (row["iprev_code"],),
)
table.IPREV = IPREV
exec(compile(source, table.__file__, "exec"), vars(table))
sys.modules["dmarc_milter.columns.table"] = table

import sqlalchemy as sa
from dmarc_milter.cli.main import main
from dmarc_milter.columns.table import told
from dmarc_milter.journal import row as journal_row, schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.writer import Writer
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.log import LogSection
from dmarc_milter.telemetry.log import message_line
from dmarc_milter.telemetry.metrics import WorkerMetrics
from tests.support.records import record

folder = sys.argv[1]
url = f"sqlite:///{folder}/j.sqlite"


def said(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        main([*arguments])
    return out.getvalue()


# A journal of the version before is there, and is written on.
newest = journal_row.VERSION
engine = open_engine(url, create=True)
schema.prepare(engine)
with engine.begin() as connection:
    for name in ("iprev", "iprev_code"):
        connection.execute(sa.text(f"ALTER TABLE messages DROP COLUMN {name}"))
    connection.execute(schema.version_table.update().values(version=newest - 1))
schema.prepare(engine)
engine.dispose()
writer = Writer(JournalSection(database=DatabaseUrl(url)), 0, lambda outcome, count: None)
writer.start()
writer.put(told(record()))
writer.close(30)

counted = WorkerMetrics()
counted.observe(told(record()))
with open(f"{folder}/zone", "w") as zone:
    zone.write("x.example. 300 IN A 192.0.2.1\\n")
with open(f"{folder}/message.eml", "w") as message:
    message.write("From: <a@x.example>\\n\\nHello\\n")
check = ("check", f"{folder}/message.eml", "--zone", f"{folder}/zone", "--ip", "192.0.2.1")
print(json.dumps({
    "version": newest,
    "log": message_line(told(record()), LogSection()),
    "trace": said("trace", "4X1", "--journal", url),
    "trace --json": json.loads(said("trace", "4X1", "--json", "--journal", url)),
    "check": said(*check),
    "check --json": json.loads(said(*check, "--json")),
    "reasons": [each.labels for each in next(iter(counted._reasons._counter.collect())).samples],
}))
""".replace("NEWEST", str(VERSION))


def test_a_new_finding_is_added_in_one_place(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NEW_FINDING, str(tmp_path)], capture_output=True, text=True, check=False, cwd=HERE
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["version"] == VERSION
    assert " iprev=fail iprev_code=no-name " in found["log"]
    assert "iprev      fail: the client has no name" in found["trace"]
    assert "  iprev      fail: the client has no name" in found["check"]
    assert found["trace --json"]["iprev"] == found["check --json"]["iprev"] == "fail"
    assert {"protocol": "iprev", "code": "no-name"} in found["reasons"]


PUBLIC = {
    "journal": (
        "time queue_id message_id client helo mail_from outer_client author_domain from_reason spf spf_domain spf_reason "
        "dkim arc arc_reason arc_sealers list_id list_has_address dmarc dmarc_reason published_policy policy "
        "policy_domain alignments mode action wanted override rule comment reply reason seconds seconds_waited "
        "from_code spf_code dkim_left_out arc_code dmarc_code reason_code source kind"
    ),
    "log": (
        "queue_id client helo mail_from outer_client from_domain spf spf_reason dkim dkim_reason dkim_left_out arc "
        "arc_reason dmarc policy policy_domain action wanted override rule reply reason waited_ms "
        "from_code spf_code dkim_code arc_code dmarc_code reason_code"
    ),
}


def test_names_are_public() -> None:
    """Programs read them: journals are asked in SQL, logs are cut by key."""
    assert {column.name for column in read_by(Reader.JOURNAL)} >= set(PUBLIC["journal"].split())
    assert {column.log for column in COLUMNS} >= set(PUBLIC["log"].split())


def test_names_are_told_apart() -> None:
    names = [column.name for column in COLUMNS]
    keys = [column.log for column in COLUMNS if column.log is not None]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)
    assert len({finding.name for finding in FINDINGS}) == len(FINDINGS)


HOSTILE = "a\nb\0c\x1b[31m\u202e\ud800" + "x" * 2000


def test_every_text_is_printable_and_within_its_length() -> None:
    found = record(queue_id=HOSTILE, message_id=HOSTILE, envelope=Envelope(None, HOSTILE, f"{HOSTILE}@{HOSTILE}"))
    row = told(found)
    assert all(value.isprintable() for value in row.values() if isinstance(value, str))
    for column in COLUMNS:
        if column.length is not None and row[column.name] is not None:
            assert len(row[column.name]) <= column.length
    assert message_line(row, LogSection(addresses=True)).isprintable()
    assert all(line.text.isprintable() for _, line in lines(row))


def test_what_was_not_judged_has_no_findings() -> None:
    row = told(record(verdict=None))
    assert [finding.name for finding, _ in lines(row)] == ["message", "message", "decision"]
    assert not {"spf", "dkim", "dmarc"} & {key for key, _ in logged(row)}
    assert [name for name, _ in codes(row)] == ["decision"]


def signed(*signatures: SignatureResult) -> str:
    return message_line(told(record(verdict=verdict("fail", "reject", signatures=signatures))), LogSection())


def test_two_signatures_of_one_domain_are_told_apart_in_the_log() -> None:
    first = SignatureResult(DkimResult.PASS, None, "a.example", "s1")
    other = SignatureResult(DkimResult.FAIL, None, "b.example", "s1")
    assert " dkim=none " in signed()
    assert " dkim=pass:a.example,fail:b.example " in signed(first, other)
    twice = signed(first, replace(first, result=DkimResult.FAIL, selector="s2"), other)
    assert " dkim=pass:a.example/s1,fail:a.example/s2,fail:b.example " in twice


@pytest.mark.parametrize("name", [column.name for column in COLUMNS if column.name.endswith("_code") and column.take])
def test_codes_are_no_longer_than_their_column(name: str) -> None:
    """Every code of every protocol."""
    length = next(column.length for column in COLUMNS if column.name == name)
    assert length is not None
    assert all(len(code.value) <= length for kind in ReasonCode.__subclasses__() for code in kind)
