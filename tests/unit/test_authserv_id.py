"""Whose an Authentication-Results field is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.message.authserv_id import MAX_BRACKETS, MAX_START, claims, comparable

OURS = frozenset({"mx.example.org"})

CLAIMS = {
    "plain": (b" mx.example.org; spf=pass", True),
    "no blank": (b"mx.example.org;spf=pass", True),
    "case": (b" MX.Example.ORG; spf=pass", True),
    "version": (b" mx.example.org 1; spf=pass", True),
    "comment before": (b" (a (b) \\) c) mx.example.org; spf=pass", True),
    "comment behind": (b" mx.example.org(x); spf=pass", True),
    "quoted": (b' "mx.example.org"; spf=pass', True),
    "quoted with pairs": (b' "mx\\.example.org"; spf=pass', True),
    "folded": (b"\r\n\tmx.example.org\r\n ; spf=pass", True),
    "dot at the end": (b" mx.example.org.; spf=pass", True),
    "alone": (b" mx.example.org", True),
    "no id": (b" ; spf=pass", True),
    "empty": (b"", True),
    "blanks": (b" \r\n ", True),
    "unclosed comment": (b" (mx.other.example; spf=pass", True),
    "another": (b" other.example; spf=pass mx.example.org", False),
    "a longer name": (b" mx.example.org.other.example; spf=pass", False),
    "a subdomain": (b" a.mx.example.org; spf=pass", False),
    "another's, alone": (b" other.example", False),
    "another's, quoted": (b' "other.example" 1; spf=pass', False),
    "another's, of version 1": (b" other.example 1; spf=pass", False),
    "another's, of version 01": (b" other.example 01; spf=pass", False),
    "another's, with comments": (b" (a (b)) other.example (; mx.example.org) 1 (c); spf=pass", False),
    "another's, not of a host": (b" $me+you; spf=pass", False),
    "another's, with blanks": (b' "other of example"; spf=pass', False),
    "another's, a U-label": (" bücher.example; spf=pass".encode(), False),
    "another's, folded": (b"\r\n\tother.example\r\n\t1\r\n\t; spf=pass", False),
    # No id: a result stands in its place.
    "a result": (b" dmarc=pass header.from=bank.example", True),
    "a result, as Microsoft 365 writes it": (
        b" spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dmarc=pass",
        True,
    ),
    "a result with blanks": (b" dmarc = pass header.from=bank.example", True),
    "a result with a version": (b" dmarc/1=pass header.from=bank.example", True),
    "empty quotes": (b' ""; spf=pass', True),
    "dots": (b" ..; spf=pass", True),
    # A version that no consumer can know (RFC 8601 5).
    "version 2": (b" other.example 2; spf=pass", True),
    "version 10": (b" other.example 10; spf=pass", True),
    "version 0": (b" other.example 0; spf=pass", True),
    "version 1.0": (b" other.example 1.0; spf=pass", True),
    "two versions": (b" other.example 1 1; spf=pass", True),
    "a word for a version": (b" other.example mx.example.org; spf=pass", True),
    # What a generous reader takes for our id.
    "equals sign behind": (b" mx.example.org=; spf=pass", True),
    "comma behind": (b" mx.example.org, spf=pass", True),
    "colon behind": (b" mx.example.org: spf=pass", True),
    "slash and version": (b" mx.example.org/1; spf=pass", True),
    "in angle brackets": (b" <mx.example.org>; spf=pass", True),
    "in square brackets": (b" [mx.example.org]; spf=pass", True),
    "at sign before": (b" @mx.example.org; spf=pass", True),
    "in single quotes": (b" 'mx.example.org'; spf=pass", True),
    "backslash before": (b" \\mx.example.org; spf=pass", True),
    "quoted, version within": (b' "mx.example.org 1"; spf=pass', True),
    "quoted, results within": (b' "mx.example.org; dmarc=pass header.from=bank.example"; spf=pass', True),
    "quoted, blanks around": (b' " mx.example.org "; spf=pass', True),
    "unclosed quote": (b' "mx.example.org; spf=pass', True),
    "two dots at the end": (b" mx.example.org..; spf=pass", True),
    "encoded-word before": (b" =?utf-8?q?x?= mx.example.org; spf=pass", True),
    "encoded": (b" =?utf-8?q?mx=2Eexample=2Eorg?=; spf=pass", True),
    "byte order mark": (b" \xef\xbb\xbfmx.example.org; spf=pass", True),
    "no-break space before": (b" \xc2\xa0mx.example.org; spf=pass", True),
    "no-break space behind": (b" mx.example.org\xc2\xa0; spf=pass", True),
    "no-break space and version": (b" mx.example.org\xc2\xa01; spf=pass", True),
    "direction mark": (b" \xe2\x80\x8emx.example.org; spf=pass", True),
    "zero width space within": (b" mx.exam\xe2\x80\x8bple.org; spf=pass", True),
    "wide letters": (" ｍx．example.org; spf=pass".encode(), True),
    "octets that are no UTF-8": (b" mx.example.org\xff; spf=pass", True),
    "NUL": (b" mx.example.org\x00.other.example; spf=pass", True),
    "NUL before": (b" \x00mx.example.org; spf=pass", True),
    "vertical tab": (b" \x0bmx.example.org; spf=pass", True),
    "form feed behind": (b" mx.example.org\x0c; spf=pass", True),
    "bare CR": (b" other.example\rmx.example.org; spf=pass", True),
    "line end that is no fold": (b" other.example\r\nmx.example.org; spf=pass", True),
    # Beyond what is read.
    "a long comment before": (b" (" + b"x" * MAX_START + b") mx.example.org; spf=pass", True),
    "a long id": (b" " + b"x" * MAX_START + b"; spf=pass", True),
    "many comments before": (b" " + b"()" * (MAX_BRACKETS + 1) + b" other.example; spf=pass", True),
}


@pytest.mark.parametrize(("value", "is_ours"), CLAIMS.values(), ids=CLAIMS.keys())
def test_whose_field_it_is(value: bytes, is_ours: bool) -> None:
    assert claims(value, OURS) is is_ours


def test_u_label_and_a_label_are_the_same_name() -> None:
    ours = frozenset({comparable("mx.bücher.example")})
    assert claims(b" mx.xn--bcher-kva.example; spf=pass", ours)
    assert claims(" mx.bücher.example; spf=pass".encode(), ours)


_NOISE = st.text(st.sampled_from(" \t.,:/'\"<>[]\\@()=\u00a0\ufeff\u200b\x00\x0b"), max_size=5)


@given(_NOISE.filter(lambda before: "(" not in before), _NOISE)
def test_our_id_at_the_start_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    assert claims(f"{before}mx.example.org{after}; dmarc=pass".encode(), OURS)
