"""Macros of SPF: what each letter stands for, and where it may stand (RFC 7208 7)."""

import socket

import pytest

from dmarc_milter.common.reason import Reason, Unreadable
from dmarc_milter.spf import macro
from dmarc_milter.spf.macro import MacroValues
from dmarc_milter.spf.reasons import SpfReason

IPV4 = MacroValues(
    "strong-bad@email.example.com", bytes([192, 0, 2, 3]), "mx.example.org", "email.example.com", "mx.example.org",
    "receiver.example", 1_795_000_000,
)  # fmt: skip
IPV6 = IPV4._replace(client_address=socket.inet_pton(socket.AF_INET6, "2001:db8::cb01"))


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("%{s}", IPV4, "strong-bad@email.example.com"),
        ("%{l} %{l1r-}", IPV4, "strong-bad strong"),
        ("%{o} %{d} %{h} %{p}", IPV4, "email.example.com email.example.com mx.example.org mx.example.org"),
        ("%{d2} %{dr}", IPV4, "example.com com.example.email"),
        ("%{i} %{v} %{c}", IPV4, "192.0.2.3 in-addr 192.0.2.3"),
        ("%{i} %{v}", IPV6, "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1 ip6"),
        ("%{c}", IPV6, "2001:db8::cb01"),
        ("by %{r} at %{t}", IPV4, "by receiver.example at 1795000000"),
        ("%{S}%%%_%-", IPV4, "strong-bad%40email.example.com% %20"),
    ],
)
def test_an_explanation(text: str, values: MacroValues, expected: str) -> None:
    found = macro.parse(text, explanation=True)
    assert not isinstance(found, Unreadable)
    assert macro.expand(found, values, 1_000) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("%{r}.example", SpfReason.EXPLANATION_LETTER(letter="r")),
        ("%{C}", SpfReason.EXPLANATION_LETTER(letter="C")),
        ("%{t}", SpfReason.EXPLANATION_LETTER(letter="t")),
        ("%{q}", SpfReason.UNKNOWN_LETTER(letter="q")),
        ("%{d0}", SpfReason.ZERO_PARTS()),
    ],
)
def test_a_name_has_no_such_macro(text: str, reason: Reason) -> None:
    found = macro.parse(text)
    assert isinstance(found, Unreadable)
    assert found.reason == reason
