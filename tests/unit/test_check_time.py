"""`check` judges as of the time at which a message came in: signatures expire, and are not from the future."""

import json
from pathlib import Path

import pytest

import dmarc_milter
from dmarc_milter.cli.check import receipt
from dmarc_milter.cli.main import main
from tests.support.expiring import signed
from tests.support.keys import rsa_key, strings
from tests.support.sealed import MESSAGE, seal

DAY = 86_400
AT = 1_700_000_000
"""Tue, 14 Nov 2023 22:13:20 +0000"""
IN_TIME = "Tue, 14 Nov 2023 22:13:20 +0000"
LATER = "Tue, 21 Nov 2023 22:13:20 +0000"
EARLIER = "Tue, 7 Nov 2023 22:13:20 +0000"
ZONE = (
    '_dmarc.bank.example. 300 IN TXT "v=DMARC1; p=reject"\n'
    f"s._domainkey.bank.example. 300 IN TXT {strings(rsa_key()[1])}\n"
    f"s._domainkey.lists.example. 300 IN TXT {strings(rsa_key()[1])}\n"
)
SIGNED = signed(b"From: <news@bank.example>\r\nSubject: x\r\n\r\nHello\r\n", tags=f"t={AT - DAY}; x={AT + DAY};")


def hop(date: str, client: str = "192.0.2.10", by: str = "mx.example.org") -> bytes:
    return f"Received: from out.example (out.example [{client}])\r\n\tby {by} (Postfix) id 4X; {date}\r\n".encode()


