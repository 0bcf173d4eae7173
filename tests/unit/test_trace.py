"""`dmarc-milter trace`: which messages are meant, one told as a story, many as a table, and more as they come."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.arc.results import MethodResult, SealedResults
from dmarc_milter.cli.main import main
from dmarc_milter.cli.trace import run
from dmarc_milter.cli.trace.table import heading, id_width, line
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc.evaluation import Alignment, Authenticated, Identifier, Mechanism
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.journal import insertion
from dmarc_milter.journal.story import outcome, story
from dmarc_milter.judging.policy import Mode
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.reply import Reply
from dmarc_milter.judging.verdict import Action, Disposition, OverrideType, SpfFinding, SpfIdentity
from dmarc_milter.message.mailing_list import MailingList
from dmarc_milter.settings import config
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from tests.support.records import ENVELOPE, FAILS, NOW, SPARED, as_row, fill, record
from tests.support.verdicts import verdict

PASS = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL()))
HELD = Disposition(Action.QUARANTINE, Action.QUARANTINE, FAILS)
OWN = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.AUTHENTICATED_SENDER())
RULE = Disposition(
    Action.ACCEPT,
    Action.ACCEPT,
    PolicyReason.RULE(rule="crm", text="ours", because=FAILS),
    OverrideType.LOCAL_POLICY,
    PolicyReason.RULE_SAYS(rule="crm", text="ours"),
    "crm",
)
CROOK = SignatureResult(DkimResult.PASS, None, "crook.example", "s")


def unaligned() -> Any:
    found = verdict("fail", "reject", signatures=(CROOK,))
    identifier = Identifier(Mechanism.DKIM, "crook.example", Authenticated.YES)
    why = DmarcReason.OUTSIDE(domain="example.com")
    return replace(found, dmarc=replace(found.dmarc, alignments=(Alignment(identifier, False, why),)))


REPLY = Reply("550", "5.7.1", "no")
STORIES: dict[str, tuple[MessageRecord, bool, str, list[str]]] = {
    # a message, whether quarantine is the MTA's, the outcome, and what else is told
    "refused": (record(reply=REPLY), False, "refused, mode enforce: DMARC fails, and example.com asks for reject", ["done: the client was told: 550 5.7.1 no"]),
    "monitored": (record(mode=Mode.MONITOR, disposition=SPARED), False, "accepted, mode monitor: enforce would have refused it, for DMARC fails, and example.com asks for reject", ["done: delivered, with Authentication-Results added"]),
    "held": (record(disposition=HELD), True, "quarantined, mode enforce: DMARC fails, and example.com asks for reject", ["done: held by the MTA: postsuper -H 4X1 releases it"]),
    "junk": (record(disposition=HELD), False, "quarantined, mode enforce: DMARC fails, and example.com asks for reject", ["done: delivered; the header says quarantine, which makes it Junk (docs/sieve.md)"]),
    "fine": (record(disposition=PASS, verdict=verdict("pass")), False, "accepted, mode enforce: dmarc=pass: identical", ["done: delivered, with Authentication-Results added"]),
    "own": (record(disposition=OWN, verdict=None), False, "accepted, not judged: authenticated sender", []),
    "a rule": (record(disposition=RULE), False, "accepted, mode enforce: your rule crm says so", ["rule: crm: ours"]),
    "unaligned": (record(verdict=unaligned()), False, "refused, mode enforce: DMARC fails, and example.com asks for reject", ["DKIM: pass for crook.example (s=s, ?); not aligned: "]),
}  # fmt: skip


@pytest.mark.parametrize(("found", "is_held", "said", "more"), STORIES.values(), ids=STORIES.keys())
def test_a_story(found: MessageRecord, is_held: bool, said: str, more: list[str]) -> None:
    row = as_row(found)
    assert outcome(row) == said
    told = [f"{each.label}: {each.text}" for each in story(row, is_held=is_held)]
    for text in more:
        assert any(each.startswith(text) for each in told), told
    if found.verdict is None:
        assert not any(word in " ".join(told) for word in ("spoof", "fail", "DMARC"))


def test_each_fact_is_told_once() -> None:
    """No label but DKIM's comes twice, and the policy is in the outcome and in the evidence, nowhere else."""
    row = as_row(record(verdict=unaligned(), reply=REPLY))
    told = list(story(row, is_held=False))
    labels = [each.label for each in told]
    assert sorted(set(labels)) == sorted(labels)
    assert sum("not aligned" in each.text for each in told) == 1


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))


def by_list(queue_id: str, **more: Any) -> MessageRecord:
    return record(
        queue_id, verdict=verdict("fail", "reject", mailing_list=MailingList("dev.lists.example", True)), **more
    )


