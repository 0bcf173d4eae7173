"""Received-SPF (RFC 7208 9.1)."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.fields.received_spf import field_value
from dmarc_milter.judging.verdict import Envelope, SpfFinding, SpfIdentity, Verdict
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from tests.support.verdicts import verdict as judged


def verdict(address: bytes | None, helo: str, mail_from: str, reason: str = "ip4:192.0.2.0/24 matched") -> Verdict:
    spf = SpfFinding(
        Check(SpfResult.PASS, SpfReason.UNKNOWN_CLIENT(because=reason)), SpfIdentity.MAIL_FROM, "example.com"
    )
    return replace(judged("none"), envelope=Envelope(address, helo, mail_from), spf=spf)


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (
            bytes([192, 0, 2, 7]),
            [
                "pass (ip4:192.0.2.0/24 matched)",
                "\treceiver=mx.example.org;",
                "\tclient-ip=192.0.2.7;",
                "\tidentity=mailfrom;",
                '\tenvelope-from="a@example.com";',
                "\thelo=h.example.com",
            ],
        ),
        (
            None,
            [
                "pass (ip4:192.0.2.0/24 matched)",
                "\treceiver=mx.example.org;",
                "\tidentity=mailfrom;",
                '\tenvelope-from="a@example.com";',
                "\thelo=h.example.com",
            ],
        ),
    ],
)
def test_the_field(address: bytes | None, lines: list[str]) -> None:
    value = field_value("mx.example.org", verdict(address, "h.example.com", "a@example.com"))
    assert value.split("\n") == lines


_PAIR = r'[a-z-]+=(?:[A-Za-z0-9!#$%&\'*+/=?^_`{|}~.-]+|"[ !#-\[\]-~]*")'


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_sender_says_it_stays_one_field(helo: str, mail_from: str, reason: str) -> None:
    value = field_value("mx.example.org", verdict(None, helo, mail_from, reason))
    assert re.fullmatch(rf"pass \([ !#-'*-\[\]-~]*\)\n\t{_PAIR}(;\n\t{_PAIR}){{3}}", value), value
