"""The rule: nothing that the sender controls makes a verdict milder (ARCHITECTURE.md).

Each kind of message below is refused. Whatever a sender then adds or changes (fields, signatures, ARC sets, envelope,
HELO, the DNS of every domain but the Author Domain's), it is refused still.
"""

import base64
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmarc_milter import Envelope, evaluate
from dmarc_milter.api import Dns
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, AnswerOutcome, OnAnswer, Question, RecordType
from dmarc_milter.dns.name import is_at_or_below
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.source import Asker, Need
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.judging.verdict import Action
from dmarc_milter.settings import config
from tests.support.keys import rsa_key, strings
from tests.support.trying import examples

CROOK = bytes((203, 0, 113, 5))
TREES = ("bank.example", "macros.example", "xn--bnk-qla.example", "pension.example", "shop.test")
"""The victims' own trees, and what lies above them: the sender does not control these."""
ZONE = f"""$TTL 300
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 ~all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject"
mail.bank.example. IN A 192.0.2.1
s._domainkey.bank.example. IN TXT {strings(rsa_key(1152)[1])}
old._domainkey.bank.example. IN TXT "v=DKIM1; p="
xn--bnk-qla.example. IN TXT "v=spf1 -all"
_dmarc.xn--bnk-qla.example. IN TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
macros.example. IN TXT "v=spf1 -a:%{{h}} -exists:%{{l}} -include:%{{h}} -exists:%{{i}}.%{{p}} -all"
_dmarc.macros.example. IN TXT "v=DMARC1; p=reject"
_dmarc.pension.example. IN TXT "v=DMARC1; p=none; sp=reject; np=reject"
a.pension.example. IN A 192.0.2.9
_dmarc.shop.test. IN TXT "v=DMARC1; p=quarantine"
crook.example. IN TXT "v=spf1 ip4:203.0.113.5 -all"
mail.crook.example. IN TXT "v=spf1 ip4:203.0.113.5 -all"
s._domainkey.crook.example. IN TXT "{rsa_key()[1]}"
_dmarc.crook.example. IN TXT "v=DMARC1; p=none"
"""


@dataclass(frozen=True)
class Message:
    """What a sender says."""

    fields: tuple[tuple[bytes, bytes], ...]
    mail_from: str = "a@crook.example"
    helo: str = "mail.crook.example"
    body: bytes = b"Hello\r\n"
    policy: str = ""

    @property
    def octets(self) -> bytes:
        return b"".join(b"%s: %s\r\n" % field for field in self.fields) + b"\r\n" + self.body


def from_(*values: bytes, **more: Any) -> Message:
    return Message(tuple((b"From", value) for value in values), **more)


@cache
def signature(domain: bytes, selector: bytes, author: bytes) -> bytes:
    """A DKIM-Signature by the crook's key over another message, or over this one where it is from `author`."""
    message = b"From: " + author + b"\r\n\r\nHello\r\n"
    field: bytes = dkim.sign(message, selector, domain, rsa_key()[0], include_headers=[b"from"])
    return field.partition(b": ")[2].removesuffix(b"\r\n")


def signed(message: Message, domain: bytes, selector: bytes = b"s", author: bytes = b"a@other.test") -> Message:
    return replace(message, fields=((b"DKIM-Signature", signature(domain, selector, author)), *message.fields))