SAW_PASS = MethodResult("dmarc", "pass", (("header.from", "example.com"),))
SEALED = Chain(
    ArcStatus.PASS,
    sealers=("seal.example", "later.example"),
    results=(SealedResults("seal.example", "", (SAW_PASS,)), SealedResults("later.example", "", ())),
)
MESSAGES = [
    record("A", reply=REPLY),
    record("B", mode=Mode.MONITOR, disposition=SPARED, time=NOW + 10),
    record("C", disposition=PASS, verdict=verdict("pass"), time=NOW + 20),
    record("D", disposition=RULE, time=NOW + 30),
    by_list("E", time=NOW + 40),
    record(
        "F",
        disposition=OWN,
        verdict=None,
        time=NOW + 50,
        envelope=replace(ENVELOPE, client_address=bytes([127, 0, 0, 1])),
    ),
    record("G", verdict=replace(verdict("fail", "reject"), spf=verdict("pass").spf, arc=SEALED), time=NOW + 60),
]
FILTERS: dict[str, list[str]] = {
    "A C": ["A", "C"],
    "A A nothing": ["A"],
    "--action reject": ["A", "E", "G"],
    "--action reject --dmarc fail": ["A", "E", "G"],
    "--action accept --dmarc fail": ["B", "D"],
    "--action quarantine": [],
    "--dmarc pass": ["C"],
    "--rule crm": ["D"],
    "--rule nobody": [],
    "--list dev.lists.example": ["E"],
    "--list DEV.lists.example": ["E"],
    "--sealer Seal.example": ["G"],
    "--sealer later.example --action reject": ["G"],
    "--sealer al.example": [],
    "--from example.com --dmarc fail": ["A", "B", "D", "E", "G"],
    "--from someone@example.com --dmarc pass": ["C"],
    "--client 127.0.0.0/8": ["F"],
    "--client 192.0.2.7 --action reject": ["A", "E", "G"],
    "--client 198.51.100.0/24": [],
    "--message-id 1@sender.example --rule crm": ["D"],
    f"--since 1970-01-01T00:00:{NOW:.0f}Z": [],
    "--since 2027-01-15T08:00:30Z": ["D", "E", "F", "G"],
    "--since 2027-01-15T08:00:30Z --until 2027-01-15T08:00:40Z": ["D", "E"],
    "--until 2027-01-15T09:00:10+01:00": ["A", "B"],
}


@pytest.mark.parametrize("options", FILTERS)
def test_filters_combine(options: str, engine: Engine, url: DatabaseUrl, capsys: pytest.CaptureFixture[str]) -> None:
    fill(engine, *MESSAGES)
    command = ["trace", *options.split(), "--json", "--journal", url]
    if ":1800000000Z" in options:
        with pytest.raises(SystemExit):
            main(command)
        assert "--since" in capsys.readouterr().err
        return
    status = main(command)
    found = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["queue_id"] for each in found] == FILTERS[options]
    assert status == (0 if found else 1)
    assert all(each["moment"].startswith("2027-01-15T") for each in found)


