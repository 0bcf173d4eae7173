"""What sealers write into ARC-Authentication-Results, as they really write it."""

import pytest

from dmarc_milter.arc.results import MAX_OCTETS, MAX_RESULTS, MAX_TOKENS, MethodResult, parse

FIELDS = {
    "plain": (
        b" mx.example.org; spf=pass smtp.mailfrom=a.example; dmarc=pass header.from=a.example",
        [("spf", "pass"), ("dmarc", "pass")],
    ),
    "a comment with semicolons and brackets": (
        b" mx; dmarc=pass (p=REJECT; x (y)) header.from=a.example",
        [("dmarc", "pass")],
    ),
    "a claim inside a comment": (b" mx; dmarc=fail (; dmarc=pass) header.from=a.example", [("dmarc", "fail")]),
    "a claim inside quotes": (b' mx; dmarc=fail reason="; dmarc=pass"', [("dmarc", "fail")]),
    "a quote inside quotes": (b' mx; dmarc=fail reason="\\"; dmarc=pass"', [("dmarc", "fail")]),
    "a claim that is another's value": (b" mx; dmarc=fail reason=dmarc=pass", [("dmarc", "fail")]),
    "an unclosed comment": (b" mx; dmarc=pass header.from=a.example (; dmarc=fail", []),
    "an unclosed quote": (b' mx; dmarc=pass header.from=a.example x.y="; dmarc=fail', []),
    "a control character": (b" mx; dmarc=pass header.from=a.example\x00; dmarc=fail", []),
    "a quote inside a comment": (
        b' mx; dmarc=pass (") header.from=a.example; dmarc=fail (")',
        [("dmarc", "pass"), ("dmarc", "fail")],
    ),
    "a comment inside quotes": (
        b' mx; spf=pass reason="("; dmarc=fail reason=")"',
        [("spf", "pass"), ("dmarc", "fail")],
    ),
    "comments between all words": (
        b" (a)mx(b)1(c);(d)dmarc(e)/(f)1(g)=(h)pass(i)header(j).(k)from(l)=(m)a.example(n)",
        [("dmarc", "pass")],
    ),
    "blanks, folds, versions, case": (
        b" mx 1;\r\n\tDMARC/1 = Pass\r\n header.from = A.example",
        [("dmarc", "pass")],
    ),
    "unquoted slash": (b" mx.google.com; dkim=pass header.b=abc/; dmarc=pass", [("dkim", "pass"), ("dmarc", "pass")]),
    "not a property type": (b" mx; dmarc=pass action=none header.from=a.example", [("dmarc", "pass")]),
    "none": (b" mx; none", []),
    "empty": (b"", []),
}


@pytest.mark.parametrize(("value", "results"), FIELDS.values(), ids=FIELDS.keys())
def test_results(value: bytes, results: list[tuple[str, str]]) -> None:
    assert [(each.method, each.result) for each in parse("d.example", value).results if each.method != "reason"] == [
        *results
    ]


PROPERTIES = {
    "quoted": (
        b'dmarc=pass (x) header.from="A.Example" policy.dmarc=none',
        [("header.from", "a.example"), ("policy.dmarc", "none")],
    ),
    "behind a comment": (b"dmarc=pass (p=none dis=none) header.from=a.example", [("header.from", "a.example")]),
    "blanks and comments": (b"dmarc = pass header (x) . from\r\n = (y) a.example", [("header.from", "a.example")]),
    "reason": (
        b'dmarc=pass reason="x; header.from=b.example" header.from=a.example',
        [("reason", "x; header.from=b.example"), ("header.from", "a.example")],
    ),
    "empty quotes": (b'dmarc=pass reason="" header.from=a.example', [("reason", ""), ("header.from", "a.example")]),
    "base64 as it is": (
        b"dkim=pass header.b=ab+/c== header.d=a.example",
        [("header.b", "ab+/c=="), ("header.d", "a.example")],
    ),
    "an address": (
        b"spf=pass smtp.mailfrom=<a@b.example> x.y=2001:db8::1",
        [("smtp.mailfrom", "<a@b.example>"), ("x.y", "2001:db8::1")],
    ),
    "a word without a value": (b"dmarc=pass oops header.from=a.example", [("header.from", "a.example")]),
    "twice": (
        b"dmarc=pass header.from=a.example header.from=b.example",
        [("header.from", "a.example"), ("header.from", "b.example")],
    ),
}


@pytest.mark.parametrize(("result", "properties"), PROPERTIES.values(), ids=PROPERTIES.keys())
def test_properties(result: bytes, properties: list[tuple[str, str]]) -> None:
    found = parse("d.example", b" mx 1; " + result)
    assert found.authserv_id == "mx"
    assert [each.properties for each in found.results] == [tuple(properties)]


def test_values() -> None:
    (found,) = parse("d.example", b"mx; dmarc=pass header.from=a.example header.from=b.example").of("dmarc")
    assert found == MethodResult("dmarc", "pass", (("header.from", "a.example"), ("header.from", "b.example")))
    assert found.values("header.from") == ["a.example", "b.example"]
    assert found.values("header.d") == []


TOO_MUCH = {
    "results": b"mx" + b"; a=b" * (MAX_RESULTS + 1),
    "words": b"mx; dmarc=pass " + b"a " * MAX_TOKENS,
    "comments": b"mx; dmarc=pass " + b"()" * (MAX_TOKENS + 1),
    "octets": b"mx; dmarc=pass " + b" " * MAX_OCTETS,
}


@pytest.mark.parametrize("value", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_of_a_field_beyond_the_bounds_nothing_is_read(value: bytes) -> None:
    assert parse("d.example", value).results == ()


def test_within_the_bounds_all_is_read() -> None:
    assert len(parse("d.example", b"mx" + b"; a=b" * MAX_RESULTS).results) == MAX_RESULTS
