"""Who may ask how much: messages and clients share out the questions in flight, and DMARC's have room of their own."""

import asyncio
from dataclasses import dataclass, field

import pytest

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, AnswerOutcome, OnAnswer, Question, RecordType
from dmarc_milter.dns.asyncio_runner import run_in_asyncio
from dmarc_milter.dns.caching import CachingResolver, QuestionLimits
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.message import MessageQuestions, MessageResolver
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.source import Asker, Need

FOREVER = float("inf")
FOUND = Answer(AnswerOutcome.RECORDS, (b"found",), 300.0)
BRIEF = Answer(AnswerOutcome.RECORDS, (b"brief",), 0.0)


@dataclass
class Asking:
    """A question that waits for the test to answer it."""

    question: Question
    on_answer: OnAnswer
    is_reserved: bool
    is_abandoned: bool = False

    def start(self) -> None: ...

    def abandon(self) -> None:
        self.is_abandoned = True

    def answer(self, answer: Answer[bytes] = FOUND) -> None:
        self.on_answer(self.question, answer)


@dataclass
class Upstream:
    """Name servers that say nothing of their own accord."""

    asked: list[Asking] = field(default_factory=list)

    def prepare(self, question: Question, on_answer: OnAnswer, *, is_reserved: bool) -> Asking:
        self.asked.append(Asking(question, on_answer, is_reserved))
        return self.asked[-1]

    @property
    def names(self) -> list[str]:
        return [each.question.name for each in self.asked]


class HandLoop(Loop):
    """A loop without a thread: the test says when it is late."""

    def __init__(self) -> None:
        self._sweeps = []

    def sweep(self, now: float) -> None:
        for each in self._sweeps:
            each(now)


SMALL = QuestionLimits(ordinary=8, reserved=4, client=7, message_prefetches=3, client_prefetches=5)


class Site:
    """A resolver over an upstream and a loop of which the test is the master."""

    def __init__(self, room: QuestionLimits = SMALL) -> None:
        self.upstream = Upstream()
        self.loop = HandLoop()
        self.source = CachingResolver(self.upstream, self.loop, room=room)
        self.runner = Runner(self.source)

    def message(self, client: bytes = b"\xc0\x00\x02") -> MessageQuestions:
        return MessageQuestions(self.source, client)


def question(name: str) -> Question:
    return Question(name, RecordType.TXT)


def questions(count: int, of: str = "x") -> list[Question]:
    return [question(f"{number}.{of}") for number in range(count)]


def test_a_message_prefetches_no_more_than_its_share() -> None:
    site = Site()
    site.message().resolver(FOREVER).prefetch(questions(10))
    assert site.source.in_flight == SMALL.message_prefetches


def test_the_messages_of_a_client_share_its_share() -> None:
    site = Site(QuestionLimits(ordinary=100, message_prefetches=3, client_prefetches=5))
    for number in range(4):
        site.message().resolver(FOREVER).prefetch(questions(10, of=str(number)))
    assert site.source.in_flight == 5
    site.message(b"\xc6\x33\x64").resolver(FOREVER).prefetch(questions(10, of="another"))
    assert site.source.in_flight == 8


def test_a_client_waits_for_no_more_than_its_share() -> None:
    site = Site()
    for number in range(10):
        site.runner.start(site.message().resolver(FOREVER).resolve(question(f"{number}.hole")))
    assert site.source.in_flight == SMALL.client
    site.runner.start(site.message(b"z").resolver(FOREVER).resolve(question("a.example")))
    assert site.source.in_flight == SMALL.client + 1


def flood(site: Site) -> None:
    """Many clients whose questions are never answered."""
    for number in range(20):
        site.runner.start(site.message(bytes([number])).resolver(FOREVER).resolve(question(f"{number}.hole")))


def test_what_has_no_room_fails_at_once_and_dmarc_has_room_all_the_same() -> None:
    site = Site()
    flood(site)
    assert site.source.in_flight == SMALL.ordinary
    refused = site.runner.start(site.message(b"z").resolver(FOREVER).resolve(question("a.example")))
    assert refused.result(0).reason == DnsReason.TOO_MANY_UNDER_WAY()
    reserved = site.message(b"z").resolver(FOREVER, is_reserved=True)
    waiting = site.runner.start(reserved.resolve(question("_dmarc.bank.example")))
    site.upstream.asked[-1].answer()
    assert waiting.result(0) is FOUND


def test_dmarc_of_many_messages_leaves_room_for_those_who_wait() -> None:
    site = Site()
    for number in range(4):
        site.message(bytes([number])).resolver(FOREVER, is_reserved=True).prefetch(questions(4, of=str(number)))
    assert site.source.in_flight == SMALL.reserved // 2
    waiting = site.runner.start(site.message().resolver(FOREVER, is_reserved=True).resolve(question("_dmarc.bank")))
    site.upstream.asked[-1].answer()
    assert waiting.result(0) is FOUND


