"""Circles of SPF records, by the trace of a check."""

import asyncio

import pytest

from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from dmarc_milter.spf.check import Step
from dmarc_milter.spf.evaluation import check_host
from dmarc_milter.spf.loop import loop

CASES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "itself": ({"a.test": "include:a.test"}, ("a.test", "a.test")),
    "two": ({"a.test": "include:b.test", "b.test": "include:a.test"}, ("a.test", "b.test", "a.test")),
    "behind the first": (
        {"a.test": "include:b.test", "b.test": "include:c.test", "c.test": "include:b.test"},
        ("b.test", "c.test", "b.test"),
    ),
    "by redirect": ({"a.test": "redirect=b.test", "b.test": "redirect=a.test"}, ("a.test", "b.test", "a.test")),
    "by both": ({"a.test": "include:b.test", "b.test": "redirect=a.test"}, ("a.test", "b.test", "a.test")),
    "behind another": (
        {"a.test": "include:c.test include:b.test", "b.test": "include:a.test", "c.test": "-all"},
        ("a.test", "b.test", "a.test"),
    ),
    "one record twice is none": (
        {"a.test": "include:b.test include:c.test -all", "b.test": "include:c.test -all", "c.test": "-all"},
        (),
    ),
    "behind a redirect is none": (
        {"a.test": "include:b.test include:c.test", "b.test": "redirect=c.test", "c.test": "-all"},
        (),
    ),
    "no record": ({}, ()),
}


@pytest.mark.parametrize(("records", "circle"), CASES.values(), ids=CASES.keys())
def test_loops(records: dict[str, str], circle: tuple[str, ...]) -> None:
    resolver = ZoneResolver(
        records_of({name: [(RecordType.TXT, f'"v=spf1 {text}"')] for name, text in records.items()})
    )
    steps: list[Step] = []
    asyncio.run(check_host(resolver, bytes(4), "a.test", "x@a.test", "a.test", trace=steps))
    found = loop(steps)
    assert (found.domains if found is not None else ()) == circle
    if found is not None:
        assert steps[found.end].domain == circle[0]