LMTP = b"Received: from mx.example.org by mx.example.org with LMTP id 8; Tue, 21 Nov 2023 22:13:20 +0000\r\n"
CASES = {
    "in time": (hop(IN_TIME), [], "pass", "2023-11-14T22:13:20Z", "Received field 1"),
    "expired then": (hop(LATER), [], "permerror", "2023-11-21T22:13:20Z", "Received field 1"),
    "from the future then": (hop(EARLIER), [], "permerror", "2023-11-07T22:13:20Z", "Received field 1"),
    "put into the mailbox later": (LMTP + hop(IN_TIME), [], "pass", "2023-11-14T22:13:20Z", "Received field 2"),
    "what a sender wrote below": (hop(LATER) + hop(IN_TIME), [], "permerror", "2023-11-21T22:13:20Z", "Received field 1"),
    "a relay that is trusted": (
        hop(LATER, "198.51.100.1") + hop(IN_TIME),
        ["--trust", "198.51.100.1"],
        "pass",
        "2023-11-14T22:13:20Z",
        "Received field 2",
    ),
    "the client is given": (hop(IN_TIME), ["--ip", "192.0.2.99"], "pass", "2023-11-14T22:13:20Z", "Received field 1"),
    "a client that cannot be read": (
        f"Received: from somewhere; {IN_TIME}\r\n".encode(), [], "pass", "2023-11-14T22:13:20Z", "Received field 1"
    ),
    "seconds": (hop(LATER), ["--at", str(AT)], "pass", "2023-11-14T22:13:20Z", "as given"),
    "RFC 3339": (hop(LATER), ["--at", "2023-11-14T23:13:20+01:00"], "pass", "2023-11-14T22:13:20Z", "as given"),
    "RFC 5322": (hop(LATER), ["--at", IN_TIME], "pass", "2023-11-14T22:13:20Z", "as given"),
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("zone").write_text(ZONE)

    def check(message: bytes, *arguments: str) -> tuple[int, str, str]:
        Path("m.eml").write_bytes(message)
        status = main(["check", "--zone", "zone", "m.eml", *arguments])
        return status, *capsys.readouterr()

    return check


@pytest.mark.parametrize(("fields", "options", "dkim", "at", "source"), CASES.values(), ids=CASES)
def test_the_time_of_receipt(run, fields: bytes, options: list[str], dkim: str, at: str, source: str) -> None:  # type: ignore[no-untyped-def]
    told = json.loads(run(fields + SIGNED, "--json", *options)[1])
    assert [each["result"] for each in told["dkim"]] == [dkim]
    assert (told["judged_at"], told["judged_at_from"]) == (at, source)
    for more in ([], ["-v"]):
        assert f"{at} ({source})" in " ".join(run(fields + SIGNED, *options, *more)[1].split())


NOW = {
    "no field": (b"", "there is no Received field"),
    "no date": (hop(""), "Received field 1 has no date that can be read"),
    "a wrong date": (hop("Tue, 41 Nov 2023 22:13:20 +0000"), "Received field 1 has no date that can be read"),
    "the future": (hop("1 Jan 2999 00:00:00 +0000"), "Received field 1 has a date in the future, 2999-01-01T00:00:00Z"),
    "an escape": (hop("\033[2J"), "Received field 1 has no date that can be read"),
}


@pytest.mark.parametrize(("fields", "why"), NOW.values(), ids=NOW)
def test_a_time_that_is_not_known_is_now_and_said(run, fields: bytes, why: str) -> None:  # type: ignore[no-untyped-def]
    told = json.loads(run(fields + SIGNED, "--json")[1])
    assert told["dkim"][0]["code"] == "expired"
    assert told["judged_at_from"] == f"now: {why}"
    assert told["advice"][-1].startswith("Say when the message came in: --at TIME.")
    for more in ([], ["-v"]):
        out = run(fields + SIGNED, *more)[1]
        assert f"now: {why}" in " ".join(out.replace("│", " ").split())
        assert "\033" not in out


def test_many_messages_say_how_many_have_no_time(run) -> None:  # type: ignore[no-untyped-def]
    _, out, _ = run(SIGNED, "m.eml")
    assert "judged as of now: 2, whose time of receipt is unknown" in out
    assert "as of now" not in run(hop(IN_TIME) + SIGNED, "m.eml")[1]


WRONG = {
    "words": ("yesterday", "is none of: 2026-11-24T10:00:05Z"),
    "no such day": ("2026-02-30T10:00:05Z", "is none of"),
    "a duration": ("24h", "is none of"),
    "the future": ("2999-01-01T00:00:00Z", "lies in the future"),
    "more seconds than there are": ("99999999999", "lies in the future"),
    "before 1970": ("1969-01-01T00:00:00Z", "is none of"),
    "empty": ("", "is none of"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_time_that_is_none(run, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run(SIGNED, "--at", text)
    assert (status, out) == (2, "")
    assert err.startswith("dmarc-milter: --at ")
    assert said in err


def test_seconds_may_have_a_fraction() -> None:
    assert receipt.received("1700000000.25") == 1_700_000_000.25


@pytest.mark.parametrize(("at", "arc"), [(None, "pass"), (AT, "fail")], ids=["now", "before it was sealed"])
def test_seals_too_are_judged_as_of_then(at: float | None, arc: str) -> None:
    envelope = dmarc_milter.Envelope(bytes([192, 0, 2, 10]), "out.example", "a@example.com")
    found = dmarc_milter.evaluate(seal(MESSAGE), envelope, dmarc_milter.Dns.zone(ZONE), at=at)
    assert found.verdict is not None
    assert found.verdict.arc.status.value == arc


@pytest.mark.parametrize(("at", "dkim"), [(AT, "pass"), (AT + 2 * DAY, "permerror"), (None, "permerror")])
def test_evaluate_takes_a_time(at: float | None, dkim: str) -> None:
    envelope = dmarc_milter.Envelope(bytes([192, 0, 2, 10]), "out.example", "news@bank.example")
    found = dmarc_milter.evaluate(SIGNED, envelope, dmarc_milter.Dns.zone(ZONE), at=at)
    assert found.verdict is not None
    assert [each.result.value for each in found.verdict.signatures] == [dkim]
    assert at is None or found.outcome.record.time == at
