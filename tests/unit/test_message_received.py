"""Received fields of trusted relays: each program's form, and what a hostile client can write into one."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.message.reasons import ReceivedReason
from dmarc_milter.message.received import HandOver, handed_over, outermost

FORMS = {
    "Postfix": (
        b" from mail.example (mail.example [192.0.2.1])\r\n\tby gw.example.org (Postfix) with ESMTPS id 4X\r\n"
        b"\tfor <a@example.org>; Tue, 24 Nov 2026 12:00:00 +0000 (UTC)",
        ("192.0.2.1", "mail.example"),
    ),
    "Postfix, no name": (
        b" from [10.0.0.1] (unknown [192.0.2.1]) by gw (Postfix) with SMTP id 4X",
        ("192.0.2.1", "[10.0.0.1]"),
    ),
    "Postfix with TLS": (
        b" from h.example (h.example [IPv6:2001:db8::1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256"
        b" bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\r\n\t(No client certificate requested)\r\n"
        b"\tby gw.example.org (Postfix) with ESMTPS id 4X",
        ("2001:db8::1", "h.example"),
    ),
    "Sendmail": (
        b" from h.example (h.example [192.0.2.1]) by gw.example.org (8.17.1/8.17.1) with ESMTP id 1; Tue, 24 Nov 2026",
        ("192.0.2.1", "h.example"),
    ),
    "Sendmail in doubt": (
        b" from h.example (user@x.example [192.0.2.1] (may be forged)) by gw (8.17.1/8.17.1) with ESMTP id 1",
        ("192.0.2.1", "h.example"),
    ),
    "Sendmail, no name": (
        b" from h.example ([192.0.2.1]) by gw (8.17.1/8.17.1) with ESMTP",
        ("192.0.2.1", "h.example"),
    ),
    "Exim": (
        b" from h.example ([192.0.2.1] helo=other.example) by gw.example.org with esmtps (TLS1.3)"
        b" tls TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <a@b.example>) id 1o; Tue, 24 Nov 2026",
        ("192.0.2.1", "other.example"),
    ),
    "Exim, port and ident": (
        b" from h.example ([192.0.2.1]:4711 helo=other.example ident=me) by gw.example.org with esmtp (Exim 4.96)",
        ("192.0.2.1", "other.example"),
    ),
    "Exim, no name": (
        b" from [192.0.2.1] (helo=h.example) by gw.example.org with smtp (Exim 4.96)",
        ("192.0.2.1", "h.example"),
    ),
    "Exim, nothing but an address": (b" from [192.0.2.1] by gw with smtp (Exim 4.96)", ("192.0.2.1", "[192.0.2.1]")),
    "Exchange": (
        b" from h.example (192.0.2.1) by srv.example.org (10.0.0.2) with Microsoft SMTP Server\r\n"
        b" (version=TLS1_2, cipher=TLS_ECDHE_RSA) id 15.20.1; Tue, 24 Nov 2026 12:00:00 +0000",
        ("192.0.2.1", "h.example"),
    ),
    "Exchange Online": (
        b" from h.example (2001:db8::1) by AM0.mail.protection.outlook.com (2603:10a6::1) with Microsoft SMTP Server"
        b" (version=TLS1_2, cipher=X) id 15.20.8 via Frontend Transport; Tue, 24 Nov 2026",
        ("2001:db8::1", "h.example"),
    ),
    "Amavis": (
        b" from gw.example.org ([127.0.0.1])\r\n by localhost (gw.example.org [127.0.0.1]) (amavisd-new, port 10024)\r\n"
        b" with ESMTP id x for <u@example.org>; Tue, 24 Nov 2026 12:00:00 +0000 (UTC)",
        ("127.0.0.1", "gw.example.org"),
    ),
    "Amavis 2.13 over IPv6": (
        b" from gw.example.org ([IPv6:::1]) by localhost (gw.example.org [IPv6:::1]) (amavis, port 10024) with LMTP id x;"
        b" Tue, 24 Nov 2026 12:00:00 +0000",
        ("::1", "gw.example.org"),
    ),
    "IPv4 written as IPv6": (b" from h (h [IPv6:::ffff:192.0.2.1]) by gw (Postfix) with SMTP id 1", ("192.0.2.1", "h")),
}


@pytest.mark.parametrize(("value", "client"), FORMS.values(), ids=FORMS.keys())
def test_forms(value: bytes, client: tuple[str, str]) -> None:
    assert handed_over(value) == HandOver(ipaddress.ip_address(client[0]).packed, client[1])


UNREADABLE = {
    "HELO that is a field of Postfix": b" from x (gw [192.0.2.1]) (real.example [203.0.113.9]) by gw (Postfix) with SMTP id 1",
    "HELO that ends the clause": b" from x (gw [192.0.2.1]) by y (real [203.0.113.9]) by gw (Postfix) with SMTP id 1",
    "HELO that opens a comment": b" from x (gw [192.0.2.1]) (using TLS (real [203.0.113.9]) by gw (Postfix) with SMTP id 1",
    "HELO that is a field of Exchange": b" from x (192.0.2.1) (203.0.113.9) by gw (10.0.0.1) with Microsoft SMTP Server id 1",
    "HELO that is a whole field of Exchange": b" from x (192.0.2.1) by y (10.0.0.1) with Microsoft SMTP Server (203.0.113.9)"
    b" by gw (10.0.0.1) with Microsoft SMTP Server id 1",
    "HELO that is a field of Exim": b" from [192.0.2.1] (helo=x) (real.example [203.0.113.9]) by gw (Postfix) with SMTP id 1",
    "HELO that is a literal and by": b" from [192.0.2.1] by x (real [203.0.113.9]) by gw (Postfix) with SMTP id 1",
    "HELO that is a field of Amavis": b" from x ([127.0.0.1]) by localhost (y [127.0.0.1]) (amavis, port 1) with SMTP id z;"
    b" (real [203.0.113.9]) by gw (Postfix) with SMTP id 1",
    "HELO that is a field of Amavis, of a program that names no address": b" from x ([192.0.2.1]) by localhost"
    b" (y [127.0.0.1]) (amavis, port 1); by gw with SMTP",
    "certificate that names an address": b' from x (y [192.0.2.1]) (Client CN "[203.0.113.9]") by gw (Postfix) with SMTP id 1',
    "no address": b" from localhost by gw with local (Exim 4.96)",
    "by alone": b" by gw.example.org (Postfix, from userid 1000) id 4X; Tue, 24 Nov 2026 12:00:00 +0000",
    "not an address": b" from x (y [999.0.2.1]) by gw (Postfix) with SMTP id 1",
    "nothing": b"",
    "too long": b" from x (y [192.0.2.1]) by gw" + b" " * 5000,
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable(value: bytes) -> None:
    assert handed_over(value) is None


@given(st.text("x ()[]192.03:byhelo=fromwith<>@", max_size=60))
def test_no_helo_makes_postfix_name_another_client(helo: str) -> None:
    """Whatever a client says in HELO (Postfix keeps blanks in it), the field names the true address, or nothing."""
    written = f" from {helo} (real.example [203.0.113.9])\r\n\tby gw.example.org (Postfix) with SMTP id 4X".encode()
    client = handed_over(written)
    assert client is None or client.address == bytes([203, 0, 113, 9])


def field(address: str) -> bytes:
    if address == "amavis":
        return FORMS["Amavis"][0]
    return f" from h.example (h.example [{address}]) by gw (Postfix) with ESMTP id 1".encode()


def is_trusted(address: bytes) -> bool:
    return address[:3] == bytes([192, 0, 2])


PATHS = {
    "one relay": (["198.51.100.7"], "198.51.100.7", 1),
    "three relays": (["192.0.2.2", "192.0.2.3", "198.51.100.7", "203.0.113.1"], "198.51.100.7", 3),
    "a relay with a filter of its own": (["127.0.0.1", "198.51.100.7"], "198.51.100.7", 2),
    "never below the first that is not trusted": (["198.51.100.7", "192.0.2.2", "203.0.113.1"], "198.51.100.7", 1),
    "no field": ([], None, 0),
    "a relay that runs Amavis": (["127.0.0.1", "amavis", "198.51.100.7"], "198.51.100.7", 3),
    "only relays": (["192.0.2.2"], None, 1),
}


@pytest.mark.parametrize(("path", "client", "fields"), PATHS.values(), ids=PATHS.keys())
def test_paths(path: list[str], client: str | None, fields: int) -> None:
    found = outermost([field(each) for each in path], is_trusted)
    assert found.trusted_fields == fields
    assert (found.client and found.client.address) == (client and ipaddress.ip_address(client).packed)
    assert bool(found.reason) is (client is None)


def test_a_field_that_cannot_be_read_ends_the_search() -> None:
    found = outermost([field("192.0.2.2"), b" from nowhere", field("198.51.100.7")], is_trusted)
    assert found.client is None
    assert found.reason == ReceivedReason.UNREADABLE_RECEIVED(position=2)


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_a_client_may_have_spoiled_is_ambiguous(value: bytes) -> None:
    """A field of a known program that cannot be read must not be taken for one of an unknown program."""
    reason = outermost([value], is_trusted).reason
    is_of_unknown_program = value in (UNREADABLE["nothing"], UNREADABLE["by alone"])
    expected = ReceivedReason.UNREADABLE_RECEIVED if is_of_unknown_program else ReceivedReason.AMBIGUOUS_RECEIVED
    assert reason == expected(position=1)


@given(st.text("x ()[]192.03:byhelo=fromwith<>@;,amavis", max_size=60))
def test_no_helo_makes_a_field_of_postfix_one_of_an_unknown_program(helo: str) -> None:
    written = f" from {helo} (real.example [203.0.113.9])\r\n\tby gw.example.org (Postfix) with SMTP id 4X".encode()
    reason = outermost([written], is_trusted).reason
    assert reason is None or reason.code is ReceivedReason.AMBIGUOUS_RECEIVED
