"""`dmarc-milter check`: what it reads, where the envelope is from, what it tells, how it ends."""

import io
import json
import sys
from pathlib import Path

import pytest

import dmarc_milter
from dmarc_milter.cli.main import main
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.explaining import messages, zone_file
from dmarc_milter.explaining.messages import InputError, read
from tests.support.document_examples import CHECK

ZONE = """$TTL 300
bank.example. IN TXT "v=spf1 ip4:192.0.2.10 include:_spf.bank.example -all"
_spf.bank.example. IN TXT "v=spf1 a:x.bank.example ~all"
x.bank.example. IN A 192.0.2.11
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; rua=mailto:r@other.example"
bank.example._report._dmarc.other.example. IN TXT "v=DMARC1"
test.example. IN TXT "v=spf1 -all"
_dmarc.test.example. IN TXT "v=DMARC1; p=reject; t=y; pct=50; rua=mailto:r@elsewhere.example"
eleven.example. IN TXT "v=spf1 a:a.x.example a:b.x.example a:c.x.example a:d.x.example a:e.x.example a:f.x.example a:g.x.example a:h.x.example a:i.x.example a:j.x.example a:k.x.example -all"
_dmarc.eleven.example. IN TXT "v=DMARC1; p=reject"
*.x.example. IN A 192.0.2.77
weak._domainkey.bank.example. IN TXT "v=DKIM1; p="
; failing: lost.example
"""
HEADER = (
    b"Return-Path: <news@bank.example>\r\n"
    b"Received: from out.example (out.example [192.0.2.10])\r\n\tby mx.example.org (Postfix) with ESMTPS id 4X\r\n"
    b"From: <news@bank.example>\r\nSubject: x\r\n"
)
MESSAGE = HEADER + b"\r\nHello\r\n"


class Told:
    """What the command said."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def words(self) -> str:
        """Wherever the lines were broken."""
        return " ".join(self.out.replace("│", " ").split())


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("zone").write_text(ZONE)
    Path("message.eml").write_bytes(MESSAGE)

    def run(*arguments: str, zone: bool = True) -> Told:
        status = main(["check", *arguments, *(["--zone", "zone"] if zone else [])])
        return Told(status, *capsys.readouterr())

    return run


def test_a_message_that_passes(check) -> None:  # type: ignore[no-untyped-def]
    told = check("message.eml", "-v")
    assert told.status == 0
    lines = [line.strip("│├└─ ") for line in told.out.splitlines()]
    assert lines[0] == "message.eml: dmarc=pass, would be accepted"
    assert "client 192.0.2.10 (Received field 1)" in lines
    assert "MAIL FROM <news@bank.example> (Return-Path)" in lines
    assert "\033[" not in told.out
    assert "\033[32m" in check("message.eml", "-v", "--color", "always").out


def test_what_was_forwarded_with_a_broken_body_hash(check) -> None:  # type: ignore[no-untyped-def]
    import dkim

    from tests.support.keys import rsa_key

    key, record = rsa_key()
    Path("zone").write_text(ZONE + f's._domainkey.bank.example. IN TXT "{record}"\n')
    signed = dkim.sign(MESSAGE, b"s", b"bank.example", key, include_headers=[b"from", b"subject"]) + MESSAGE
    Path("list.eml").write_bytes(signed + b"-- \r\nlist footer\r\n")
    told = check("list.eml", "--ip", "203.0.113.9")
    assert told.status == 1
    assert "DKIM fail for bank.example: body was changed" in told.words
    assert "Somebody changed the body after bank.example had signed it: a mailing list's footer" in told.words
    assert "203.0.113.9 is not among the hosts" in told.out


def test_a_record_with_eleven_look_ups(check) -> None:  # type: ignore[no-untyped-def]
    told = check("--domain", "eleven.example")
    assert told.status == 1
    assert "look-ups: 11 of at most 10" in told.out
    assert "receivers treat this record as an error" in told.words
    of_message = check("message.eml", "--mail-from", "a@eleven.example")
    assert "SPF permerror for eleven.example: more than 10 terms" in of_message.words


def test_a_policy_that_is_only_tested(check) -> None:  # type: ignore[no-untyped-def]
    Path("test.eml").write_bytes(MESSAGE.replace(b"bank.example", b"test.example"))
    told = check("test.eml")
    assert "test.eml: dmarc=fail, would be quarantined" in told.out
    assert "it is only testing (t=y), so quarantine is what applies" in told.words
    domain = check("--domain", "test.example")
    assert "t=y: only testing, every policy counts one step milder" in domain.words
    assert "pct= has no meaning since RFC 9989" in domain.words
    assert "reports to mailto:r@elsewhere.example will not be sent" in domain.words


def test_a_domain_without_faults_and_a_key_with_one(check) -> None:  # type: ignore[no-untyped-def]
    told = check("--domain", "bank.example")
    assert told.status == 0
    assert "mailto:r@other.example: of another organization, which wants them" in told.words
    assert "authorised by address: ip4:192.0.2.10" in told.out
    with_key = check("--domain", "bank.example", "--selector", "weak")
    assert with_key.status == 1
    assert "key is revoked" in with_key.out


SHORT = """message.eml: dmarc=pass, would be accepted
  client     192.0.2.10 (Received field 1)
  MAIL FROM  <news@bank.example> (Return-Path)
  as of      now: Received field 1 has no date that can be read
  From       bank.example
  SPF        pass for bank.example: ip4:192.0.2.10 of bank.example matched
  DKIM       none: the message is not signed
  DMARC      pass: spf bank.example is aligned: identical
  policy     reject, by the record of bank.example
