"""Attacks on the way from SPF and DKIM to the domain that a person sees, through the running filter.

Some are from Chen, Paxson and Jiang, "Composition Kills" (USENIX Security 2020) and from Shen et al., "Weak Links in
Authentication Chains" (USENIX Security 2021), some from OpenDMARC's CVEs, some are ours. The attacker owns
crook.example, its DNS, a client that its SPF record names and a key to sign with; bank.example says p=reject.
None may get dmarc=pass, nor a result of its own into our field, nor an exception.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import authres
import dkim
import pytest

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.mta import MtaResponse
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.keys import rsa_key
from tests.support.running import RunningFilter

OWN_ID = "mx.example.org"


def zone() -> str:
    record = rsa_key()[1]
    return f"""$TTL 300
crook.example. IN TXT "v=spf1 ip4:203.0.113.5 ~all"
*.crook.example. IN TXT "v=spf1 ip4:203.0.113.5 ~all"
s._domainkey.crook.example. IN TXT "{record}"
_dmarc.crook.example. IN TXT "v=DMARC1; p=none"
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject"
s._domainkey.bank.example. IN TXT "{record}"
"""


class Attack(NamedTuple):
    """What the attacker says; `signed` is the From that its signature covers, if there is one."""

    fields: tuple[tuple[bytes, bytes], ...]
    mail_from: bytes = b"a@crook.example"
    helo: bytes = b"mail.crook.example"


def from_(*values: bytes, **more: bytes) -> Attack:
    return Attack(tuple((b"From", b" " + value) for value in values), **more)


BANK = b"Bank <info@bank.example>"
CROOK = b"<a@crook.example>"


def signed(d: bytes = b"crook.example", **changed: bytes) -> tuple[bytes, bytes]:
    """A DKIM-Signature over From: info@bank.example, right but for what was `changed` afterwards."""
    message = b"From: " + BANK + b"\r\n\r\nHello\r\n"
    field = dkim.sign(message, b"s", d, rsa_key()[0], include_headers=[b"from"])
    for old, new in changed.items():
        field = re.sub(rb"\b" + old.encode() + rb"=[^;]*", old.encode() + b"=" + new, field, count=1)
    return b"DKIM-Signature", field.partition(b":")[2].removesuffix(b"\r\n")


ATTACKS = {
    # Several From fields or mailboxes
    "two From, ours last": from_(BANK, CROOK),
    "two From, ours first": from_(CROOK, BANK),
    "From with a blank before the colon": Attack(((b"From ", b" " + BANK), (b"From", b" " + CROOK))),
    "From in other case": Attack(((b"FROM", b" " + BANK), (b"from", b" " + CROOK))),
    "two mailboxes": from_(BANK + b", " + CROOK),
    "a group and a mailbox": from_(b"Bank: info@bank.example;, a@crook.example"),
    "no comma": from_(BANK + CROOK),
    "two in brackets": from_(b"<info@bank.example> <a@crook.example>"),
    "brackets in brackets": from_(b"<<info@bank.example>@crook.example>"),
    # What is shown is not what is compared
    "source route the other way": from_(b"<@crook.example:info@bank.example>"),
    "quoted local part": from_(b'"info@bank.example"@crook.example <x>'),
    "comment behind": from_(b"info@bank.example(@crook.example)"),
    "comment in the domain": from_(b"info@bank.example (x) .crook.example, x"),
    "two at signs": from_(b"info@bank.example@crook.example"),
    "a domain that goes on": from_(b"info@bank.example .crook.example"),
    "a domain that goes on behind a comment": from_(b"info@bank.example(x).crook.example"),
    "encoded address and NUL as local part": from_(b"=?utf-8?q?info=40bank.example=00?=@crook.example"),
    "wide at sign": from_("info＠bank.example@crook.example".encode()),
    "comma, then brackets": from_(b"Bank, Info <info@bank.example>"),
    "bracket that stays open": from_(b"Bank <info@bank.example"),
    "backslash": from_(b"info\\@bank.example@crook.example, x"),
    "NUL": from_(b"info@bank.example\0@crook.example"),
    "NUL behind": from_(b"<info@bank.example>\0, a@crook.example"),
    "control character": from_(b"info@bank.example\x08\x08@crook.example"),
    "bare line feed": from_(b"a@crook.example\nFrom: info@bank.example"),
    "encoded word for all": from_(b"=?utf-8?b?aW5mb0BiYW5rLmV4YW1wbGU=?="),
    "encoded word and a mailbox": from_(b"=?utf-8?b?PGluZm9AYmFuay5leGFtcGxlPg==?=, a@crook.example"),
    "IDNA dot": from_("info@bank。example".encode()),
    "full-width letters": from_("info@ｂank.example".encode()),
    "nothing but the bank": from_(BANK),
    "no From": Attack(((b"Sender", b" " + BANK), (b"Subject", b" x"))),
    "only Resent-From": Attack(((b"Resent-From", b" " + CROOK),)),
    "address literal": from_(b"info@[203.0.113.5]"),
    "a long comment": from_(b"(" * 50_000 + b") " + BANK + CROOK),
    # Postfix cuts fields at 60,000 octets.
    "60 KB of commas": from_(b"," * 60_000 + CROOK + BANK),
    # MAIL FROM and HELO
    "MAIL FROM with a bracket": from_(BANK, mail_from=b"a@bank.example(.crook.example"),
    "MAIL FROM with two at signs": from_(BANK, mail_from=b"a@crook.example@bank.example"),
    "MAIL FROM with two, the other way": from_(BANK, mail_from=b"a@bank.example@crook.example"),
    "MAIL FROM with a route": from_(BANK, mail_from=b"@crook.example:a@bank.example"),
    "MAIL FROM with a quoted address": from_(BANK, mail_from=b'"a@bank.example"@crook.example'),
    "MAIL FROM with a quoted bracket": from_(BANK, mail_from=b'"x>"a@bank.example'),
    "MAIL FROM with NUL": from_(BANK, mail_from=b"a@bank.example\0.crook.example"),
    "MAIL FROM with a slash": from_(BANK, mail_from=b"a@bank.example/.crook.example"),
    "MAIL FROM as a result": from_(BANK, mail_from=b"a@crook.example; dmarc=pass header.from=bank.example"),
    "MAIL FROM with a line end": from_(BANK, mail_from=b"a@crook.example\r\nX: y"),
    "HELO of the bank": from_(BANK, mail_from=b"", helo=b"bank.example"),
    "HELO as a result": from_(BANK, mail_from=b"", helo=b"x.crook.example; dmarc=pass"),
    "HELO with a quote": from_(BANK, mail_from=b"", helo=b'"; dmarc=pass header.from=bank.example; x="'),
    "HELO, and MAIL FROM without a domain": from_(BANK, mail_from=b"a", helo=b"bank.example"),
    # Signatures
    "signed by the crook": Attack((signed(), (b"From", b" " + BANK))),
    "d of the bank, key of the crook": Attack((signed(d=b"bank.example", s=b"x"), (b"From", b" " + BANK))),
    "d with NUL": Attack((signed(d=b"bank.example\0.crook.example"), (b"From", b" " + BANK))),
    "d with a bracket": Attack((signed(d=b"bank.example(.crook.example"), (b"From", b" " + BANK))),
    "d with a quote": Attack((signed(d=b'bank.example"; dmarc=pass; x="'), (b"From", b" " + BANK))),
    "d that is a top-level domain": Attack((signed(d=b"example"), (b"From", b" " + BANK))),
    "i of the bank": Attack((signed(i=b"@bank.example"), (b"From", b" " + BANK))),
    "s with a dot and a domain": Attack((signed(s=b"s._domainkey.crook.example.x"), (b"From", b" " + BANK))),
    "d twice": Attack((signed(a=b"rsa-sha256; d=bank.example"), (b"From", b" " + BANK))),
    "b as a result": Attack((signed(b=b'x"; dmarc=pass header.from=bank.example'), (b"From", b" " + BANK))),
    "another From on top of a signed one": Attack((signed(), (b"From", b" " + CROOK), (b"From", b" " + BANK))),
    # Results that we did not write
    **{
        f"forged results: {name}": Attack(((b"Authentication-Results", b" " + value), (b"From", b" " + BANK)))
        for name, value in {
            "our id": b"mx.example.org; dmarc=pass header.from=bank.example",
            "no id": b"dmarc=pass header.from=bank.example",
            "another version": b"other.example 2; dmarc=pass header.from=bank.example",
            "equals sign": b"mx.example.org=; dmarc=pass header.from=bank.example",
            "comma": b"mx.example.org, dmarc=pass header.from=bank.example",
            "byte order mark": b"\xef\xbb\xbfmx.example.org; dmarc=pass header.from=bank.example",
            "encoded-word": b"=?utf-8?q?mx.example.org?=; dmarc=pass header.from=bank.example",
        }.items()
    },
    "forged ARC": Attack(
        (
            (b"ARC-Seal", b" i=1; cv=none; a=rsa-sha256; d=crook.example; s=s; b=AAAA"),
            (b"ARC-Message-Signature", b" i=1; a=rsa-sha256; d=crook.example; s=s; h=from; bh=AA==; b=AAAA"),
            (b"ARC-Authentication-Results", b" i=1; mx.example.org; dmarc=pass header.from=bank.example"),
            (b"From", b" " + BANK),
        )
    ),
    "forged list": Attack(
        (
            (b"List-Id", b" <dev.crook.example>"),
            (b"List-Post", b" <mailto:dev@crook.example>"),
            (b"From", b" " + BANK),
        )
    ),
}


# What stands for a person's name, or for the way of a message, is not the Author Domain, whatever it says (RFC 9989
# 11.4; RFC 5322 4.4): these come from
# crook.example, pass for it, and say so.
NAMES = {
    "address as display name": from_(b"info@bank.example <a@crook.example>"),
    "encoded address as unquoted display name": from_(b"info@=?utf-8?q?bank.example?= <a@crook.example>"),
    "at sign in a display name": from_(b"Bank @ Bank <a@crook.example>"),
    "source route": from_(b"<@bank.example,@x.example:a@crook.example>"),
    "address as quoted display name": from_(b'"info@bank.example" <a@crook.example>'),
    "quoted local part that closes": from_(b'"info@bank.example>"@crook.example'),
    "encoded address as display name": from_(b"=?utf-8?b?aW5mb0BiYW5rLmV4YW1wbGU=?= <a@crook.example>"),
    "encoded address in pieces": from_(b"=?utf-8?q?info=40bank?= =?utf-8?q?.example?= <a@crook.example>"),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFilter]:
    folder = tmp_path_factory.mktemp("filter")
    with NameServerThread(ZoneResolver.from_text(zone())) as server:
        started = RunningFilter(folder, f"unix:{folder}/socket", f'[dns]\nnameservers = ["{server.address}"]\n')
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.log


def play(running: RunningFilter, attack: Attack) -> MtaResponse:
    mta = running.mta()
    mta.connect("x", "203.0.113.5")
    mta._stage(b"H", attack.helo + b"\0")
    mail_from = attack.mail_from.decode("latin-1")
    answer = mta.message(mail_from, ["you@example.org"], attack.fields, b"Hello\r\n")
    mta.quit()
    return answer


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attack(running: RunningFilter, attack: Attack) -> None:
    answer = play(running, attack)
    assert answer.action == "accept", "mode monitor refuses nothing"
    (written,) = [value for _, name, value in answer.inserted if name == "Authentication-Results"]
    parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results:{written}".replace("\n", ""))
    assert parsed.authserv_id == OWN_ID
    found = {each.method: each.result for each in parsed.results}
    assert sum(each.method == "dmarc" for each in parsed.results) == 1
    assert found["dmarc"] != "pass", written
    forged = [value for name, value in attack.fields if name == b"Authentication-Results"]
    assert len(answer.deleted) == len(forged)


@pytest.mark.parametrize("attack", NAMES.values(), ids=NAMES.keys())
def test_a_name_is_not_a_domain(running: RunningFilter, attack: Attack) -> None:
    """This also shows that the collection above would notice a pass."""
    shown = " ".join(play(running, attack).results.split())
    assert "dmarc=pass (p=none dis=none) header.from=crook.example policy.dmarc=none" in shown
