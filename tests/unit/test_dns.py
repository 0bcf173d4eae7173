"""The resolver: real packets to a server on loopback, and the four outcomes kept apart."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from dmarc_milter.common.reason import Reason
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType, text_records
from dmarc_milter.dns.cache import Cache
from dmarc_milter.dns.caching import CachingResolver
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.message import MessageQuestions, MessageResolver
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.dns.upstream import Upstream
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.waiting import wait_for

ZONE = """
$TTL 300
$ORIGIN example.com.
@ IN TXT "a" "b"
@ IN TXT "c"
@ IN MX 10 MX.Example.com.
mx IN A 192.0.2.1
mx IN AAAA 2001:db8::1
alias IN CNAME @
loop IN CNAME loop
a.b IN A 192.0.2.2
*.wild IN TXT "w"
big IN TXT "{big}"
$ORIGIN 2.0.192.in-addr.arpa.
1 IN PTR mx.example.com.
""".format(big='" "'.join(["x" * 250] * 8))


@pytest.fixture(scope="module")
def server() -> Iterator[NameServerThread]:
    with NameServerThread(ZoneResolver.from_text(ZONE, frozenset({"servfail.example.com"}))) as started:
        yield started


_OPEN: list[Upstream] = []


@pytest.fixture
def loop() -> Iterator[Loop]:
    started = Loop()
    yield started
    for each in _OPEN:
        each.close()
    _OPEN.clear()
    started.close()


PATIENT = 60.0
"""Seconds for what is to be answered: only what hangs takes as long, however busy the machine is."""
SOON = 0.2
"""Seconds for what is never answered."""


def caching_resolver(loop: Loop, *servers: NameServer, timeout: float = PATIENT) -> CachingResolver:
    _OPEN.append(Upstream(servers, timeout, 1, loop))
    return CachingResolver(_OPEN[-1], loop)


def for_a_message(source: CachingResolver, seconds: float = 2 * PATIENT) -> MessageResolver:
    return MessageQuestions(source).resolver(time.monotonic() + seconds)


def ask(source: CachingResolver, name: str, type_: str = "TXT", seconds: float = 2 * PATIENT) -> Answer[object]:
    resolver = for_a_message(source, seconds)
    return Runner(source).start(resolver.resolve(Question(name, RecordType[type_]))).result(3 * PATIENT)


ANSWERS = [
    ("example.com", "TXT", AnswerOutcome.RECORDS, (b"ab", b"c")),
    ("example.com", "MX", AnswerOutcome.RECORDS, ("mx.example.com",)),
    ("mx.example.com", "A", AnswerOutcome.RECORDS, (b"\xc0\x00\x02\x01",)),
    ("mx.example.com", "AAAA", AnswerOutcome.RECORDS, (b"\x20\x01\x0d\xb8" + b"\0" * 11 + b"\1",)),
    ("1.2.0.192.in-addr.arpa", "PTR", AnswerOutcome.RECORDS, ("mx.example.com",)),
    ("x.wild.example.com", "TXT", AnswerOutcome.RECORDS, (b"w",)),
    ("big.example.com", "TXT", AnswerOutcome.RECORDS, (b"x" * 2000,)),
    ("mx.example.com", "TXT", AnswerOutcome.NO_DATA, ()),
    ("b.example.com", "TXT", AnswerOutcome.NO_DATA, ()),
    ("none.example.com", "TXT", AnswerOutcome.NO_SUCH_NAME, ()),
    ("servfail.example.com", "TXT", AnswerOutcome.TEMPORARY_FAILURE, ()),
    ("x" * 64 + ".example.com", "TXT", AnswerOutcome.NO_SUCH_NAME, ()),
    ("a..example.com", "TXT", AnswerOutcome.NO_SUCH_NAME, ()),
]


@pytest.mark.parametrize(("name", "type_", "outcome", "records"), ANSWERS)
def test_outcomes(
    server: NameServerThread, loop: Loop, name: str, type_: str, outcome: AnswerOutcome, records: tuple[object, ...]
) -> None:
    answer = ask(caching_resolver(loop, NameServer("127.0.0.1", server.port)), name, type_)
    assert (answer.outcome, set(answer.records)) == (outcome, set(records))


def test_an_answer_is_asked_for_once(server: NameServerThread, loop: Loop) -> None:
    caching = caching_resolver(loop, NameServer("127.0.0.1", server.port))
    server.asked.clear()
    waiting = [
        Runner(caching).start(for_a_message(caching).resolve(Question("example.com", RecordType.TXT)))
        for _ in range(20)
    ]
    assert all(each.result(PATIENT).outcome is AnswerOutcome.RECORDS for each in waiting)
    ask(caching, "example.com")
    assert server.asked == [Question("example.com", RecordType.TXT)]


DISTURBANCES = {
    "silence": (lambda question, wire: None, DnsReason.TIMEOUT()),
    "garbage": (lambda question, wire: wire[:2] + b"\xff" * 30, DnsReason.TIMEOUT()),
    "wrong id": (lambda question, wire: bytes([wire[0] ^ 1]) + wire[1:], DnsReason.TIMEOUT()),
    "cut": (lambda question, wire: wire[:20], DnsReason.TIMEOUT()),
    "cut behind the question": (lambda question, wire: wire[:40], DnsReason.UNREADABLE(because=DnsReason.CUT_SHORT())),
}


@pytest.mark.parametrize(("disturb", "reason"), DISTURBANCES.values(), ids=DISTURBANCES.keys())
def test_a_server_that_does_not_answer_properly(loop: Loop, disturb: object, reason: Reason) -> None:
    timeout = SOON if reason == DnsReason.TIMEOUT() else PATIENT
    with NameServerThread(ZoneResolver.from_text(ZONE), disturb=disturb) as bad:  # type: ignore[arg-type]
        answer = ask(caching_resolver(loop, NameServer("127.0.0.1", bad.port), timeout=timeout), "example.com")
    assert answer.outcome is AnswerOutcome.TEMPORARY_FAILURE
    assert answer.reason == reason


def test_the_next_server_is_tried(server: NameServerThread, loop: Loop) -> None:
    """Once the time of the first one is over: it comes when the first has been asked, and is not waited for."""
    with NameServerThread(ZoneResolver.from_text(ZONE), disturb=lambda question, wire: None) as dead:
        servers = NameServer("127.0.0.1", dead.port), NameServer("127.0.0.1", server.port)
        caching = caching_resolver(loop, *servers)
        asked = Runner(caching).start(for_a_message(caching).resolve(Question("example.com", RecordType.TXT)))
        wait_for(lambda: dead.asked, "the question to the first")
        assert not asked.done()
        loop.call(lambda: let_pass(loop, PATIENT))
        assert asked.result(PATIENT).outcome is AnswerOutcome.RECORDS


def let_pass(loop: Loop, seconds: float) -> None:
    """What ends by time sees so much of it pass at once. On the loop's thread, as always."""
    for sweep in loop._sweeps:
        sweep(time.monotonic() + seconds)