def test_questions_of_a_finished_message_leave() -> None:
    site = Site()
    first, second = site.message(), site.message()
    first.resolver(FOREVER).prefetch([question("only.first"), question("both")])
    second.resolver(FOREVER).prefetch([question("both")])
    first.close()
    assert [each.is_abandoned for each in site.upstream.asked] == [True, False]
    assert site.source.in_flight == 1
    second.close()
    assert site.source.in_flight == 0
    # Nothing is counted against anybody any more, and nothing is asked for a message that has ended.
    for _ in range(3):
        site.message().resolver(FOREVER).prefetch(questions(3))
    assert site.source.in_flight == 3
    left = site.runner.start(first.resolver(FOREVER).resolve(question("later")))
    assert left.result(0).failed


def test_a_waiter_is_told_once_of_deadline_or_answer() -> None:
    site = Site()
    waiting = site.runner.start(site.message().resolver(10.0).resolve(question("slow.example")))
    told = []
    site.source.ask(Need(question("slow.example"), 20.0, Asker()), lambda _question, answer: told.append(answer.reason))
    assert not waiting.done() or waiting.result(0).failed
    site.loop.sweep(11.0)
    site.upstream.asked[0].answer()
    site.loop.sweep(21.0)
    site.upstream.asked[0].answer()
    assert waiting.result(0).failed
    assert told == [None]


def test_a_question_that_nobody_waits_for_any_more_is_abandoned() -> None:
    site = Site()
    asker = Asker()
    site.source.ask(Need(question("slow.example"), 10.0, asker), lambda _question, _answer: None)
    site.loop.sweep(11.0)
    assert site.upstream.asked[0].is_abandoned
    assert site.source.in_flight == 0
    assert not asker.waiting


def test_an_answer_stays_for_the_life_of_the_message() -> None:
    site = Site()
    message = site.message()
    message.resolver(FOREVER).prefetch([question("bank.example")])
    site.upstream.asked[0].answer(BRIEF)
    assert site.source.peek(question("bank.example")) is not BRIEF
    late = message.resolver(0.0)
    assert site.runner.start(late.resolve(question("bank.example"))).result(0) is BRIEF
    assert len(site.upstream.asked) == 1


def test_a_mechanism_that_had_no_time_leaves_no_failure_to_the_others() -> None:
    site = Site()
    message = site.message()
    spf, dmarc = message.resolver(10.0), message.resolver(FOREVER, is_reserved=True)
    late = site.runner.start(spf.resolve(question("_dmarc.bank.example")))
    waiting = site.runner.start(dmarc.resolve(question("_dmarc.bank.example")))
    site.loop.sweep(11.0)
    assert late.result(0).is_late
    again = site.runner.start(dmarc.resolve(question("_dmarc.bank.example")))
    site.upstream.asked[0].answer()
    assert waiting.result(0) is again.result(0) is FOUND
    assert site.runner.start(spf.resolve(question("_dmarc.bank.example"))).result(0) is FOUND


def test_dmarc_tries_again_where_somebody_else_had_no_room() -> None:
    site = Site()
    waiting = site.runner.start(site.message().resolver(FOREVER).resolve(question("_dmarc.bank.example")))
    reserved = site.message().resolver(FOREVER, is_reserved=True)
    ours = site.runner.start(reserved.resolve(question("_dmarc.bank.example")))
    assert site.upstream.asked[0].is_reserved
    site.upstream.asked[0].answer(wire.no_room(DnsReason.TOO_MANY_UNDER_WAY()))
    assert waiting.result(0).is_local
    site.upstream.asked[1].answer()
    assert ours.result(0) is FOUND


def test_each_mechanism_has_its_own_limit() -> None:
    site = Site(QuestionLimits())
    message = site.message()
    spf, dmarc = message.resolver(FOREVER, limit=2), message.resolver(FOREVER, limit=1)
    spf.prefetch(questions(5))
    assert site.source.in_flight == 2
    assert site.runner.start(spf.resolve(question("more"))).result(0).reason == DnsReason.TOO_MANY_QUESTIONS()
    assert spf.is_exhausted
    assert not dmarc.is_exhausted
    waiting = site.runner.start(dmarc.resolve(question("_dmarc.bank")))
    site.upstream.asked[-1].answer()
    assert waiting.result(0) is FOUND


@pytest.mark.parametrize("is_known", [True, False])
def test_the_same_coroutines_run_under_asyncio(is_known: bool) -> None:
    site = Site()

    async def judge(resolver: MessageResolver) -> bytes:
        return b"".join([(await resolver.resolve(question(name))).records[0] for name in ("a", "b")])

    async def main() -> bytes:
        resolver = site.message().resolver(FOREVER)
        judging = asyncio.ensure_future(run_in_asyncio(judge(resolver), site.source))
        for number in range(2):
            while len(site.upstream.asked) <= number:
                await asyncio.sleep(0)
            await asyncio.to_thread(site.upstream.asked[number].answer)
        return await judging

    if is_known:
        for name in ("a", "b"):
            site.message().resolver(FOREVER).prefetch([question(name)])
            site.upstream.asked[-1].answer()
        site.upstream.asked.clear()
        assert asyncio.run(run_in_asyncio(judge(site.message().resolver(FOREVER)), site.source)) == b"foundfound"
    else:
        assert asyncio.run(main()) == b"foundfound"