Every step: -v
"""


def test_the_short_form(check) -> None:  # type: ignore[no-untyped-def]
    assert check("message.eml").out == SHORT
    failing = check("message.eml", "--ip", "203.0.113.9").out.splitlines()
    assert failing[0] == "message.eml: dmarc=fail, would be refused"
    assert "what to do:" in failing


@pytest.mark.parametrize("columns", [None, "40", "60", "132"])
@pytest.mark.parametrize("options", [[], ["-v"]])
def test_no_line_is_longer_than_the_terminal(check, monkeypatch, columns: str | None, options: list[str]) -> None:  # type: ignore[no-untyped-def]
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    lines = check("message.eml", "--ip", "203.0.113.9", *options).out.splitlines()
    width = int(columns or 80)
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width - 20


def test_a_few_signatures_are_enough_for_the_short_form(check) -> None:  # type: ignore[no-untyped-def]
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=s%d.example; s=x; h=from; bh=x; b=x\r\n"
    Path("many.eml").write_bytes(b"".join(signature % number for number in range(6)) + MESSAGE)
    told = check("many.eml").out
    assert told.count("  DKIM ") == 4
    assert "... more signatures: -v" in told
    assert check("many.eml", "-v").out.count("─ DKIM ") >= 6


UNKNOWN = MESSAGE.replace(b"[192.0.2.10]", b"192.0.2.10")


def test_without_a_client_nothing_is_promised(check) -> None:  # type: ignore[no-untyped-def]
    Path("unknown.eml").write_bytes(UNKNOWN)
    for told in (check("unknown.eml"), check("unknown.eml", "-v")):
        assert told.status == 1
        assert told.out.startswith("unknown.eml: not decided: no client is known, so SPF was not judged\n")
        assert "Received field 1 cannot be read" in told.words
        assert "SPF not judged" in told.words
        assert "--ip ADDRESS" in told.words
        assert "refused" not in told.out
        assert "550" not in told.out
        assert "Nothing proves" not in told.out
    found = json.loads(check("unknown.eml", "--json").out)
    assert found["undecided"] is True
    assert json.loads(check("message.eml", "--json").out)["undecided"] is False
    assert check("unknown.eml", "--ip", "203.0.113.9").out.startswith("unknown.eml: dmarc=fail, would be refused")


def test_what_is_accepted_in_any_case_is_not_called_a_failure(check) -> None:  # type: ignore[no-untyped-def]
    Path("zone").write_text(ZONE + '_dmarc.mild.example. IN TXT "v=DMARC1; p=none"\n')
    Path("mild.eml").write_bytes(UNKNOWN.replace(b"bank.example", b"mild.example"))
    told = check("mild.eml")
    assert "SPF was not judged; it would be accepted all the same" in told.words
    assert "dmarc=fail" not in check("mild.eml", "-v").out
    many = check("mild.eml", "message.eml").out.splitlines()
    assert many[1] == "not decided accept     -         none      -    mild.example       mild.eml"
    assert "what enforce would do: 2 accept" in many


def test_what_needs_no_client_is_decided_without_one(check) -> None:  # type: ignore[no-untyped-def]
    import dkim

    from tests.support.keys import rsa_key

    key, record = rsa_key()
    Path("zone").write_text(ZONE + f's._domainkey.bank.example. IN TXT "{record}"\n')
    Path("signed.eml").write_bytes(dkim.sign(UNKNOWN, b"s", b"bank.example", key, include_headers=[b"from"]) + UNKNOWN)
    told = check("signed.eml", "-v")
    assert told.status == 0
    assert told.out.startswith("signed.eml: dmarc=pass, would be accepted\n")
    assert "SPF not judged: no client is known" in told.out
    Path("nobody.eml").write_bytes(UNKNOWN.replace(b"From: ", b"X-From: "))
    assert check("nobody.eml").out.startswith("nobody.eml: dmarc=permerror, would be refused")


def test_keys_are_shown_by_bits_and_digest(check) -> None:  # type: ignore[no-untyped-def]
    from hashlib import sha256

    import dkim
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    from tests.support.keys import rsa_key

    key, record = rsa_key()
    public = load_pem_private_key(key, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    Path("zone").write_text(ZONE + f's._domainkey.bank.example. IN TXT "{record}"\n')
    Path("signed.eml").write_bytes(dkim.sign(MESSAGE, b"s", b"bank.example", key) + MESSAGE)
    told = check("signed.eml", "-v")
    assert f"SHA-256 {sha256(public).hexdigest()[:16]}" in told.words
    assert "p=MII" not in told.out
    asked = {each["name"]: each["records"] for each in json.loads(check("signed.eml", "--json").out)["dns"]}
    assert asked["s._domainkey.bank.example"] == [record]


def test_nul_is_mail(check) -> None:  # type: ignore[no-untyped-def]
    Path("nul.eml").write_bytes(MESSAGE.replace(b"Subject: x", b"Subject: x\0y").replace(b"Hello", b"Hel\0lo"))
    assert check("nul.eml").status == 0


TABLE = """DMARC       enforce    SPF       DKIM      ARC  From               message
pass        accept     pass      none      -    bank.example       message.eml
fail        accept*    softfail  none      -    list.example       spared.eml
not decided ?          -         none      -    bank.example       unknown.eml
fail        reject     none      none      -    eleven.example
    a folder with a long name/box/1700000000.M1P2.mx.example,S=1,W=2:2,S