def test_one_is_a_story_and_many_are_a_table(
    engine: Engine, url: DatabaseUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, *MESSAGES)
    assert main(["trace", "A", "--journal", url]) == 0
    text = capsys.readouterr().out
    title, *lines = text.splitlines()
    assert title == "A: refused, mode enforce: DMARC fails, and example.com asks for reject"
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("  when       2027-01-15 ")
    assert "\033[" not in text

    assert main(["trace", "--since", "2027-01-01", "--journal", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["time", "queue", "id", "done", "dmar", "spf", "dkim", "From", "client"]
    assert lines[1].startswith("2027-01-15 (")
    assert [each.split()[1] for each in lines[2:9]] == ["A", "B", "C", "D", "E", "F", "G"]
    assert lines[3].split()[2] == "accepted*"
    assert lines[5].split()[2] == "accepted+"
    assert lines[-1] == "7 of 7 messages shown"
    assert lines[-3:-1] == [
        "* mode enforce would not have accepted it",
        "+ a rule, a list or a sealer of yours decided",
    ]
    assert max(map(len, lines)) <= 80

    assert main(["trace", "--since", "2027-01-01", "--limit", "2", "--journal", url]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("2 of 7 messages shown; older ones: --until 2027-01-15T")
    assert main(["trace", "A", "B", "-v", "--journal", url]) == 0
    assert capsys.readouterr().out.count("  when  ") == 2


HOSTILE = "\x1b[31m\u202e'\"; DROP\n\r\t\x00" * 10


def test_nothing_of_a_sender_reaches_the_terminal_as_it_is() -> None:
    row = {**as_row(record()), "queue_id": HOSTILE, "author_domain": "x" * 250, "client": "2001:db8::" + "f" * 20}
    shown = line(row, id_width([row]), 80)
    assert shown.isprintable()
    assert len(heading(20, 80)) <= 80


@pytest.mark.parametrize("spf", SpfResult)
def test_results_have_four_letters(spf: SpfResult) -> None:
    row = {**as_row(record()), "spf": spf.value, "dmarc": "temperror"}
    assert len(line(row, 10, 80)) <= 80
    assert " temp " in line(row, 10, 80)


def test_follow(engine: Engine, url: DatabaseUrl, tmp_path: Path) -> None:
    """What comes is told once, until somebody ends it."""
    command = [
        sys.executable,
        "-m",
        "dmarc_milter",
        "trace",
        "--follow",
        "--json",
        "--action",
        "reject",
        "--config",
        "/dev/null",
    ]
    started = time.time()
    with subprocess.Popen(
        [*command, "--journal", url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
        preexec_fn=_interruptible,
    ) as following:
        assert following.stdout is not None
        for number in range(3):
            fill_one(url, record(f"N{number}", time=started + 30 + number))
            told = json.loads(following.stdout.readline())
            assert told["queue_id"] == f"N{number}"
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 130
        assert following.stdout.read() == ""


@dataclass
class Clock:
    """While the command sleeps, the next messages come; after the last ones somebody presses Ctrl-C."""

    url: DatabaseUrl
    comes: list[list[MessageRecord]]

    def time(self) -> float:
        return NOW

    def sleep(self, seconds: float) -> None:
        if not self.comes:
            raise KeyboardInterrupt
        for each in self.comes.pop(0):
            fill_one(self.url, each)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        # A line about each day, and each message once. One that the journal has late is told, too.
        ([], ["time", "2027-01-15", "A", "C", "B", "time", "2027-01-16", "D"]),
        (["--since", "2027-01-15T07:00:00Z"], ["time", "2027-01-15", "OLD", "A", "C", "B", "time", "2027-01-16", "D"]),
        (["--since", "2027-01-15T08:00:15Z"], ["time", "2027-01-15", "C", "time", "2027-01-16", "D"]),
        (["--json"], ["A", "C", "B", "D"]),
        (["--dmarc", "pass"], []),
    ],
)
def test_follow_tells_each_message_as_it_comes(
    engine: Engine,
    url: DatabaseUrl,
    utc: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: list[str],
) -> None:
    fill_one(url, record("OLD", time=NOW - 1_800))
    comes = [
        [record("A", time=NOW)],
        [record("C", time=NOW + 20)],
        [],
        [record("B", time=NOW + 10)],
        [record("D", time=NOW + 86_400)],
        [],
    ]
    monkeypatch.setattr(run, "time", Clock(url, comes))
    assert main(["trace", "--follow", *options, "--journal", url]) == 130
    lines = capsys.readouterr().out.splitlines()
    if "--json" in options:
        assert [json.loads(line)["queue_id"] for line in lines] == told
        return
    words = [line.split() for line in lines]
    assert [each[0] if each[0] in told else each[1] for each in words] == told


def test_a_table_of_several_days(
    engine: Engine, url: DatabaseUrl, utc: None, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, record("A"), record("B", time=NOW + 86_400), record("C", time=NOW + 86_460))
    assert main(["trace", "A", "B", "C", "--journal", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [
        "time",
        "2027-01-15",
        "08:00:00",
        "2027-01-16",
        "08:00:00",
        "08:01:00",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "name a QUEUE-ID, or say which messages"),
        (["--from", "no domain"], "--from 'no domain' is no domain"),
        (["--sealer", "a..b"], "--sealer 'a..b' is no domain"),
        (["--client", "192.0.2.1/8"], "--client '192.0.2.1/8' is no address or network"),
    ],
)
def test_what_cannot_be_asked(
    engine: Engine, url: DatabaseUrl, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["trace", *options, "--journal", url]) == 2
    assert capsys.readouterr().err.startswith(f"dmarc-milter: {said}")


def _interruptible() -> None:
    """Where a shell started the tests in the background, SIGINT is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def fill_one(url: DatabaseUrl, found: MessageRecord) -> None:
    opened = insertion.connect(url)
    opened.insert([as_row(found, found.queue_id)])
    opened.close()


def shown(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """As a document has it."""
    assert main(command) == 0
    return "".join(f"    {each}".rstrip() + "\n" for each in capsys.readouterr().out.splitlines())


NO_SPF = SpfFinding(
    Check(SpfResult.NONE, SpfReason.NO_RECORD(domain="sender.example")), SpfIdentity.MAIL_FROM, "sender.example"
)


def test_the_page_about_trace_shows_what_is_printed(
    engine: Engine, url: DatabaseUrl, utc: None, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(
        engine,
        *[
            replace(each, queue_id=f"4Xy7Z{each.queue_id}")
            for each in (record("H", verdict=replace(unaligned(), spf=NO_SPF), reply=REPLY, time=NOW - 60), *MESSAGES)
        ],
    )
    page = (Path(__file__).parents[2] / "docs/trace.md").read_text("utf-8")
    story = "    $ dmarc-milter trace 4Xy7ZH\n" + shown(["trace", "4Xy7ZH", "--journal", url], capsys)
    table = "    $ dmarc-milter trace --since 2027-01-15\n" + shown(
        ["trace", "--since", "2027-01-15", "--journal", url], capsys
    )
    assert story in page
    assert table in page
