"""Answers shared by the workers."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.dns import shared
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.shared import PLACE_OCTETS, SharedAnswers

NAME = Question("example.org", RecordType.TXT)
KEY = b"v=DKIM1; k=rsa; p=" + b"A" * 392


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "answer",
    [
        Answer(AnswerOutcome.RECORDS, (b"v=spf1 -all", b"\xff\x00"), 300.0),
        Answer(AnswerOutcome.RECORDS, ("mx1.example.org", "m\udcff.example"), 300.0),
        Answer(AnswerOutcome.RECORDS, (KEY,), 300.0),
        Answer(AnswerOutcome.NO_DATA, (), 60.0),
        Answer(AnswerOutcome.NO_SUCH_NAME, (), 60.0),
        Answer(AnswerOutcome.TEMPORARY_FAILURE, (), 1.0, DnsReason.SERVFAIL()),
        Answer(
            AnswerOutcome.TEMPORARY_FAILURE, (), 1.0, DnsReason.UNREADABLE(because=DnsReason.TOO_MANY_PIECES(limit=9))
        ),
        Answer(AnswerOutcome.TEMPORARY_FAILURE, (), 1.0, DnsReason.UNREACHABLE(error="[Errno 111] Connection refused")),
    ],
    ids=str,
)
def test_what_is_put_is_found(answer: Answer[object]) -> None:
    answers = SharedAnswers(Clock())
    assert answers.get(NAME) is None
    answers.put(NAME, answer)
    assert answers.get(NAME) == answer


def test_only_the_rest_of_its_time_is_left() -> None:
    clock = Clock()
    answers = SharedAnswers(clock)
    answers.put(NAME, Answer(AnswerOutcome.RECORDS, (b"x",), 300.0))
    clock.now += 100
    found = answers.get(NAME)
    assert found is not None
    assert found.ttl == 200.0
    clock.now += 200
    assert answers.get(NAME) is None


def test_another_process_finds_it() -> None:
    answers = SharedAnswers()
    pid = os.fork()
    if pid == 0:
        answers.put(NAME, Answer(AnswerOutcome.RECORDS, (b"from the child",), 300.0))
        os._exit(0)
    os.waitpid(pid, 0)
    found = answers.get(NAME)
    assert found is not None
    assert found.records == (b"from the child",)


def test_the_same_name_and_another_type_is_another_question() -> None:
    answers = SharedAnswers()
    answers.put(NAME, Answer(AnswerOutcome.RECORDS, (b"text",), 300.0))
    assert answers.get(Question(NAME.name, RecordType.MX)) is None


def test_two_questions_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PLACES", 1)
    answers = SharedAnswers()
    other = Question("example.com", RecordType.TXT)
    answers.put(NAME, Answer(AnswerOutcome.RECORDS, (b"first",), 300.0))
    answers.put(other, Answer(AnswerOutcome.RECORDS, (b"second",), 300.0))
    assert answers.get(NAME) is None
    assert answers.get(other) is not None


@pytest.mark.parametrize("size", [PLACE_OCTETS - 1, PLACE_OCTETS, 70_000])
def test_what_does_not_fit_is_not_shared_and_overwrites_nothing(size: int) -> None:
    answers = SharedAnswers()
    answers.put(NAME, Answer(AnswerOutcome.RECORDS, (b"x" * size,), 300.0))
    assert answers.get(NAME) is None
    before = bytes(answers._places)
    answers.put(NAME, Answer(AnswerOutcome.RECORDS, (b"x" * size,), 300.0))
    assert bytes(answers._places) == before
    assert not any(before)


def test_half_of_one_answer_and_half_of_another_are_none() -> None:
    """Two workers write to one place at once; whoever publishes both records may have chosen them for that."""
    answers = SharedAnswers(Clock())
    start = shared._start(NAME)
    wholes = []
    for record in (b"a" * 100, b"b" * 100):
        answers.put(NAME, Answer(AnswerOutcome.RECORDS, (record,), 300.0))
        wholes.append(bytes(answers._places[start : start + PLACE_OCTETS]))
    used = len(wholes[0].rstrip(b"\0"))
    for cut in range(used):
        answers._places[start : start + PLACE_OCTETS] = wholes[0][:cut] + wholes[1][cut:]
        found = answers.get(NAME)
        assert found is None or found.records[0] in (b"a" * 100, b"b" * 100)


@given(seed=st.integers(0, 1 << 30), changes=st.integers(1, 8))
def test_what_another_process_has_half_written_is_not_found(seed: int, changes: int) -> None:
    """Any octets that are not exactly an entry: no exception, no other answer."""
    answers = SharedAnswers(Clock())
    written = Answer(AnswerOutcome.RECORDS, (b"v=spf1 ip4:192.0.2.1 -all",), 300.0)
    answers.put(NAME, written)
    start = shared._start(NAME)
    chosen = random.Random(seed)
    for _ in range(changes):
        answers._places[start + chosen.randrange(90)] = chosen.randrange(256)
    assert answers.get(NAME) in (None, written)
