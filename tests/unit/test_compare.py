"""`dmarc-milter compare`: results of an old chain beside ours, with causes, and what cannot be compared."""

import gzip
import io
import json
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Any

import dkim
import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.comparing.cause import WORDS, Cause
from dmarc_milter.comparing.facts import MISSING_WORDS, Missing
from tests.support import moving_in
from tests.support.document_examples import COMPARE
from tests.support.expiring import signed
from tests.support.keys import ed25519_key
from tests.support.moving_in import AT, DKIM, SIGNED, body, delivered
from tests.support.sealed import MESSAGE, seal


class Told:
    """What the command said."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def causes(self) -> list[tuple[str, str, str, str]]:
        return [(each["method"], each["old"], each["new"], each["cause"]) for each in self.json["differences"]]

    @property
    def missing(self) -> set[tuple[str | None, str]]:
        return {(each["method"], each["why"]) for each in self.json["not_compared"]}


@pytest.fixture
def compare(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("zone").write_text(moving_in.ZONE)
    Path("settings").write_text('[milter]\nauthserv_id = "new.example"\n[journal]\nenabled = false\n')

    def run(*arguments: str, message: bytes | None = None) -> Told:
        if message is not None:
            Path("m.eml").write_bytes(message)
            arguments = ("m.eml", *arguments)
        options = ["--config", "settings", "--zone", "zone"]
        status = main(["compare", *options, *arguments])
        return Told(status, *capsys.readouterr())

    return run


def now_other(domain: str) -> dict[str, str]:
    return {"client": "203.0.113.9", "path": f"news@{domain}"}


DKIM_CAUSES: dict[str, tuple[bytes, str, str]] = {
    "key gone": (signed(body(), selector="gone"), "permerror", "key-gone"),
    "key revoked": (signed(body(), selector="revoked"), "permerror", "key-gone"),
    "another key": (signed(body(), selector="other"), "fail", "header-changed"),
    "key too short": (signed(body(), selector="short"), "policy", "key-too-short"),
    "rsa-sha1": (signed(body(), digest="sha1"), "permerror", "rsa-sha1"),
    "a key that is tested": (signed(body(), selector="testing") + b"x\r\n", "neutral", "key-testing"),
    "l=": (signed(body(), tags="l=5;"), "fail", "body-changed"),
    "a footer": (SIGNED + b"-- \r\nlist\r\n", "fail", "body-changed"),
    "a subject": (SIGNED.replace(b"Subject: ", b"Subject: [spam] "), "fail", "header-changed"),
    "expired then": (signed(body(), tags=f"t={AT - 9_000}; x={AT - 5_000};"), "permerror", "expired"),
    "signed in the future": (signed(body(), tags=f"t={AT + 5_000};"), "permerror", "clock"),
    "a tag missing": (signed(body(), tags="i=@other.example;"), "permerror", "syntax"),
}


@pytest.mark.parametrize(("message", "new", "cause"), DKIM_CAUSES.values(), ids=DKIM_CAUSES)
def test_why_signatures_differ(compare, message: bytes, new: str, cause: str) -> None:  # type: ignore[no-untyped-def]
    selector = message.partition(b" s=")[2].partition(b";")[0].decode()
    told = compare("--json", message=delivered(DKIM + selector + "; dmarc=pass header.from=bank.example", message))
    assert told.status == 1
    assert told.causes == [("dkim", "pass", new, cause)]
    assert told.json["differences"][0]["domain"] == "bank.example"


def just_now() -> dict[str, str]:
    """For what dkimpy signs: with the time of the test."""
    return {"date": formatdate()}


def ed25519(message: bytes) -> bytes:
    key = ed25519_key()[0]
    signature: bytes = dkim.sign(message, b"e", b"bank.example", key, signature_algorithm=b"ed25519-sha256")
    return signature + message


BELIEVED = {
    "ed25519": (
        "dkim=neutral (unsupported) header.d=bank.example header.s=e", ed25519(body()),
        ("dkim", "neutral", "pass", "ed25519"),
    ),
    "a key that was not found": (
        'dkim=fail reason="key not found in DNS" header.d=bank.example header.s=s', SIGNED,
        ("dkim", "fail", "pass", "key-missing-then"),
    ),
    "rspamd's word for that": (
        'dkim=none ("invalid DKIM record") header.d=bank.example header.s=s', SIGNED,
        ("dkim", "none", "pass", "key-missing-then"),
    ),
    "nobody knows why": (DKIM.replace("pass", "fail") + "s", SIGNED, ("dkim", "fail", "pass", "unknown")),
    "not seen there": ("dkim=none", SIGNED, ("dkim", "none", "pass", "unknown")),
}  # fmt: skip


@pytest.mark.parametrize(("results", "message", "difference"), BELIEVED.values(), ids=BELIEVED)
def test_what_the_old_chain_did_not_believe(compare, results, message, difference) -> None:  # type: ignore[no-untyped-def]
    assert compare("--json", message=delivered(results, message, **just_now())).causes == [difference]


SEALED_BODY = MESSAGE.replace(b"example.com", b"bank.example")
ARC: dict[str, tuple[str, bytes, bytes, list[tuple[str, str, str, str]]]] = {
    "alike": ("pass", seal(SEALED_BODY), b"", []),
    "a footer": ("pass", seal(SEALED_BODY), b"-- \r\n", [("arc", "pass", "fail", "body-changed")]),
    "no key": ("pass", seal(SEALED_BODY, b"gone.example"), b"", [("arc", "pass", "fail", "key-gone")]),
    "not looked at there": ("none", seal(SEALED_BODY), b"", [("arc", "none", "pass", "unknown")]),
    "gone": ("pass", body(), b"", []),
}


@pytest.mark.parametrize(("old", "message", "more", "differences"), ARC.values(), ids=ARC)
def test_chains(compare, old, message, more, differences) -> None:  # type: ignore[no-untyped-def]
    told = compare("--json", message=delivered(f"arc={old}", message + more, **just_now()))
    assert told.causes == differences
    assert (("arc", "signature-gone") in told.missing) is (message == body())


RESULTS: dict[str, tuple[str, bytes | None, dict[str, Any], list[tuple[str, str, str, str]]]] = {
    "alike": (DKIM + "s; spf=pass smtp.mailfrom=bank.example; dmarc=pass", SIGNED, {}, []),
    "a signature that has expired since": (
        DKIM + "s", signed(body(), tags=f"t={AT - 100}; x={AT + 100};"), {}, []
    ),
    "what only one of both means": ("dmarc=permerror", None, {}, [("dmarc", "permerror", "pass", "unknown")]),
    "rspamd's word for a key that is not there": (
        'dkim=none ("invalid DKIM record") header.d=bank.example header.s=gone', signed(body(), selector="gone"), {}, []
    ),
    "Amavis' words": (DKIM.replace("pass", "softfail") + "s", SIGNED + b"x\r\n", {}, []),
    "a client that authentication_milter trusts": (
        "x-trusted-ip=pass; spf=none smtp.mailfrom=bank.example", None, {}, [("spf", "none", "pass", "client-ignored")]
    ),
    "other words for what does not count": (DKIM.replace("pass", "fail") + "gone", signed(body(), selector="gone"), {}, []),
    "SPF has changed": (
        "spf=pass smtp.mailfrom=bank.example", None, now_other("bank.example"), [("spf", "pass", "fail", "spf-changed")]
    ),
    "a limit": (
        "spf=pass smtp.mailfrom=many.example", None, now_other("many.example"), [("spf", "pass", "permerror", "limits")]
    ),
    "an error then": (
        "spf=temperror smtp.mailfrom=bank.example; dmarc=temperror", None, {},
        [("spf", "temperror", "pass", "temporary-error"), ("dmarc", "temperror", "pass", "temporary-error")],
    ),
    "an error now": (
        "spf=pass smtp.mailfrom=lost.example", None, {"path": "x@lost.example"},
        [("spf", "pass", "temperror", "temporary-error")],
    ),
    "a client that was trusted there": (
        "spf=pass (trusted network) smtp.mailfrom=bank.example", None, now_other("bank.example"),
        [("spf", "pass", "fail", "client-ignored")],
    ),
    "what DMARC stands on": (
        "spf=pass smtp.mailfrom=bank.example; dmarc=pass", None, now_other("bank.example"),
        [("spf", "pass", "fail", "spf-changed"), ("dmarc", "pass", "fail", "spf-changed")],
    ),
    "DMARC alone is told, SPF has changed": (
        "dmarc=pass", None, now_other("bank.example"), [("dmarc", "pass", "fail", "spf-changed")]
    ),
    "DMARC alone is told, the key is gone": (
        "dmarc=pass", signed(body(), selector="gone"), now_other("corp.example"), [("dmarc", "pass", "fail", "key-gone")]
    ),
    "pct": (
        "dmarc=fail (p=quarantine dis=none) header.from=pct.example", body("pct.example"), now_other("pct.example"),
        [("dmarc", "fail (p=quarantine dis=none)", "fail (p=quarantine)", "pct")],
    ),
    "pct, all quarantined all the same": (
        "dmarc=fail (p=quarantine dis=quarantine) header.from=pct.example", body("pct.example"), now_other("pct.example"), []
    ),
    "t=y": (
        "dmarc=fail (p=reject dis=reject) header.from=test.example", body("test.example"), now_other("test.example"),
        [("dmarc", "fail (p=reject)", "fail (p=quarantine)", "test-mode")],
    ),
    "np": (
        "dmarc=fail (p=none dis=none) header.from=x.np.example", body("x.np.example"), now_other("bank.example"),
        [("dmarc", "fail (p=none)", "fail (p=reject)", "nonexistent")],
    ),
    "the walk": (
        "spf=fail smtp.mailfrom=mail.dept.corp.example; dmarc=fail (p=none dis=none)",
        body("mail.dept.corp.example"), now_other("mail.dept.corp.example"),
        [("dmarc", "fail (p=none)", "fail (p=reject)", "tree-walk")],
    ),
    "the walk, alignment": (
        "spf=pass smtp.mailfrom=corp.example; dmarc=pass", body("mail.dept.corp.example"), {"path": "x@corp.example"},
        [("dmarc", "pass", "fail", "tree-walk")],
    ),
    "the policy has changed": (
        "dmarc=fail (p=none dis=none)", None, now_other("bank.example"),
        [("dmarc", "fail (p=none)", "fail (p=reject)", "dmarc-changed")],
    ),
    "a record has come": ("dmarc=none", None, now_other("bank.example"), [("dmarc", "none", "fail", "dmarc-changed")]),
    "DMARC that did not count SPF": (
        "spf=pass smtp.mailfrom=bank.example; dmarc=fail", None, {}, [("dmarc", "fail", "pass", "not-counted")]
    ),
    "two authors": (
        "dmarc=pass header.from=bank.example", b"From: <a@bank.example>, <b@corp.example>\r\n\r\n", {},
        [("dmarc", "pass", "permerror", "unusable-from")],
    ),
    "dmarc alone fails in both": ("dmarc=fail (p=reject dis=none)", None, now_other("bank.example"), []),
}  # fmt: skip


@pytest.mark.parametrize(("results", "message", "session", "differences"), RESULTS.values(), ids=RESULTS)
def test_judged_again(  # type: ignore[no-untyped-def]
    compare,
    results: str,
    message: bytes | None,
    session: dict[str, Any],
    differences: list[tuple[str, str, str, str]],
) -> None:
    told = compare("--json", message=delivered(results, message, **session))
    assert told.causes == differences
    assert told.status == (1 if differences else 0)
    assert (told.json["messages"], told.json["judged_again"], told.json["live"]) == (1, 1, 0)


RECEIVED_SPF = {
    "alike": (b"Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.10; helo=h; envelope-from=a@bank.example", []),
    "changed": (
        b"Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.9; helo=h;\r\n\tenvelope-from=<a@bank.example>; receiver=x",
        [("spf", "pass", "fail", "spf-changed")],
    ),
    "HELO": (
        b"None (no SPF record) identity=helo; client-ip=203.0.113.9; helo=h.example; envelope-from=<>; receiver=x",
        [],
    ),
    "ours": (b"fail (x)\r\n\treceiver=new.example; client-ip=203.0.113.9; identity=mailfrom", None),
    "no result": (b"client-ip=203.0.113.9", None),
}


@pytest.mark.parametrize(("field", "differences"), RECEIVED_SPF.values(), ids=RECEIVED_SPF)
@pytest.mark.parametrize("results", ["", "dkim=none"], ids=["alone", "beside"])
def test_received_spf_is_the_old_chains_result_too(compare, field, differences, results) -> None:  # type: ignore[no-untyped-def]
    told = compare("--json", message=b"Received-SPF: " + field + b"\r\n" + delivered(results))
    assert told.causes == (differences or [])
    assert any(each["method"] == "spf" for each in told.json["table"]) is (differences is not None)


def test_received_spf_of_who_sent_it_on_is_none_of_the_old_chain(compare) -> None:  # type: ignore[no-untyped-def]
    message = delivered("", b"Received-SPF: fail identity=mailfrom; client-ip=203.0.113.9\r\n" + body())
    assert compare("--json", message=message).missing == {(None, "no-old-field")}


ALL = "spf=pass smtp.mailfrom=bank.example; dkim=none; dmarc=pass; arc=none"
MISSING: dict[str, tuple[bytes, set[tuple[str | None, str]], int]] = {
    "nothing": (delivered(ALL), set(), 0),
    "no field": (delivered(""), {(None, "no-old-field")}, 2),
    "a field that cannot be read": (delivered("dmarc=pass ("), {(None, "unreadable-field")}, 2),
    "no such method": (
        delivered("dmarc=pass"), {("spf", "no-method"), ("dkim", "no-method"), ("arc", "no-method")}, 0
    ),
    "words that are no results": (
        delivered("spf=perhaps smtp.mailfrom=bank.example; dkim=yes header.d=bank.example; dmarc=ok; arc=no", SIGNED),
        {(each, "unknown-result") for each in ("spf", "dkim", "dmarc", "arc")},
        2,
    ),
    "a client that was ignored": (
        delivered("none (SPF not checked for localhost)"),
        {("spf", "client-ignored"), ("dmarc", "client-ignored"), ("dkim", "no-method"), ("arc", "no-method")},
        2,
    ),
    "no client": (delivered(ALL, client=None), {("spf", "no-client"), ("dmarc", "no-client")}, 0),
    "no client, but a signature": (
        delivered(ALL.replace("dkim=none", DKIM + "s"), SIGNED, client=None), {("spf", "no-client")}, 0
    ),
    "no MAIL FROM": (
        delivered("dkim=none; dmarc=pass; arc=none; spf=pass", path=None), {("spf", "no-mail-from"), ("dmarc", "no-mail-from")}, 0
    ),
    "no time": (
        delivered(
            ALL.replace("dkim=none", DKIM + "s"), signed(body(), tags="t=1; x=2;"), date="?", client="203.0.113.9"
        ),
        {("dkim", "no-time"), ("dmarc", "no-time")},
        1,
    ),
    "HELO there": (
        delivered(ALL.replace("smtp.mailfrom=bank.example", "smtp.helo=out.example")), {("spf", "other-identity")}, 0
    ),
    "a signature that is gone": (delivered(ALL.replace("dkim=none", DKIM + "s")), {("dkim", "signature-gone")}, 0),
    "a signature more than there": (
        delivered(ALL.replace("dkim=none", DKIM.replace("bank", "list") + "s"), SIGNED),
        {("dkim", "signature-gone"), ("dkim", "not-looked-at")},
        0,
    ),
    "a broken message": (b"\0\0\0 nothing", {(None, "no-message")}, 2),
}  # fmt: skip


@pytest.mark.parametrize(("message", "missing", "status"), MISSING.values(), ids=MISSING)
def test_what_cannot_be_compared_is_no_difference(compare, message, missing, status) -> None:  # type: ignore[no-untyped-def]
    told = compare("--json", message=message)
    assert told.missing == missing
    assert told.status == status
    assert not {method for method, *_ in told.causes} & {method for method, _ in missing}


def test_mail_that_is_not_judged_any_more(compare) -> None:  # type: ignore[no-untyped-def]
    with Path("settings").open("a") as settings:
        settings.write('[policy]\ntrusted_networks = ["192.0.2.0/24"]\n')
    told = compare("--json", message=delivered(ALL))
    assert told.missing == {(each, "not-judged") for each in ("spf", "dkim", "dmarc", "arc")}


OURS = "Authentication-Results: new.example; dmarc={dmarc} (p=reject dis=none) header.from=bank.example policy.dmarc=reject;\r\n spf={spf} smtp.mailfrom=bank.example; dkim=none\r\n"
LIVE = {
    "alike": ("pass", "pass", "spf=pass smtp.mailfrom=bank.example; dmarc=pass; dkim=none; arc=none", "192.0.2.10", []),
    "nobody knows why": ("pass", "pass", "spf=fail smtp.mailfrom=bank.example", "192.0.2.10", [("spf", "fail", "pass", "unknown")]),
    "another client": (
        "pass", "pass", "spf=fail (client-ip=203.0.113.9) smtp.mailfrom=bank.example", "192.0.2.10",
        [("spf", "fail", "pass", "other-client")],
    ),
    "the same fails": ("fail", "fail", "spf=fail smtp.mailfrom=bank.example; dmarc=fail (p=reject dis=reject)", "203.0.113.9", []),
    "DMARC did not count SPF": (
        "pass", "pass", "spf=pass smtp.mailfrom=bank.example; dmarc=fail (p=reject dis=none)", "192.0.2.10",
        [("dmarc", "fail", "pass", "not-counted")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("dmarc", "spf", "old", "client", "differences"), LIVE.values(), ids=LIVE)
def test_both_fields_in_a_message(compare, dmarc, spf, old, client, differences) -> None:  # type: ignore[no-untyped-def]
    told = compare("--json", message=OURS.format(dmarc=dmarc, spf=spf).encode() + delivered(old, client=client))
    assert told.json["live"] == 1
    assert told.causes == differences


def test_a_policy_under_test_in_both_fields(compare) -> None:  # type: ignore[no-untyped-def]
    ours = b"Authentication-Results: new.example; dmarc=fail (p=quarantine dis=none) header.from=test.example\r\n policy.dmarc=quarantine; spf=none; dkim=none\r\n"
    old = delivered("dmarc=fail (p=reject dis=none)", body("test.example"), client="203.0.113.9")
    told = compare("--json", message=ours + old)
    assert told.causes == [("dmarc", "fail (p=reject)", "fail (p=quarantine)", "test-mode")]


def test_several_fields_of_several_programs(compare) -> None:  # type: ignore[no-untyped-def]
    fields = b"".join(
        b"Authentication-Results: %s\r\n" % each
        for each in (
            b"OpenDMARC; dmarc=pass (p=reject dis=none)",
            b"mx.example.org; dkim=none",
            b"policyd; spf=fail smtp.mailfrom=bank.example",
        )
    )
    message = fields + delivered("arc=none")
    told = compare("--json", message=message)
    assert told.json["old_ids"] == {"opendmarc": 1, "mx.example.org": 1, "policyd": 1}
    assert told.causes == [("spf", "fail", "pass", "spf-changed")]
    fewer = compare("--json", "--old-id", "OpenDMARC", message=message)
    assert fewer.json["old_ids"] == {"opendmarc": 1}
    assert fewer.status == 0


def test_an_old_chain_under_our_own_id(compare) -> None:  # type: ignore[no-untyped-def]
    message = delivered("dmarc=fail", authserv_id="new.example")
    nothing = compare(message=message)
    assert nothing.status == 2
    assert (
        "nothing could be compared. Where the old chain wrote under new.example, too: --old-id new.example"
        in nothing.err
    )
    assert compare("--old-id", "new.example", message=message).status == 1


def test_an_old_chain_on_another_host(compare) -> None:  # type: ignore[no-untyped-def]
    relayed = (
        b"Received: from mx.example.org (mx.example.org [198.51.100.1]) by store.example.org (Postfix) id 1; x\r\n"
    )
    message = relayed + delivered(ALL)
    nothing = compare("--our-id", "store", message=message)
    assert nothing.status == 2
    assert "--old-id store" in nothing.err
    other = compare("--old-id", "store", message=message)
    assert "Name the ids of the old chain (--old-id), and the hosts that hand mail to this one (--trust)" in other.err
    for option in (["--trust", "198.51.100.1"], ["--old-id", "mx.example.org"]):
        told = compare("--json", *option, message=message)
        assert (told.status, told.json["compared"], told.json["differing"]) == (0, 4, 0)


def test_mailboxes_of_every_kind(compare, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    message = delivered(ALL)
    for folder in ("box/cur", "box/new", "box/.Lists.Announce/cur", "box/.Junk/new", "box/tmp"):
        Path(folder).mkdir(parents=True)
        Path(folder, "1700000000.M1").write_bytes(message)
    Path("box/cur/broken").write_bytes(b"\0")
    Path("mbox").write_bytes(b"From x\n" + message.replace(b"\r", b"") + b"\nFrom y\n" + message.replace(b"\r", b""))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(message)))
    told = compare("--json", "box", "mbox", "-")
    assert told.status == 0
    assert (told.json["messages"], told.json["judged_again"]) == (8, 7)
    assert told.missing == {(None, "no-message")}


@pytest.mark.parametrize("width", [40, 80, 132])
def test_what_people_see(compare, monkeypatch: pytest.MonkeyPatch, width: int) -> None:  # type: ignore[no-untyped-def]
    name = "a\033[2Jb"
    Path(name).write_bytes(delivered('dmarc=pass; spf="\033[2Jpass" smtp.mailfrom=bank.example', client="203.0.113.9"))
    monkeypatch.setenv("COLUMNS", str(width))
    told = compare(name, "--color", "never")
    assert told.status == 1
    assert "\033" not in told.out
    lines, words = told.out.splitlines(), " ".join(told.out.split())
    assert words.startswith("1 message: 0 with the fields of both, 1 judged again;")
    assert "old chain: mx.example.org; ours: new.example" in words
    assert any(line.startswith("dmarc") and line.endswith("1  differs") for line in lines)
    assert max(map(len, lines)) <= width
    assert "a?[2Jb" in told.out
    assert MISSING_WORDS[Missing.NO_METHOD] in " ".join(told.out.split())


def test_no_more_differences_are_shown_than_wanted(compare) -> None:  # type: ignore[no-untyped-def]
    message = delivered("dmarc=fail").replace(b"\r", b"")
    Path("mbox").write_bytes(b"".join(b"From x\n" + message + b"\n" for _ in range(5)))
    told = compare("mbox", "--limit", "2")
    assert "  and 3 more: --limit, --json" in told.out
    assert told.out.count("mbox[") == 2
    assert len(compare("mbox", "--json").json["differences"]) == 5


WRONG = {
    "nothing": ([], "name a MESSAGE"),
    "no such file": (["nowhere"], "nowhere: No such file"),
    "no such zone": (["m.eml", "--zone", "nowhere"], "nowhere"),
    "one id for both": (["m.eml", "--old-id", "A", "--our-id", "a"], "cannot be told apart"),
    "no id": (["m.eml", "--old-id", ""], "an id has at least one character"),
    "no network": (["m.eml", "--trust", "x"], "--trust"),
    "no log": (["--mail-log", "nowhere"], "nowhere: No such file"),
    "no journal": (["--mail-log", "log", "--journal", "sqlite:///nowhere"], "the journal cannot be read"),
    "a log that is broken": (["--mail-log", "log.gz"], "log.gz: cannot be read"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used(compare, arguments: list[str], said: str) -> None:  # type: ignore[no-untyped-def]
    Path("m.eml").write_bytes(delivered(ALL))
    Path("log").write_bytes(b"")
    Path("log.gz").write_bytes(gzip.compress(b"x" * 1000)[:-9])
    told = compare(*arguments)
    assert told.status == 2
    assert told.err.startswith("dmarc-milter: ")
    assert said in told.err
    assert told.out == ""


def test_every_cause_and_everything_missing_has_words() -> None:
    assert set(WORDS) == set(Cause)
    assert set(MISSING_WORDS) == set(Missing)


EXAMPLES = COMPARE.examples()


@pytest.mark.parametrize(("command", "told"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_the_output_in_the_document_is_real(command: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m tests.support.document_examples` writes it anew."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert told == COMPARE.output(command)


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("code", [*(each.value for each in Cause), *(each.value for each in Missing)])
def test_the_document_has_every_code(code: str) -> None:
    assert f"`{code}`" in COMPARE.document.read_text("utf-8")
