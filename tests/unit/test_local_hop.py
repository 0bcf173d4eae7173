"""Received fields of hops within this host, above the one that names the client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.explaining.envelope import Given, derive
from dmarc_milter.message.header import split_message
from dmarc_milter.message.local_hop import is_local_hop, without_local_hops

LOCAL = {
    "Dovecot's LMTP over a unix socket": (
        b"from mx.example.org\r\n\tby mx.example.org with LMTP\r\n\tid 8Pk\r\n\t(envelope-from <a@b.example>)\r\n"
        b"\tfor <u@example.org>; Thu, 26 Nov 2026 10:00:00 +0000"
    ),
    "Dovecot's LMTP over TCP": b"from mx.example.org ([127.0.0.1])\n\tby mx.example.org with LMTP\n\tid 8Pk; Thu, 26 Nov",
    "Dovecot of another host": (
        b"from mx.example.org ([10.0.0.5])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n"
        b"\tby store.example.org with LMTPS\n\tid 8Pk; Thu, 26 Nov"
    ),
    "an older Dovecot": b"from mx.example.org by mx.example.org (Dovecot) with LMTP id 8Pk for <u@example.org>; Thu",
    "Cyrus": b"from mx.example.org ([unix socket])\n\t by mx.example.org (Cyrus 3.6.1) with LMTPA;\n\t Thu, 26 Nov 2026",
    "Amavis": (
        b"from mx.example.org ([127.0.0.1])\n by localhost (mx.example.org [127.0.0.1]) (amavisd-new, port 10024)\n"
        b" with ESMTP id x for <u@example.org>; Thu, 26 Nov 2026 10:00:00 +0000 (UTC)"
    ),
    "Amavis over LMTP": (
        b"from mx.example.org ([IPv6:::1]) by localhost (mx.example.org [127.0.0.1]) (amavis, port 10024)\n"
        b" with LMTP id x; Thu"
    ),
    "Postfix, from Amavis": b"from localhost (localhost [127.0.0.1])\n\tby mx.example.org (Postfix) with ESMTP id 4Y; Thu",
    "Postfix, from sendmail": b"by mx.example.org (Postfix, from userid 110)\n\tid 4Y; Thu, 26 Nov 2026 10:00:00 +0000",
    "Postfix, by an alias": b"by mx.example.org (Postfix)\n\tid 4Y; Thu, 26 Nov 2026 10:00:00 +0000 (UTC)",
    "a qmail of this host": b"from unknown (HELO localhost) (127.0.0.1)\n  by mx.example.org with SMTP; 26 Nov 2026",
    "Exim": b"from mail by mx.example.org with spam-scanned (Exim 4.96)\n\t(envelope-from <a@b.example>) id x; Thu",
}
NOT_LOCAL = {
    "a client": b"from out.example (out.example [192.0.2.10]) by mx.example.org (Postfix) with ESMTPS id 4X; Thu",
    "a client that says it is loopback": (
        b"from localhost (unknown [192.0.2.10]) by mx.example.org (Postfix) with ESMTP id 4X; Thu"
    ),
    "a field in a HELO": (
        b"from x (localhost [127.0.0.1]) by y (out.example [192.0.2.10]) by mx.example.org (Postfix) with ESMTP; Thu"
    ),
    "a bare address": b"from x ([127.0.0.1]) by y (192.0.2.10) by mx.example.org with Microsoft SMTP Server id 1; Thu",
    "LMTP in a HELO": b"from x by y with LMTP ([192.0.2.10]) by mx.example.org (Postfix) with ESMTP id 4X; Thu",
    "qmail, from a client": b"from unknown (HELO localhost) (192.0.2.10) by mx.example.org with SMTP; 26 Nov 2026",
    "no address at all": b"from out.example by mx.example.org with ESMTP id 4X; Thu",
    "too long": b"from localhost (localhost [127.0.0.1]) by mx.example.org with ESMTP id " + 5_000 * b"x",
    "nothing": b"",
}
CLIENT = NOT_LOCAL["a client"]
NOW = 1_800_000_000.0


@pytest.mark.parametrize("value", LOCAL.values(), ids=LOCAL.keys())
def test_hops_of_this_host_are_stepped_over(value: bytes) -> None:
    assert is_local_hop(value)
    found = derive(split_message(b"Received: " + value + b"\r\nReceived: " + CLIENT + b"\r\n\r\n")[0], Given(), NOW)
    assert found.envelope.client_address == bytes([192, 0, 2, 10])
    assert (found.client_from, found.helo_from) == ("Received field 2", "Received field 2")


@pytest.mark.parametrize("value", NOT_LOCAL.values(), ids=NOT_LOCAL.keys())
def test_what_names_a_client_is_no_such_hop(value: bytes) -> None:
    assert not is_local_hop(value)


def test_the_whole_way_through_a_host() -> None:
    above = b"".join(b"Received: " + value + b"\r\n" for value in LOCAL.values())
    found = derive(
        split_message(above + b"Received: " + CLIENT + b"\r\nReceived: of the sender\r\n\r\n")[0], Given(), NOW
    )
    assert found.client_from == f"Received field {len(LOCAL) + 1}"


@pytest.mark.parametrize("body", [b"", b"Hello\r\n", b"\r\nHello", b"a\nb\rc\0"])
def test_a_message_without_them_is_the_same_else(body: bytes) -> None:
    hop = b"Received: " + LOCAL["Cyrus"] + b"\r\n"
    rest = b"Received: " + CLIENT + b"\r\n" + hop + b"Subject: x\r\n\r\n" + body
    header, octets = split_message(without_local_hops(b"Return-Path: <>\r\n" + hop + rest))
    expected, same = split_message(b"Return-Path: <>\r\n" + rest)
    assert ([*header], octets) == ([*expected], same)
    assert without_local_hops(rest) is rest


UNKNOWN = {
    "no field": (b"", "unknown: there is no Received field"),
    "only local ones": (
        b"Received: " + LOCAL["Amavis"] + b"\r\n",
        "unknown: all Received fields are of this host or of trusted ones",
    ),
    "one that cannot be read": (
        b"Received: " + LOCAL["Amavis"] + b"\r\nReceived: " + NOT_LOCAL["a field in a HELO"] + b"\r\n",
        "unknown: Received field 2 cannot be read",
    ),
    "one below it that the sender may have written": (
        b"Received: " + NOT_LOCAL["no address at all"] + b"\r\nReceived: " + CLIENT + b"\r\n",
        "unknown: Received field 1 cannot be read",
    ),
}


@pytest.mark.parametrize(("fields", "said"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_where_the_client_cannot_be_told(fields: bytes, said: str) -> None:
    found = derive(split_message(fields + b"Subject: x\r\n\r\n")[0], Given(), NOW)
    assert not found.has_client
    assert found.client_from == said


PIECES = ("from ", "by ", "x ", "(", ") ", "[127.0.0.1]", "[::1]", "with LMTP ", "with ESMTP ", "id 1; Thu", "\r\n\t")


@given(st.lists(st.sampled_from(PIECES)), st.lists(st.sampled_from(PIECES)))
def test_a_field_with_a_clients_address_is_stepped_over_for_lmtp_only(before: list[str], after: list[str]) -> None:
    value = "".join([*before, "[192.0.2.10]", *after]).encode()
    assert not is_local_hop(value) or b"with LMTP" in value
