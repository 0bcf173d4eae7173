"""What `compare` reads of a message: the fields of old chains, the hop beside them, the envelope there."""

from ipaddress import ip_address

import pytest

from dmarc_milter.common import network
from dmarc_milter.common.network import contains
from dmarc_milter.comparing import envelope, hop, told
from dmarc_milter.comparing.hop import Ids
from dmarc_milter.comparing.told import Dmarc, Signature, Spf, Told
from dmarc_milter.message.header import split_message

NOW = 1_800_000_000.0
FIELDS = {
    "OpenDKIM": (
        b" mx.example.org;\r\n\tdkim=pass (2048-bit key; unprotected) header.d=bank.example header.i=@bank.example\r\n"
        b"\theader.a=rsa-sha256 header.s=2026 header.b=AbC/d",
        Told(dkim=(Signature("pass", "bank.example", "2026", "abc/d"),)),
    ),
    "OpenDKIM without a key": (
        b' mx.example.org; dkim=permerror (0-bit key) header.d=bank.example header.s=x header.b="a b"',
        Told(dkim=(Signature("permerror", "bank.example", "x", "a b"),)),
    ),
    "OpenDMARC": (
        b" mx.example.org; dmarc=fail (p=reject dis=none) header.from=bank.example",
        Told(dmarc=Dmarc("fail", "reject", "none")),
    ),
    "policyd-spf": (
        b" mx.example.org; spf=softfail (mailfrom) smtp.mailfrom=bank.example (client-ip=192.0.2.1; helo=h.example;"
        b' envelope-from="a;b"@bank.example; receiver=joe@example.org)',
        Told(spf=(Spf("softfail", "mailfrom", "bank.example"),)),
    ),
    "policyd-spf, of HELO": (
        b" mx.example.org; spf=none (no SPF record) smtp.helo=h.example",
        Told(spf=(Spf("none", "helo", "h.example"),)),
    ),
    "policyd-spf, not checked": (b" mx.example.org; none (SPF not checked for localhost)", Told()),
    "rspamd": (
        b' mx.example.org;\r\n\tdkim=none;\r\n\tdmarc=fail reason="SPF not aligned (relaxed), No valid DKIM; (p=none)"'
        b" header.from=bank.example (policy=reject);\r\n\tspf=fail (mx.example.org: domain of a@b.example does not"
        b' designate 192.0.2.9 as permitted sender) smtp.mailfrom=a@b.example;\r\n\tarc=pass ("x:s=y:i=1")',
        Told((Spf("fail", "mailfrom", "b.example"),), (Signature("none"),), Dmarc("fail", "reject"), "pass"),
    ),
    "rspamd of before": (
        b" mx.example.org;\r\n\tdkim=pass header.d=bank.example:s=2026; arc=reject (broken); spf=pass smtp.helo=h.example",
        Told((Spf("pass", "helo", "h.example"),), (Signature("pass", "bank.example", "2026"),), None, "fail"),
    ),
    "Amavis": (
        b' mx.example.org (amavisd-new); dkim=fail (2048-bit key)\r\n reason="fail (message has been altered)"'
        b" header.d=bank.example",
        Told(dkim=(Signature("fail", "bank.example"),)),
    ),
    "authentication_milter": (
        b" mx.example.org;\r\n dkim=pass (2048-bit rsa key sha256) header.d=bank.example header.i=@bank.example"
        b" header.b=abcd header.a=rsa-sha256 header.s=s;\r\n dmarc=pass policy.published-domain-policy=quarantine"
        b" policy.applied-disposition=none policy.evaluated-disposition=none (p=quarantine,d=none,d.eval=none)"
        b" policy.policy-from=p header.from=bank.example;\r\n iprev=pass smtp.remote-ip=192.0.2.1 (x.example);\r\n"
        b" spf=pass smtp.mailfrom=a@bank.example smtp.helo=h.example",
        Told(
            (Spf("pass", "mailfrom", "bank.example"),),
            (Signature("pass", "bank.example", "s", "abcd"),),
            Dmarc("pass", "quarantine", "none"),
        ),
    ),
    "Gmail": (
        b" mx.google.com;\r\n       dkim=pass header.i=@bank.example header.s=2026 header.b=AbCd;\r\n       spf=pass"
        b" (google.com: domain of a@bank.example designates 192.0.2.1 as permitted sender)"
        b" smtp.mailfrom=a@bank.example;\r\n       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=bank.example",
        Told(
            (Spf("pass", "mailfrom", "bank.example"),),
            (Signature("pass", "bank.example", "2026", "abcd"),),
            Dmarc("pass", "none", "none"),
        ),
    ),
    "ours": (
        b" mx.example.org;\r\n\tdmarc=fail (p=reject dis=quarantine) header.from=bank.example policy.dmarc=reject;\r\n"
        b"\tspf=none smtp.helo=h.example; dkim=none",
        Told((Spf("none", "helo", "h.example"),), (Signature("none"),), Dmarc("fail", "reject", "quarantine")),
    ),
    "ours of before": (
        b" mx.example.org; spf=pass smtp.mailfrom=bank.example; dkim=none; dmarc=fail header.from=bank.example"
        b" policy.dmarc=reject policy.disposition=quarantine",
        Told((Spf("pass", "mailfrom", "bank.example"),), (Signature("none"),), Dmarc("fail", "reject", "quarantine")),
    ),
    "words of before RFC 7001": (
        b" mx.example.org; spf=hardfail smtp.mfrom=a@b.example; dmarc=bestguesspass",
        Told((Spf("fail", "mailfrom", "b.example"),), (), Dmarc("none")),
    ),
    "a job id": (b" mx.example.org/4X1; dmarc=pass (p=none dis=none)", Told(dmarc=Dmarc("pass", "none", "none"))),
    "a version": (b" mx.example.org 1; dmarc=pass", Told(dmarc=Dmarc("pass"))),
}