BANK = b"CEO <ceo@bank.example>"
PLAIN = from_(BANK)
LIST = ((b"List-Id", b"<dev.crook.example>"), (b"List-Post", b"<mailto:dev@crook.example>"))
KINDS = {
    "plain": PLAIN,
    "a subdomain that inherits": from_(b"ceo@x.y.bank.example"),
    "a deep subdomain": from_(b"ceo@" + b"a." * 40 + b"bank.example"),
    "p=none, but sp=reject": from_(b"ceo@a.pension.example"),
    "p=none, but np=reject": from_(b"ceo@gone.pension.example"),
    "strict alignment": from_("ceo@bänk.example".encode(), mail_from="a@mail.xn--bnk-qla.example"),
    "an A-label": from_(b"ceo@xn--bnk-qla.example"),
    "quarantine that refuses": from_(b"ceo@shop.test", policy='quarantine = "reject"\n'),
    "MAIL FROM of the bank": from_(BANK, mail_from="ceo@bank.example"),
    "MAIL FROM below the bank": from_(BANK, mail_from="ceo@gone.bank.example"),
    "SPF that asks about HELO": from_(b"ceo@macros.example", mail_from="x.crook.example@macros.example"),
    "null MAIL FROM": from_(BANK, mail_from="", helo="bank.example"),
    "HELO that is no name": from_(BANK, mail_from="", helo="["),
    "signed by a stranger": signed(PLAIN, b"crook.example", author=BANK),
    "signature of the bank over another message": signed(PLAIN, b"bank.example"),
    "revoked key of the bank": signed(PLAIN, b"bank.example", b"old"),
    "key that the bank does not have": signed(PLAIN, b"bank.example", b"gone"),
    "a stranger's mailing list": replace(PLAIN, fields=(*LIST, *PLAIN.fields)),
    "several From fields": from_(BANK, b"a@crook.example"),
    "several domains": from_(BANK + b", a@crook.example"),
    "a group of several": from_(b"Board: ceo@bank.example, a@crook.example;"),
    "no From": Message(((b"Sender", BANK),)),
    "no mailbox": from_(b"undisclosed:;"),
    "an address literal": from_(b"ceo@[203.0.113.5]"),
    "a prefix that is no phrase": from_(b"Re: " + BANK),
    "an unclosed bracket": from_(b"CEO <ceo@bank.example"),
    "an unclosed quote": from_(b'"CEO <ceo@bank.example>'),
    "an encoded address": from_(b"=?utf-8?b?" + base64.b64encode(BANK) + b"?="),
    "two at signs": from_(b"<ceo@bank.example@crook.example>"),
    "two apparent authors": from_(b"[x] <ceo@bank.example> <a@crook.example>"),
    "eleven apparent authors": from_(b"[x] " + b" ".join(b"<a@%d.crook.example>" % number for number in range(11))),
}


class Disturbed:
    """The zone, but for the names of strangers, to which something else happens."""

    def __init__(self, disturbances: dict[str, str], otherwise: str) -> None:
        self._zone = ZoneResolver.from_text(ZONE)
        self._disturbances = disturbances
        self._otherwise = otherwise

    def peek(self, question: Question) -> Answer[Any] | None:
        return None

    def leave(self, asker: Asker) -> None: ...

    def ask(self, need: Need, on_answer: OnAnswer) -> Answer[Any] | None:
        name = need.question.name
        if any(is_at_or_below(name, tree) or is_at_or_below(tree, name.removeprefix("_dmarc.")) for tree in TREES):
            return self._zone.look_up(need.question)
        behaviour = next((what for end, what in self._disturbances.items() if name.endswith(end)), self._otherwise)
        return self._disturbed(need.question, behaviour)

    def _disturbed(self, question: Question, behaviour: str) -> Answer[Any]:
        if behaviour == "as published":
            return self._zone.look_up(question)
        if behaviour in FAILURES:
            return wire.failure(FAILURES[behaviour])
        if behaviour == "nothing":
            return wire.no_such_name()
        return Answer(AnswerOutcome.RECORDS, _records(question, behaviour), 300.0)


ENDLESS = b"v=spf1 include:%{h}.crook.example include:x.%{d} mx:y.%{d} exists:%{l}.%{i}.%{d} a:%{h}.%{h} redirect=%{d2}"
RECORDS = {
    "huge": b"v=DMARC1; p=none; " + b"x=y; " * 3_000,
    "milder": b"v=DMARC1; p=none; psd=y",
    "own": b"v=DMARC1; p=none; psd=n",
    "pass": b"v=spf1 +all",
    "endless": ENDLESS,
    "key": rsa_key()[1].encode(),
}
FAILURES = {
    "SERVFAIL": DnsReason.SERVFAIL(),
    "deadline of the message passed": DnsReason.DEADLINE(),
    "too many questions under way": DnsReason.TOO_MANY_UNDER_WAY(),
}


def _records(question: Question, behaviour: str) -> tuple[Any, ...]:
    if question.type is RecordType.TXT:
        return (RECORDS[behaviour],) * (256 if behaviour == "huge" else 1)
    if question.type in (RecordType.MX, RecordType.PTR):
        return tuple(f"m{number}.{question.name[-200:]}" for number in range(11))
    return (CROOK,) if question.type is RecordType.A else (CROOK.rjust(16, b"\0"),)


