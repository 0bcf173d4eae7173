"""SPF over generated zones: prefetched and one after the other, and against pyspf."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import spf
from hypothesis import given, settings
from hypothesis import strategies as st

from dmarc_milter import wording
from dmarc_milter.common.reason import Reason, ReasonCode
from dmarc_milter.dns.answer import Answer, AnswerOutcome, OnAnswer, Question, RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from dmarc_milter.spf.check import Check, Step
from dmarc_milter.spf.evaluation import check_host
from dmarc_milter.spf.reasons import SpfReason
from tests.support.keys import strings
from tests.support.trying import examples

CLIENT = bytes([192, 0, 2, 1])
NAMES = [f"n{number}.example.com" for number in range(6)]

_NAME = st.sampled_from(NAMES)
_DOMAIN = st.one_of(_NAME, _NAME, st.sampled_from(["missing.example.com", "%{d1r}.example.com", "%{l}.example.com"]))
_QUALIFIER = st.sampled_from(["", "", "+", "-", "~", "?"])
_MECHANISM = st.one_of(
    st.sampled_from(
        ["all", "a", "mx", "ip4:192.0.2.1", "ip4:192.0.2.0/25", "ip4:198.51.100.0/24", "a/24", "mx/30", "ptr"]
    ),
    st.builds("a:{}".format, _DOMAIN),
    st.builds("mx:{}".format, _DOMAIN),
    st.builds("include:{}".format, _NAME),
    st.builds("include:{}".format, _NAME),
    st.builds("exists:{}".format, _DOMAIN),
    st.builds("a:{}/28//64".format, _NAME),
    st.sampled_from(["ip4:1.2.3", "a:bad", "include", "foo:bar", "ip4:1.2.3.4/33", "all:x", "a:x.example.com/33"]),
)
_MODIFIER = st.one_of(st.builds("redirect={}".format, _NAME), st.sampled_from(["unknown=%{d}", "x=%{", "redirect="]))
_RECORD = st.builds(
    lambda terms, modifiers: " ".join(["v=spf1", *terms, *modifiers]),
    st.lists(st.builds("{}{}".format, _QUALIFIER, _MECHANISM), max_size=5),
    st.lists(_MODIFIER, max_size=1),
)
_ADDRESS = st.sampled_from(["192.0.2.1", "192.0.2.9", "198.51.100.3"])
Zone = dict[str, list[tuple[RecordType, str]]]


@st.composite
def zones(draw: Any) -> Zone:
    entries: Zone = {}
    for name in NAMES:
        records = entries.setdefault(name, [])
        for text in draw(st.lists(_RECORD, max_size=2, min_size=draw(st.integers(0, 1)))):
            records.append((RecordType.TXT, f'"{text}"'))
        records += [
            (RecordType.A, address) for address in draw(st.lists(_ADDRESS, min_size=1, max_size=2, unique=True))
        ]
        records += [(RecordType.MX, f"10 {each}.") for each in draw(st.lists(_NAME, max_size=3, unique=True))]
    entries["1.2.0.192.in-addr.arpa"] = [
        (RecordType.PTR, f"{name}.") for name in draw(st.lists(_NAME, max_size=2, unique=True))
    ]
    return {name: records for name, records in entries.items() if records}


class Slow:
    """A resolver that knows nothing before it was asked, so that prefetching has something to do."""

    def __init__(self, zone: ZoneResolver) -> None:
        self._zone = zone
        self._known: dict[Question, Answer[Any]] = {}
        self.rounds = 0

    def peek(self, question: Question) -> Answer[Any] | None:
        return self._known.get(question)

    async def resolve(self, question: Question) -> Answer[Any]:
        if question not in self._known:
            self.rounds += 1
            self._known[question] = self._zone.look_up(question)
        return self._known[question]

    def prefetch(self, questions: list[Question], then: OnAnswer | None = None) -> None:
        for question in questions:
            self._known[question] = self._zone.look_up(question)
            if then is not None:
                then(question, self._known[question])


def check(resolver: Any, *, prefetch: bool, trace: list[Step] | None = None) -> Check:
    sender = f"n1@{NAMES[0]}"
    return asyncio.run(
        check_host(resolver, CLIENT, NAMES[0], sender, "helo.example.com", prefetch=prefetch, trace=trace)
    )


@settings(max_examples=examples(300))
@given(zones())
def test_asking_ahead_changes_nothing_but_the_time(entries: Zone) -> None:
    zone = ZoneResolver(records_of(entries))
    first, second = Slow(zone), Slow(zone)
    traces: tuple[list[Step], list[Step]] = ([], [])
    assert check(first, prefetch=True, trace=traces[0]) == check(second, prefetch=False, trace=traces[1])
    assert traces[0] == traces[1]
    assert first.rounds <= second.rounds


def pyspf(entries: Zone) -> str:
    zone = ZoneResolver(records_of(entries))

    def look_up(name: str, qtype: str, *_: object, **__: object) -> Iterator[tuple[tuple[str, str], object]]:
        if qtype not in RecordType.__members__:
            return
        answer = zone.look_up(Question(name.lower(), RecordType[qtype]))
        assert answer.outcome is not AnswerOutcome.TEMPORARY_FAILURE
        for value in answer.records:
            shown: object = value
            if qtype == "A":
                shown = ".".join(map(str, value))
            elif qtype == "TXT":
                shown = (value,)
            elif qtype == "MX":
                shown = (10, value)
            yield (name, qtype), shown

    original, spf.DNSLookup = spf.DNSLookup, look_up
    try:
        query = spf.query(i="192.0.2.1", s=f"n1@{NAMES[0]}", h="helo.example.com", querytime=0)
        result: str = query.check()[0]
        return result
    finally:
        spf.DNSLookup = original


@settings(max_examples=examples(400))
@given(zones())
def test_agrees_with_pyspf(entries: Zone) -> None:
    ours = check(ZoneResolver(records_of(entries)), prefetch=True)
    theirs = pyspf(entries)
    if ours.result.value != theirs:
        assert is_known_difference(entries, ours), (ours, theirs)


def _bad_unknown_modifier(entries: Zone, ours: Check) -> bool:
    """Section 12: the value of an unknown modifier is a macro-string too; pyspf does not look at it."""
    is_written = any(text.endswith('x=%{"') for records in entries.values() for _, text in records)
    return is_written and SpfReason.UNREADABLE_MACRO in codes(ours.reason)


def codes(reason: Reason) -> Iterator[ReasonCode]:
    """Of a reason and of those below it."""
    yield reason.code
    for _, value in reason.parameters:
        if isinstance(value, Reason):
            yield from codes(value)


def _includes_itself(entries: Zone, ours: Check) -> bool:
    """Sections 4.6, 5.2: a record that includes itself has no syntax error; pyspf refuses it before evaluating it."""
    return ours.result.value != "permerror" and any(
        f"include:{name}" in text for name, records in entries.items() for _, text in records
    )


PYSPF_ERRORS = (_bad_unknown_modifier, _includes_itself)


def is_known_difference(entries: Zone, ours: Check) -> bool:
    """Where pyspf is wrong."""
    return any(known(entries, ours) for known in PYSPF_ERRORS)


HOSTILE = {
    "ten thousand terms": "v=spf1 " + "a:n1.example.com " * 10_000,
    "ten thousand addresses": "v=spf1 " + "ip4:198.51.100.1 " * 900 + "-all",
    "itself": f"v=spf1 include:{NAMES[0]}",
    "itself by redirect": f"v=spf1 redirect={NAMES[0]}",
    "a wide tree": "v=spf1 " + f"include:{NAMES[0]} " * 50,
    "percent signs": "v=spf1 exists:" + "%{" * 500,
    "very many digits": "v=spf1 exists:%{d" + "9" * 3000 + "}.example.com",
    "long names": "v=spf1 exists:" + "%{d}." * 300 + "example.com -all",
    "delimiters": "v=spf1 exists:%{s" + ".-+,/_=" * 300 + "}.example.com",
    "nothing but blanks": "v=spf1" + " " * 15_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_records_end_soon(text: str) -> None:
    chunks = strings(text)
    zone = ZoneResolver(records_of({NAMES[0]: [(RecordType.TXT, chunks)]}))
    for prefetch in (True, False):
        found = check(zone, prefetch=prefetch)
        assert found.dns_terms <= 11


@given(st.binary(max_size=300))
def test_any_octets_give_a_result(octets: bytes) -> None:
    quoted = "".join(f"\\{octet:03d}" for octet in (b"v=spf1 " + octets)[:250])
    zone = ZoneResolver(records_of({NAMES[0]: [(RecordType.TXT, f'"{quoted}"')]}))
    assert check(zone, prefetch=True).result is not None


def test_a_trace_tells_the_steps() -> None:
    zone = ZoneResolver(
        records_of(
            {
                NAMES[0]: [(RecordType.TXT, f'"v=spf1 a:missing.example.com include:{NAMES[1]} -all"')],
                NAMES[1]: [(RecordType.TXT, '"v=spf1 ip4:198.51.100.1 ~all"')],
            }
        )
    )
    steps: list[Step] = []
    assert check(zone, prefetch=True, trace=steps).result.value == "fail"
    assert [(step.depth, step.term, step.target, wording.text(step.note)) for step in steps] == [
        (0, "record", "", f"v=spf1 a:missing.example.com include:{NAMES[1]} -all"),
        (0, "a:missing.example.com", "missing.example.com", "no match"),
        (0, f"include:{NAMES[1]}", NAMES[1], "evaluates"),
        (1, "record", "", "v=spf1 ip4:198.51.100.1 ~all"),
        (1, "ip4:198.51.100.1", "", "no match"),
        (1, "~all", "", "match"),
        (0, f"include:{NAMES[1]}", NAMES[1], "softfail: no match"),
        (0, "-all", "", "match"),
    ]
    assert (steps[-1].dns_terms, steps[-1].void_lookups) == (2, 1)