@pytest.mark.parametrize(("value", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields_of_many_programs(value: bytes, expected: Told) -> None:
    field = told.read(value)
    assert field is not None
    found = told.of_fields([field])
    assert (found.spf, found.dkim, found.dmarc, found.arc) == (
        expected.spf, expected.dkim, expected.dmarc, expected.arc
    )  # fmt: skip


UNREADABLE = {
    "no id": b" spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=b.example; dkim=pass",
    "an open quote": b' mx.example.org; dmarc=pass reason="',
    "an open comment": b" mx.example.org; dmarc=pass (",
    "too long": b" mx.example.org; dmarc=pass (" + b"x" * 20_000 + b")",
    "nothing": b"",
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_fields_that_cannot_be_read(value: bytes) -> None:
    assert told.read(value) is None


OURS = b"Authentication-Results: new.example; dmarc=pass\r\n"
OLD = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
SPF_FIELD = b"Authentication-Results: policyd; spf=pass smtp.mailfrom=bank.example\r\n"
FOREIGN = b"Authentication-Results: mx.google.com; dmarc=pass\r\n"


def received(client: str, by: str = "mx.example.org") -> bytes:
    return f"Received: from h.example (h.example [{client}])\r\n\tby {by} (Postfix) id 4X; date\r\n".encode()


HOP, RELAY = received("192.0.2.10"), received("198.51.100.1", "inside.example.org")
BELOW = received("192.0.2.77", "mx.google.com")
LOCAL = (
    b"Received: from localhost (localhost [127.0.0.1]) by mx.example.org (Amavisd-new, port 10024) with ESMTP id 1\r\n"
)
PLACES: dict[str, tuple[bytes, list[str], list[str], bool, int | None]] = {
    "Postfix": (OURS + OLD + SPF_FIELD + HOP + BELOW, [], ["mx.example.org", "policyd"], True, 1),
    "behind a content filter": (LOCAL + OLD + HOP, [], ["mx.example.org"], False, 2),
    "Sendmail": (HOP + OURS + OLD + BELOW, [], ["mx.example.org"], False, 1),
    "Sendmail, ids that are named": (HOP + OURS + SPF_FIELD + BELOW, ["policyd"], ["policyd"], False, 1),
    "what a forwarder wrote": (HOP + FOREIGN + BELOW, [], [], False, 1),
    "what a sender wrote": (OLD + HOP + BELOW + OLD, [], ["mx.example.org"], False, 1),
    "what a sender wrote, and nothing else": (HOP + BELOW + OLD, ["mx.example.org"], [], False, 1),
    "a gateway that is trusted": (RELAY + OLD + HOP + BELOW, [], ["mx.example.org"], False, 2),
    "both on this host behind a gateway": (OLD + RELAY + HOP, [], ["mx.example.org"], False, 1),
    "the old one on the gateway": (OURS + RELAY + OLD + HOP, [], ["mx.example.org"], True, 2),
    "two hosts that both judge": (SPF_FIELD + RELAY + OLD + HOP, [], ["policyd"], False, 1),
    "other ids are not meant": (OLD + SPF_FIELD + HOP, ["policyd"], ["policyd"], False, 1),
    "no Received field": (OLD, [], ["mx.example.org"], False, None),
}  # fmt: skip


@pytest.mark.parametrize(("header", "ids", "old", "has_ours", "number"), PLACES.values(), ids=PLACES)
def test_where_the_fields_stand(
    header: bytes, ids: list[str], old: list[str], has_ours: bool, number: int | None
) -> None:
    trusted = (network.parse("198.51.100.0/24"),)
    fields = split_message(header + b"\r\n")[0]
    found = hop.find(fields, Ids("new.example", frozenset(ids)), lambda address: contains(trusted, address))
    assert [each.authserv_id for each in found.old] == old
    assert bool(found.ours) is has_ours
    assert (found.hop.number if found.hop is not None else None) == number


def test_a_field_that_cannot_be_read_is_told() -> None:
    fields = split_message(b"Authentication-Results: (\r\n" + HOP + b"\r\n")[0]
    assert hop.find(fields, Ids(None, frozenset()), lambda _: False).has_unreadable


PATH = b"Return-Path: <News@bank.example>\r\n"
RECEIVED_SPF = (
    b"Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.99; helo=real.example;\r\n"
    b'\tenvelope-from="bounce@bank.example"; receiver=<UNKNOWN>\r\n'
)
WITH_ADDRESS = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=full@bank.example\r\n"
WITH_DOMAIN = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bank.example\r\n"
ENVELOPES = {
    "hop and Return-Path": (PATH + OLD + HOP, "192.0.2.10", "h.example", "News@bank.example"),
    "Received-SPF": (PATH + RECEIVED_SPF + OLD + HOP, "192.0.2.99", "real.example", "bounce@bank.example"),
    "Received-SPF of the sender": (PATH + OLD + HOP + RECEIVED_SPF, "192.0.2.10", "h.example", "News@bank.example"),
    "policyd-spf's comment": (
        PATH + b"Authentication-Results: mx.example.org; spf=none (x) smtp.helo=h2.example (client-ip=2001:db8::1;"
        b" helo=h2.example; envelope-from=<>; receiver=x)\r\n" + HOP, "2001:db8::1", "h2.example", ""
    ),
    "the address of the field": (PATH + WITH_ADDRESS + HOP, "192.0.2.10", "h.example", "full@bank.example"),
    "the domain of the field": (PATH + WITH_DOMAIN + HOP, "192.0.2.10", "h.example", "News@bank.example"),
    "a path that was rewritten": (
        b"Return-Path: <SRS0=x=bank.example=news@fwd.example>\r\n" + WITH_DOMAIN + HOP,
        "192.0.2.10", "h.example", "postmaster@bank.example",
    ),
    "a bounce": (b"Return-Path: <>\r\n" + OLD + HOP, "192.0.2.10", "h.example", ""),
    "no path": (OLD + HOP, None, "h.example", None),
    "no client": (PATH + OLD + b"Received: from x by y; z\r\n", None, "", "News@bank.example"),
    "nothing": (OLD, None, "", None),
}  # fmt: skip


@pytest.mark.parametrize(("header", "client", "helo", "mail_from"), ENVELOPES.values(), ids=ENVELOPES)
def test_the_envelope_beside_the_field(header: bytes, client: str | None, helo: str, mail_from: str | None) -> None:
    fields = split_message(header + b"\r\n")[0]
    found = hop.find(fields, Ids("new.example", frozenset()), lambda _: False)
    known = envelope.of_beside(fields, found, NOW)
    assert known.envelope.client_address == (ip_address(client).packed if client else None)
    assert (known.envelope.helo, known.envelope.mail_from) == (helo, mail_from or "")
    assert known.has_mail_from is (mail_from is not None)
