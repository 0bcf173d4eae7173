"""Coroutines that are stepped: what they give comes out where it is asked for, a bug of the source included."""

from typing import Any

import pytest

from dmarc_milter.dns.answer import Answer, AnswerOutcome, OnAnswer, Question, RecordType
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.source import Asker, Need, wait

NEED = Need(Question("example.org", RecordType.TXT), 0.0, Asker())
KNOWN: Answer[Any] = Answer(AnswerOutcome.NO_DATA, (), 60.0)


class OurError(Exception):
    """A bug."""


class FailingSource:
    """Knows `known` answers, one after the other; then it fails."""

    def __init__(self, known: int) -> None:
        self._left = known

    def peek(self, question: Question) -> Answer[Any] | None:
        return None

    def ask(self, need: Need, on_answer: OnAnswer) -> Answer[Any] | None:
        self._left -= 1
        if self._left < 0:
            raise OurError
        return KNOWN

    def leave(self, asker: Asker) -> None: ...


async def asking(times: int, *, fails: bool = False) -> int:
    for _ in range(times):
        await wait(NEED)
    if fails:
        raise OurError
    return times


@pytest.mark.parametrize("times", [0, 1, 3])
def test_what_it_gives(times: int) -> None:
    started = Runner(FailingSource(known=times)).start(asking(times))
    assert started.done()
    assert started.result() == times


@pytest.mark.parametrize(
    ("known", "times", "fails"), [(0, 0, True), (1, 1, True), (0, 1, False), (1, 2, False)], ids=str
)
def test_a_bug_comes_out_where_the_result_is_asked_for(known: int, times: int, fails: bool) -> None:
    """And not where it is started: that may be another stage of the message."""
    started = Runner(FailingSource(known)).start(asking(times, fails=fails))
    assert started.done()
    with pytest.raises(OurError):
        started.result()