BEHAVIOURS = st.sampled_from(["as published", *FAILURES, "nothing", *RECORDS])
STRANGERS = ("crook.example", "_dmarc.crook.example", "list.test", "_dmarc.list.test", "other.test")
DNS = st.tuples(st.dictionaries(st.sampled_from(STRANGERS), BEHAVIOURS), BEHAVIOURS)

DOMAINS = st.sampled_from(
    [
        *(b"crook.example", b"list.test", b"other.test", b"x.list.test", b"example", b"test"),
        *(b"bank.example", b"x.bank.example", b"bank.example.crook.example", b"crook.bank.example"),
    ]
)
SIGNATURES = st.builds(
    lambda domain, selector, author: (b"DKIM-Signature", signature(domain, selector, author)),
    DOMAINS,
    st.sampled_from([b"s", b"old", b"none"]),
    st.sampled_from([BANK, b"a@crook.example"]),
)
JUNK = st.sampled_from(
    [
        (b"DKIM-Signature", b"v=1; a=rsa-sha256; d=other.test; s=s; h=from; bh=AA==; b=AA=="),
        (b"DKIM-Signature", b"v=1; d=bank.example"),
        (b"DKIM-Signature", b"a" * 70_000),
        (b"Authentication-Results", b"mx.example.org; dmarc=pass header.from=bank.example"),
        (b"Authentication-Results", b"dmarc=pass header.from=bank.example"),
        (b"Received-SPF", b"pass"),
        (b"Received", b"from mail.bank.example (mail.bank.example [192.0.2.1]) by mx.example.org; now"),
        (b"Sender", b"a@crook.example"),
        (b"Reply-To", b"a@crook.example"),
        (b"Return-Path", b"<ceo@bank.example>"),
        (b"Resent-From", b"a@crook.example"),
        *LIST,
        (b"List-Id", b"<bank.example>"),
        (b"List-Unsubscribe", b"<mailto:x@bank.example>"),
        (b"From ", b"a@crook.example"),
        (b"from", b"CEO <ceo@bank.example>"),
        (b"ARC-Seal", b"i=1; cv=none; a=rsa-sha256; d=crook.example; s=s; b=AAAA"),
        (b"ARC-Message-Signature", b"i=1; a=rsa-sha256; d=crook.example; s=s; h=from; bh=AA==; b=AAAA"),
        (b"ARC-Authentication-Results", b"i=1; mx.example.org; dmarc=pass header.from=bank.example"),
        (b"X", b"\x0b" * 1_000),
    ]
)
FIELDS = st.lists(st.one_of(SIGNATURES, JUNK), max_size=14)
NAMES = st.sampled_from(
    ["crook.example", "mail.crook.example", "list.test", "bank.example", "x.bank.example", "%{h}", "", "h" * 2_000]
)
ENVELOPES = st.one_of(
    st.none(),
    st.tuples(
        st.one_of(st.just(""), st.builds("{}@{}".format, st.sampled_from(["a", "l" * 300, '"@"']), NAMES)), NAMES
    ),
)


def with_fields(message: Message, above: list[tuple[bytes, bytes]], below: list[tuple[bytes, bytes]]) -> Message:
    """Another From makes a message without one another message, which is not the one that is refused."""
    if not any(is_from(name) for name, _ in message.fields):
        above, below = ([each for each in added if not is_from(each[0])] for added in (above, below))
    return replace(message, fields=(*above, *message.fields, *below))


def is_from(name: bytes) -> bool:
    return name.strip().lower() == b"from"


def disposition(message: Message, disturbed: Disturbed) -> Action:
    policy = {"mode": "enforce"} | ({"quarantine": "reject"} if message.policy else {})
    envelope = Envelope(CROOK, message.helo, message.mail_from)
    found = evaluate(message.octets, envelope, Dns(disturbed), config.parse({"policy": policy}))
    return found.disposition.action


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_refused(kind: str) -> None:
    assert disposition(KINDS[kind], Disturbed({}, "as published")) is Action.REJECT


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(FIELDS, FIELDS, ENVELOPES, DNS)
def test_and_stays_so(
    kind: str,
    above: list[tuple[bytes, bytes]],
    below: list[tuple[bytes, bytes]],
    envelope: tuple[str, str] | None,
    dns: tuple[dict[str, str], str],
) -> None:
    message = with_fields(KINDS[kind], above, below)
    if envelope is not None:
        message = replace(message, mail_from=envelope[0], helo=envelope[1])
    assert disposition(message, Disturbed(*dns)) is Action.REJECT