4 messages: 2 fail, 1 pass, 1 not decided
what enforce would do: 2 accept, 1 not decided, 1 reject
       1 eleven.example
* overridden: 1 local_policy
not decided: no client could be read, so SPF was not judged; name one with --ip
judged as of now: 4, whose time of receipt is unknown; give it with --at
"""


def test_arc_and_what_overrides_the_policy(check) -> None:  # type: ignore[no-untyped-def]
    from tests.support.keys import strings
    from tests.support.sealed import MESSAGE as SENT
    from tests.support.sealed import RECORD, seal

    zone = f's._domainkey.lists.example. IN TXT {strings(RECORD)}\n_dmarc.example.com. IN TXT "v=DMARC1; p=reject"\n'
    Path("zone").write_text(ZONE + zone)
    Path("sealed.eml").write_bytes(seal(SENT.replace(b"dmarc=pass", b"dmarc=pass header.from=example.com")))
    Path("settings.toml").write_text('[policy.indirect]\ntrusted_sealers = ["lists.example"]\n')
    told = check("sealed.eml", "--ip", "192.0.2.1", "--config", "settings.toml")
    assert told.out.startswith("sealed.eml: dmarc=fail, would be accepted (trusted_forwarder)\n")
    assert "  ARC        pass, sealed by lists.example\n" in told.out
    assert "  override   trusted_forwarder: arc=pass, and lists.example saw dmarc=pass\n" in told.out
    many = check("sealed.eml", "message.eml", "--ip", "192.0.2.1", "--config", "settings.toml").out.splitlines()
    assert many[1] == "fail        accept*    none      none      pass example.com        sealed.eml"
    assert "ARC chains: 1 pass" in many
    assert "* overridden: 1 trusted_forwarder" in many


def test_what_sealers_saw_is_below_arc(check) -> None:  # type: ignore[no-untyped-def]
    from tests.support.keys import strings
    from tests.support.sealed import MESSAGE as SENT
    from tests.support.sealed import RECORD, seal

    Path("zone").write_text(ZONE + f"s._domainkey.lists.example. IN TXT {strings(RECORD)}\n")
    Path("sealed.eml").write_bytes(seal(SENT))
    told = check("sealed.eml", "-v", "--ip", "192.0.2.1")
    assert "i=1 sealed by lists.example, who saw arc=none, spf=pass, dmarc=pass" in told.words


TREES: dict[str, tuple[bytes, list[str], list[str], list[str]]] = {
    # the message, options, lines that are there, and what is in none
    "of two in From": (
        MESSAGE.replace(b"From: <news@bank.example>", b"From: <@bank.example,@eleven.example>"),
        [],
        ["malformed From, which shows "],
        [],
    ),
    "of nobody": (b"Subject: x\r\n\r\nx\r\n", ["--ip", "192.0.2.10"], ["HELO unknown"], ["DMARC  "]),
    "of a trusted network": (MESSAGE, ["--config", "trusted.toml"], ["DNS: 0 questions"], ["SPF", "tree walk"]),
    "of a relay": (
        MESSAGE.replace(
            b"From: ",
            b"Received: from out.example (out.example [192.0.2.10])\r\n\tby relay.example with ESMTP id 1\r\nFrom: ",
            1,
        ),
        ["--ip", "203.0.113.5", "--config", "relay.toml"],
        ["brought by a trusted relay, from 192.0.2.10"],
        [],
    ),
    "of a record with errors": (
        MESSAGE.replace(b"@bank.example", b"@errors.example"),
        [],
        ["the record of errors.example applies", "in that record: "],
        [],
    ),
}


@pytest.mark.parametrize(("message", "options", "there", "nowhere"), TREES.values(), ids=TREES.keys())
def test_the_tree(  # type: ignore[no-untyped-def]
    check, message: bytes, options: list[str], there: list[str], nowhere: list[str]
) -> None:
    Path("zone").write_text(ZONE + '_dmarc.errors.example. IN TXT "v=DMARC1; p=reject; sp=nonsense; rua=nonsense"\n')
    Path("trusted.toml").write_text('[policy]\ntrusted_networks = ["192.0.2.0/24"]\n')
    Path("relay.toml").write_text('[policy]\ntrusted_relays = ["203.0.113.5"]\n')
    Path("message.eml").write_bytes(message)
    told = check("message.eml", "-v", *options)
    lines = [line.strip("│├└─ ") for line in told.out.splitlines()]
    for each in there:
        assert any(line.startswith(each) for line in lines), told.out
    for each in nowhere:
        assert not any(line.startswith(each) for line in lines), told.out


def test_a_mailbox_without_mail(check) -> None:  # type: ignore[no-untyped-def]
    Path("box/new").mkdir(parents=True)
    told = check("box")
    assert (told.status, told.out) == (0, "no messages\n")


def test_the_table_of_many(check, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    Path("zone").write_text(
        ZONE + 'list.example. IN TXT "v=spf1 ~all"\n_dmarc.list.example. IN TXT "v=DMARC1; p=reject"\n'
    )
    Path("settings.toml").write_text('[[override]]\nname = "ours"\naction = "accept"\nfrom_domain = ["list.example"]\n')
    Path("spared.eml").write_bytes(MESSAGE.replace(b"bank.example", b"list.example"))
    Path("unknown.eml").write_bytes(UNKNOWN)
    folder = Path("a folder with a long name/box")
    folder.mkdir(parents=True)
    last = folder / "1700000000.M1P2.mx.example,S=1,W=2:2,S"
    last.write_bytes(MESSAGE.replace(b"Return-Path: <news@bank.example>\r\n", b"").replace(b"bank", b"eleven"))
    told = check("message.eml", "spared.eml", "unknown.eml", str(last), "--config", "settings.toml")
    assert told.out == TABLE
    assert told.status == 1
    monkeypatch.setenv("COLUMNS", "40")
    narrow = check("message.eml", "spared.eml", "unknown.eml", "--config", "settings.toml").out.splitlines()
    assert max(map(len, narrow)) <= 40
    assert narrow[:3] == ["DMARC       enforce    SPF       message", "pass        accept     pass", "    message.eml"]
    told = check("message.eml", "spared.eml", "-v", "--config", "settings.toml")
    assert "├─ DNS" in told.out
    assert "enforce    SPF" not in told.out


ENVELOPES = {
    "nothing given": ([], "192.0.2.10", "Received field 1", "news@bank.example"),
    "all given": (["--ip", "2001:db8::1", "--mail-from", "<a@b.example>"], "2001:db8::1", "as given", "a@b.example"),
    "a bounce": (["--mail-from", ""], "192.0.2.10", "Received field 1", ""),
    "through a host we trust": (["--trust", "192.0.2.0/28"], "198.51.100.1", "Received field 2", "news@bank.example"),
}


@pytest.mark.parametrize(("options", "client", "client_from", "mail_from"), ENVELOPES.values(), ids=ENVELOPES.keys())
def test_envelopes(check, options: list[str], client: str, client_from: str, mail_from: str) -> None:  # type: ignore[no-untyped-def]
    below = b"Received: from a (a [198.51.100.1]) by out.example (Postfix) with SMTP id 1\r\nFrom:"
    Path("message.eml").write_bytes(MESSAGE.replace(b"From:", below, 1))
    found = json.loads(check("message.eml", "--json", *options).out)
    assert found["schema"] == 1
    assert found["envelope"]["client"] == client
    assert found["envelope"]["client_from"] == client_from
    assert found["envelope"]["mail_from"] == mail_from


def test_codes_stand_beside_texts(check) -> None:  # type: ignore[no-untyped-def]
    found = json.loads(check("message.eml", "--json", "--ip", "203.0.113.9").out)
    assert (found["spf_code"], found["dmarc_code"], found["reason_code"]) == (
        "term-matched",
        "nothing-authenticated",
        "dmarc-fail",
    )
    assert {"record", "match"} <= {step["code"] for step in found["spf_steps"]}
    assert all((answer["code"] is None) == (answer["detail"] == "") for answer in found["dns"])
    own = json.loads(check("message.eml", "--json", "--authenticated", "joe").out)
    assert (own["spf_code"], own["reason_code"]) == (None, "authenticated-sender")


def test_other_fields_that_tell_the_envelope(check) -> None:  # type: ignore[no-untyped-def]
    Path("x.eml").write_bytes(
        b"X-Envelope-From: <q@bank.example>\nX-Original-Client: 192.0.2.10\nFrom: a@bank.example\n\n"
    )
    found = json.loads(check("x.eml", "--json").out)["envelope"]
    assert (found["client"], found["client_from"]) == ("192.0.2.10", "X-Original-Client")
    assert (found["mail_from"], found["mail_from_from"]) == ("q@bank.example", "X-Envelope-From")


def test_fields_below_received_are_the_last_that_are_believed(check) -> None:  # type: ignore[no-untyped-def]
    forged = b"X-Original-Client: 192.0.2.11\nX-Original-Helo: x.example\nReturn-Path: <forged@bank.example>\n"
    Path("x.eml").write_bytes(MESSAGE.replace(b"From:", forged + b"From:", 1))
    found = json.loads(check("x.eml", "--json").out)["envelope"]
    assert (found["client"], found["helo"], found["mail_from"]) == ("192.0.2.10", "out.example", "news@bank.example")
    assert (found["client_from"], found["mail_from_from"]) == ("Received field 1", "Return-Path")
    Path("x.eml").write_bytes(UNKNOWN.replace(b"From:", forged + b"From:", 1).replace(b"Return-Path", b"X-Path", 1))
    found = json.loads(check("x.eml", "--json").out)["envelope"]
    assert (found["client"], found["helo"], found["mail_from"]) == ("192.0.2.11", "x.example", "forged@bank.example")
    for source in ("client_from", "helo_from", "mail_from_from"):
        assert found[source].endswith(", which may be the sender's")
    Path("x.eml").write_bytes(forged + MESSAGE)
    found = json.loads(check("x.eml", "--json").out)["envelope"]
    assert (found["client"], found["client_from"]) == ("192.0.2.11", "X-Original-Client")


def test_a_trusted_relay_behind_hops_of_this_host(check) -> None:  # type: ignore[no-untyped-def]
    """The filter stood behind the relay, before the hops: what it read in Received is what is read here."""
    hops = b"Received: from mx by mx with LMTP id 1; Thu\r\n"
    relay = b"Received: from relay.example (relay.example [10.0.0.5]) by mx (Postfix) with ESMTP id 2; Thu\r\n"
    Path("relayed.eml").write_bytes(MESSAGE.replace(b"Received:", hops + relay + b"Received:", 1))
    Path("settings.toml").write_text('[policy]\ntrusted_relays = ["10.0.0.5"]\n')
    told = check("relayed.eml", "--config", "settings.toml")
    assert told.out.startswith("relayed.eml: dmarc=pass, would be accepted\n  client     10.0.0.5 (Received field 2)\n")
    assert "\n             brought by a trusted relay, from 192.0.2.10\n" in told.out
    Path("relayed.eml").write_bytes(UNKNOWN.replace(b"Received:", hops + relay + b"Received:", 1))
    told = check("relayed.eml", "--config", "settings.toml")
    assert told.out.startswith("relayed.eml: dmarc=fail, would be refused\n")
    assert "which does not tell from whom: Received field 2 of the trusted relays may be read in two ways" in told.words


BROKEN = {
    "no such file": (["none.eml"], "none.eml: No such file or directory"),
    "a folder": (["."], "no Maildir"),
    "an empty file": (["empty"], "empty: empty"),
    "a program": (["binary"], "no header field at its start, not a message"),
    "prose": (["prose"], "not a message"),
    "a wrong address": (["message.eml", "--ip", "192.0.2"], "--ip '192.0.2' is no address"),
    "a wrong network": (["message.eml", "--trust", "x"], "--trust"),
    "nothing": ([], "name a MESSAGE"),
    "a wrong domain": (["--domain", "a b"], "no domain name"),
    "a broken zone": (["message.eml", "--zone", "broken"], "zone file"),
    "no zone": (["message.eml", "--zone", "none"], "none: No such file"),
    "two sources of answers": (["message.eml", "--zone", "zone", "--nameserver", "127.0.0.1"], "exclude each other"),
    "a wrong server": (["message.eml", "--nameserver", "x"], "--nameserver"),
}


@pytest.mark.parametrize(("arguments", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_input(check, arguments: list[str], error: str) -> None:  # type: ignore[no-untyped-def]
    Path("empty").write_bytes(b"\n")
    Path("binary").write_bytes(b"\x7fELF\0\0")
    Path("prose").write_bytes(b"once upon a time\n" * 200)
    Path("broken").write_text("example. IN NONSENSE x\n")
    told = check(*arguments, zone="--zone" not in arguments and "--nameserver" not in arguments)
    assert told.status == 2
    assert error in told.err
    assert told.err.startswith("dmarc-milter: ")
    assert told.err.count("\n") == 1


def test_a_message_without_from_is_an_answer(check) -> None:  # type: ignore[no-untyped-def]
    Path("x.eml").write_bytes(b"Subject: x\n\nx\n")
    told = check("x.eml")
    assert told.status == 1
    assert "no From field" in told.out


def test_standard_input(check, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MESSAGE)))
    assert check("-").out.startswith("standard input: dmarc=pass")


def test_mailboxes(check) -> None:  # type: ignore[no-untyped-def]
    mbox = b"".join(b"From x Tue Nov 24\n" + HEADER + b"\n>From here\nbody %d\n\n" % number for number in range(3))
    Path("mbox").write_bytes(mbox)
    found = list(read("mbox"))
    assert [each.name for each in found] == ["mbox[1]", "mbox[2]", "mbox[3]"]
    assert found[1].octets == HEADER + b"\nFrom here\nbody 1\n"
    told = check("mbox")
    assert told.status == 0
    assert "3 messages: 3 pass\nwhat enforce would do: 3 accept" in told.out


def test_a_maildir_may_hold_what_is_no_file(check) -> None:  # type: ignore[no-untyped-def]
    Path("box/cur/folder").mkdir(parents=True)
    Path("box/cur/1").write_bytes(MESSAGE)
    assert [each.octets for each in read("box")] == [MESSAGE]


def test_a_message_in_a_mailbox_has_a_bound(check, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    Path("mbox").write_bytes(b"From x Tue Nov 24\n" + MESSAGE + b"\nFrom x Tue Nov 24\n" + MESSAGE + b"xx\n")
    monkeypatch.setattr(messages, "MAX_OCTETS", len(MESSAGE) + 2)
    found = read("mbox")
    assert next(found).octets == MESSAGE
    with pytest.raises(InputError, match=r"mbox\[2\]: longer than"):
        next(found)


def test_keys_that_say_that_they_are_for_tests(check) -> None:  # type: ignore[no-untyped-def]
    from tests.support.keys import rsa_key, strings

    for tag, is_told in (("t=y", True), ("t=s", False)):
        key = strings(rsa_key(2048)[1] + f"; {tag}")
        Path("zone").write_text(ZONE + f"tests._domainkey.bank.example. IN TXT {key}\n")
        told = check("--domain", "bank.example", "--selector", "tests")
        assert ("tests._domainkey.bank.example: t=y: the domain is only testing DKIM" in told.words) is is_told


def test_a_maildir_as_json_lines(check) -> None:  # type: ignore[no-untyped-def]
    for folder in ("new", "cur", "tmp"):
        Path("box", folder).mkdir(parents=True)
        for number in range(20):
            Path("box", folder, f"{number:03}").write_bytes(MESSAGE.replace(b"192.0.2.10", b"192.0.2.%d" % number))
    told = check("box", "--json")
    found = [json.loads(line) for line in told.out.splitlines()]
    assert [each["message"][-7:] for each in found] == [f"{f}/{n:03}" for f in ("new", "cur") for n in range(20)]
    assert sum(each["dmarc"] == "pass" for each in found) == 4
    assert "40 messages: 36 fail, 4 pass" in told.err
    assert "36 bank.example" in told.err


def test_a_saved_zone_gives_the_same_outcome(check) -> None:  # type: ignore[no-untyped-def]
    Path("lost.eml").write_bytes(MESSAGE.replace(b"<news@bank", b"<news@lost", 1))
    at = ("--at", "2026-11-26T10:00:00Z")
    for message in ("message.eml", "lost.eml"):
        first = json.loads(check(message, *at, "--json", "--save-zone", "saved").out)
        again = json.loads(check(message, *at, "--json", "--zone", "saved", zone=False).out)
        assert again == first


def test_zone_files_hold_every_outcome() -> None:
    zone = zone_file.read(ZONE)
    questions = [
        Question("bank.example", RecordType.TXT),
        Question("x.bank.example", RecordType.A),
        Question("x.bank.example", RecordType.TXT),
        Question("nothing.example", RecordType.TXT),
        Question("lost.example", RecordType.TXT),
    ]
    answers = {question: zone.look_up(question) for question in questions}
    assert len({answer.outcome for answer in answers.values()}) == len(AnswerOutcome)
    again = zone_file.read(zone_file.write(answers))
    assert {question: again.look_up(question) for question in questions} == answers


def test_names_survive_in_a_zone_file() -> None:
    """Hosts for mail, and names of addresses."""
    answers = {
        Question("bank.example", RecordType.MX): Answer(AnswerOutcome.RECORDS, ("mx.bank.example",)),
        Question("10.2.0.192.in-addr.arpa", RecordType.PTR): Answer(AnswerOutcome.RECORDS, ("out.bank.example",)),
    }
    again = zone_file.read(zone_file.write(answers))
    assert {question: again.look_up(question).records for question in answers} == {
        question: answer.records for question, answer in answers.items()
    }


def test_octets_of_all_kinds_survive_in_a_zone_file() -> None:
    question = Question("x.example", RecordType.TXT)
    record = bytes(range(256)) * 3
    text = zone_file.write({question: Answer(AnswerOutcome.RECORDS, (record,))})
    assert zone_file.read(text).look_up(question).records == (record,)


def test_what_is_no_input() -> None:
    with pytest.raises(InputError):
        list(read("/nowhere"))


def test_the_python_interface() -> None:
    envelope = dmarc_milter.Envelope(bytes([192, 0, 2, 10]), "out.example", "news@bank.example")
    found = dmarc_milter.evaluate(MESSAGE, envelope, dmarc_milter.Dns.zone(ZONE))
    assert found.verdict is not None
    assert found.verdict.dmarc.result.value == "pass"
    assert found.disposition.action.value == "accept"
    assert found.spf_steps
    assert Question("bank.example", RecordType.TXT) in found.answers


@pytest.mark.parametrize("name", ["README.md", "docs/check.md"])
def test_the_examples_of_the_docs_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    text = (Path(__file__).resolve().parents[2] / name).read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out


EXAMPLES = CHECK.examples()


@pytest.mark.parametrize(("command", "told"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_the_output_in_the_document_is_real(command: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m tests.support.document_examples` writes it anew."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert told == CHECK.output(command)


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) >= 3
