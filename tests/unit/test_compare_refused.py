"""What the old chain refused, joined with our journal."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.verdict import Envelope, SpfFinding, SpfIdentity
from dmarc_milter.settings.database_url import database_url
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from tests.support import moving_in
from tests.support.records import NOW, REFUSED, SPARED, record, write
from tests.support.verdicts import verdict

CLIENT, OTHER_CLIENT = bytes([192, 0, 2, 10]), bytes([192, 0, 2, 99])


def spf(result: str) -> SpfFinding:
    return SpfFinding(Check(SpfResult(result), SpfReason.NO_RECORD(domain="x")), SpfIdentity.MAIL_FROM, "bank.example")


def seen(
    queue_id: str, dmarc: str = "fail", client: bytes = CLIENT, *, is_refused: bool = False, **more: Any
) -> MessageRecord:
    session = Envelope(client, "out.example", "a@bank.example")
    found = replace(verdict(dmarc, "reject", **more), envelope=session)
    return record(queue_id, verdict=found, envelope=session, disposition=REFUSED if is_refused else SPARED)


PASSING = (SignatureResult(DkimResult.PASS, None, "bank.example"),)
FAILING = (SignatureResult(DkimResult.FAIL, DkimReason.BODY_CHANGED(), "bank.example"),)
RECORDS = [
    seen("4Xfail1"),
    seen("4Xpass1", "pass"),
    seen("4Xtest1", applied="quarantine"),
    seen("4Xours1", is_refused=True),
    seen("4Xdkim1", signatures=PASSING),
    seen("4Xdkim2", signatures=FAILING),
    seen("4Xperm1", "permerror"),
    seen("4Xspf11", spf=spf("fail")),
    record("4Xnone1", verdict=None, disposition=SPARED),
    seen("4Xtwo11", client=OTHER_CLIENT, spf=spf("none")),
]
DMARC, DKIM = "5.7.1 rejected by DMARC policy for bank.example", "5.7.0 bad DKIM signature data"
SPF = "550 5.7.23 <j@example.org>: Recipient address rejected: Message rejected due to: SPF fail - not authorized."
CASES: dict[str, tuple[str, str, str, list[tuple[str, str, str, str]], set[tuple[str | None, str]]]] = {
    "both": ("4Xfail1", DMARC, "192.0.2.10", [], set()),
    "t=y": ("4Xtest1", DMARC, "192.0.2.10", [("dmarc", "fail (refused)", "fail (p=quarantine)", "test-mode")], set()),
    "not by us": ("4Xpass1", DMARC, "192.0.2.10", [("dmarc", "fail (refused)", "pass", "not-counted")], set()),
    "by us": ("4Xours1", DMARC, "192.0.2.10", [], {("dmarc", "our-refusal")}),
    "not judged by us": ("4Xnone1", DMARC, "192.0.2.10", [], {("dmarc", "not-judged")}),
    "DKIM, believed by us": ("4Xdkim1", DKIM, "192.0.2.10", [("dkim", "fail (refused)", "pass", "unknown")], set()),
    "DKIM, by neither": ("4Xdkim2", DKIM, "192.0.2.10", [], set()),
    "spam": ("4Xfail1", "5.7.1 Spam message rejected", "192.0.2.10", [], {(None, "other-refusal")}),
    "DKIM, no signature": ("4Xfail1", "5.7.0 no signature data", "192.0.2.10", [], set()),
    "of DMARC without a queue id there": ("4Xelse1", DMARC, "192.0.2.10", [], {("dmarc", "not-in-journal")}),
    "DMARC, of an author that none can be": ("4Xperm1", DMARC, "192.0.2.10", [("dmarc", "fail (refused)", "permerror", "unusable-from")], set()),
    "SPF, the same": ("4Xspf11", SPF, "192.0.2.10", [], set()),
    "another message": ("4Xelse1", DMARC, "203.0.113.9", [], {("dmarc", "not-in-journal")}),
    "SPF, of a message that came later": ("NOQUEUE", SPF, "192.0.2.99", [("spf", "fail (refused)", "none", "unknown")], set()),
    "SPF, judged again": ("NOQUEUE", SPF, "203.0.113.9", [], set()),
    "SPF of HELO": (
        "NOQUEUE", SPF + " Please see http://www.openspf.net/Why?s=helo;id=out.example;ip=192.0.2.10;r=x", "192.0.2.10",
        [("spf", "fail (refused)", "none", "spf-changed")], set(),
    ),
    "SPF, which has changed since": (
        "NOQUEUE", SPF.replace("fail", "softfail"), "203.0.113.9",
        [("spf", "softfail (refused)", "fail", "spf-changed")], set(),
    ),
}  # fmt: skip


def line(queue_id: str, reply: str, client: str) -> str:
    what = "reject: RCPT" if queue_id == "NOQUEUE" else "milter-reject: END-OF-MESSAGE"
    program = "smtpd" if queue_id == "NOQUEUE" else "cleanup"
    time = datetime.fromtimestamp(NOW, UTC).isoformat()
    return (
        f"{time} mx postfix/{program}[1]: {queue_id}: {what} from x[{client}]: {reply}; from=<a@bank.example>"
        " to=<j@example.org> proto=ESMTP helo=<out.example>\n"
    )


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('journal') / 'journal.sqlite'}"
    # The first that has no queue id finds whichever message of its client is nearest in time.
    assert write(JournalSection(database=database_url(url)), RECORDS) == [("written", len(RECORDS))]
    return url


@pytest.mark.parametrize(("queue_id", "reply", "client", "differences", "missing"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("suffix", ["", ".gz"], ids=["plain", "gz"])
def test_refusals(  # type: ignore[no-untyped-def]
    tmp_path: Path, capsys, journal: str, queue_id, reply, client, differences, missing, suffix: str
) -> None:
    (tmp_path / "zone").write_text(moving_in.ZONE)
    log = tmp_path / f"mail.log{suffix}"
    octets = ("a line\n" + line(queue_id, reply, client)).encode()
    log.write_bytes(gzip.compress(octets) if suffix else octets)
    (tmp_path / "settings").write_text("")
    options = ["--config", tmp_path / "settings", "--zone", tmp_path / "zone", "--journal", journal]
    status = main(["compare", "--json", "--mail-log", str(log), *map(str, options)])
    told = json.loads(capsys.readouterr().out)
    assert [(each["method"], each["old"], each["new"], each["cause"]) for each in told["differences"]] == differences
    assert {(each["method"], each["why"]) for each in told["not_compared"]} == missing
    assert (told["refused"], told["messages"]) == (1, 0)
    assert status == (2 if missing else bool(differences))


def test_a_journal_is_not_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zone").write_text(moving_in.ZONE)
    (tmp_path / "log").write_text(line("NOQUEUE", SPF, "203.0.113.9") + line("4Xfail1", DMARC, "192.0.2.10"))
    (tmp_path / "settings").write_text(f'[journal]\ndatabase = "sqlite:///{tmp_path}/nowhere"\n')
    options = ["--config", tmp_path / "settings", "--zone", tmp_path / "zone", "--mail-log", tmp_path / "log"]
    assert main(["compare", *map(str, options)]) == 0
    out, err = capsys.readouterr()
    assert "the journal cannot be read" in err
    assert "the one result is alike" in out
    assert "not in the journal" in " ".join(out.split())


@pytest.mark.parametrize(("policy", "why"), [("networks", "not-judged"), ("relays", "no-client")])
def test_clients_that_are_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, why: str) -> None:
    (tmp_path / "zone").write_text(moving_in.ZONE)
    (tmp_path / "log").write_text(line("NOQUEUE", SPF, "203.0.113.9"))
    settings = f'[journal]\nenabled = false\n[policy]\ntrusted_{policy} = ["203.0.113.9"]\n'
    (tmp_path / "settings").write_text(settings)
    options = ["--config", tmp_path / "settings", "--zone", tmp_path / "zone", "--mail-log", tmp_path / "log"]
    assert main(["compare", "--json", *map(str, options)]) == 2
    (missing,) = json.loads(capsys.readouterr().out)["not_compared"]
    assert (missing["method"], missing["why"]) == ("spf", why)