class FarNameServer(NameServer):
    """One that is asked as if it were on another host: each question from a socket of its own."""

    __slots__ = ()

    @property
    def is_on_this_host(self) -> bool:
        return False


def sockets(loop: Loop) -> int:
    """Those of questions that the loop watches; one descriptor is its own."""
    return len(loop._watched) - 1


@pytest.mark.parametrize(("name", "type_", "outcome", "records"), ANSWERS)
def test_outcomes_from_afar(
    server: NameServerThread, loop: Loop, name: str, type_: str, outcome: AnswerOutcome, records: tuple[object, ...]
) -> None:
    answer = ask(caching_resolver(loop, FarNameServer("127.0.0.1", server.port)), name, type_)
    assert (answer.outcome, set(answer.records)) == (outcome, set(records))
    assert sockets(loop) == 0


@pytest.mark.parametrize("kind", [NameServer, FarNameServer])
def test_many_questions_at_once(server: NameServerThread, loop: Loop, kind: type[NameServer]) -> None:
    caching = caching_resolver(loop, kind("127.0.0.1", server.port))
    resolver, runner = for_a_message(caching), Runner(caching)
    waiting = [
        runner.start(resolver.resolve(Question(f"{number}.wild.example.com", RecordType.TXT))) for number in range(200)
    ]
    assert {each.result(PATIENT).records for each in waiting} == {(b"w",)}
    assert sockets(loop) == (kind is NameServer)


@pytest.mark.parametrize("kind", [NameServer, FarNameServer])
def test_silence_leaves_nothing_open(loop: Loop, kind: type[NameServer]) -> None:
    with NameServerThread(ZoneResolver.from_text(ZONE), disturb=lambda question, wire: None) as dead:
        caching = caching_resolver(loop, kind("127.0.0.1", dead.port), timeout=SOON)
        assert ask(caching, "example.com").reason == DnsReason.TIMEOUT()
        assert sockets(loop) == (kind is NameServer)


