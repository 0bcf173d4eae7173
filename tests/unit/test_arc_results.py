"""What sealers write into ARC-Authentication-Results, as they really write it."""

import pytest

from dmarc_milter.arc.results import MAX_RESULTS, MethodResult, parse

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
    "an unclosed comment": (b" mx; spf=fail (; dmarc=pass", [("spf", "fail")]),
    "an unclosed quote": (b' mx; spf=fail reason="; dmarc=pass', [("spf", "fail")]),
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


def test_properties() -> None:
    found = parse("d.example", b' mx 1; dmarc=pass (x) header.from="A.Example" policy.dmarc=none')
    assert found.authserv_id == "mx"
    assert found.of("dmarc") == [
        MethodResult("dmarc", "pass", (("header.from", "a.example"), ("policy.dmarc", "none")))
    ]
    assert found.of("dmarc")[0].value("header.from") == "a.example"
    assert found.of("dmarc")[0].value("header.d") is None


def test_is_bounded() -> None:
    assert len(parse("d.example", b"mx" + b"; a=b" * 100_000).results) == MAX_RESULTS