def test_a_bug_in_a_callback_stops_nothing(
    server: NameServerThread, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    caching = caching_resolver(loop, NameServer("127.0.0.1", server.port))

    def broken(question: Question, answer: Answer[object]) -> None:
        raise RuntimeError("a bug")

    for_a_message(caching).prefetch([Question("example.com", RecordType.TXT)], broken)
    assert ask(caching, "example.com").outcome is AnswerOutcome.RECORDS
    # Who asked may have the answer before the other one was told.
    wait_for(lambda: "a bug" in caplog.text, "the bug in the log")


def test_a_bug_in_a_coroutine_comes_out(server: NameServerThread, loop: Loop) -> None:
    caching = caching_resolver(loop, NameServer("127.0.0.1", server.port))

    async def broken() -> None:
        await for_a_message(caching).resolve(Question("example.com", RecordType.TXT))
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Runner(caching).start(broken()).result(PATIENT)


def test_nobody_listens(loop: Loop) -> None:
    answer = ask(caching_resolver(loop, NameServer("127.0.0.1", 1)), "example.com")
    assert answer.outcome is AnswerOutcome.TEMPORARY_FAILURE


def test_the_deadline_of_a_message(loop: Loop) -> None:
    with NameServerThread(ZoneResolver.from_text(ZONE), disturb=lambda question, wire: None) as dead:
        answer = ask(caching_resolver(loop, NameServer("127.0.0.1", dead.port)), "example.com", seconds=SOON)
    assert answer.reason == DnsReason.DEADLINE()


def test_cache_forgets_in_time_and_within_its_bound() -> None:
    now = [0.0]
    cache = Cache(max_octets=64_000, clock=lambda: now[0])
    question = Question("a.example", RecordType.TXT)
    cache.put(question, Answer(AnswerOutcome.NO_DATA, (), 10.0))
    assert cache.get(question) is not None
    now[0] = 11.0
    assert cache.get(question) is None
    for number in range(1_000):
        cache.put(Question(f"{number}.example", RecordType.TXT), Answer(AnswerOutcome.NO_DATA, (), 10.0))
    assert 100 < len(cache) < 200
    assert cache.octets <= 64_000
    assert cache.get(Question("999.example", RecordType.TXT)) is not None


def test_a_huge_answer_throws_nothing_out() -> None:
    cache = Cache(max_octets=64_000)
    for number in range(100):
        cache.put(Question(f"{number}.example", RecordType.TXT), Answer(AnswerOutcome.NO_DATA, (), 10.0))
    cache.put(Question("huge.example", RecordType.TXT), Answer(AnswerOutcome.RECORDS, (b"x" * 60_000,), 10.0))
    assert len(cache) == 100


ANSWERS_KEPT: dict[str, Callable[[int], tuple[str | bytes, ...]]] = {
    "an address": lambda number: (number.to_bytes(4, "big"),),
    "256 addresses": lambda number: tuple((256 * number + each).to_bytes(4, "big") for each in range(256)),
    "a key": lambda number: (number.to_bytes(400, "big"),),
    "five exchanges": lambda number: tuple(f"mx{each}.{number}.example.com" for each in range(5)),
    "names of no UTF-8": lambda number: ("\udcff" * 240 + str(number),),
    "nothing": lambda number: (),
}


@pytest.mark.parametrize("records", ANSWERS_KEPT.values(), ids=ANSWERS_KEPT.keys())
def test_the_cache_takes_the_memory_that_it_says(records: Callable[[int], tuple[str | bytes, ...]]) -> None:
    cache = Cache(max_octets=1 << 20, clock=lambda: 0.0)
    tracemalloc.start()
    for number in range(10_000):
        answer = Answer(AnswerOutcome.RECORDS, records(number), number + 300.0)
        cache.put(Question(f"host{number}.example.com", RecordType.TXT), answer)
        if cache.octets > 900_000:
            break
    said = cache.octets
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    del cache, answer
    taken = held - tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert said > 900_000
    assert 0.5 < taken / said < 1.1


def test_zone_resolver_alone() -> None:
    zone = ZoneResolver.from_text(ZONE)
    assert asyncio.run(text_records(zone, "alias.example.com")).records == (b"ab", b"c")
    assert asyncio.run(text_records(zone, "loop.example.com")).outcome is AnswerOutcome.TEMPORARY_FAILURE


@pytest.mark.parametrize(
    ("written", "identifier"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("", None),
        (".", None),
        ("a..b", None),
        ("-a.example", None),
        ("a b.example", None),
        ("a.example\n", None),
        ("x" * 64 + ".example", None),
        (".".join(["abcdefgh"] * 29), None),
        ("é" * 5000, None),
    ],
)
def test_identifiers(written: str, identifier: str | None) -> None:
    assert to_identifier(written) == identifier
