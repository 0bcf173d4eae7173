"""SPF against pyspf in one run: a record with four includes, all answers at hand; and the wait with a slow DNS.

.venv/bin/python -m benchmarks.spf
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import spf

from dmarc_milter.dns.answer import Answer, Question, RecordType
from dmarc_milter.dns.caching import CachingResolver
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.message import MessageQuestions
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.dns.upstream import Upstream
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.spf.evaluation import check_host
from dmarc_milter.testing.name_server import NameServerThread

FLAT = """
example.com. 300 IN TXT "v=spf1 include:a.example.com include:b.example.com " (
 "include:c.example.com include:d.example.com -all" )
a.example.com. 300 IN TXT "v=spf1 ip4:198.51.100.0/26 ip4:198.51.100.64/26 ~all"
b.example.com. 300 IN TXT "v=spf1 ip4:198.51.100.128/26 ip6:2001:db8::/32 ~all"
c.example.com. 300 IN TXT "v=spf1 ip4:203.0.113.0/26 ip4:203.0.113.64/26 ~all"
d.example.com. 300 IN TXT "v=spf1 ip4:203.0.113.128/26 ip4:192.0.2.0/24 ~all"
"""
DEEP = """
example.com. 300 IN TXT "v=spf1 mx include:a.example.com include:b.example.com include:c.example.com -all"
example.com. 300 IN MX 10 mx.example.com.
mx.example.com. 300 IN A 198.51.100.1
a.example.com. 300 IN TXT "v=spf1 include:a1.example.com ~all"
a1.example.com. 300 IN TXT "v=spf1 ip4:198.51.100.0/24 ~all"
b.example.com. 300 IN TXT "v=spf1 include:b1.example.com ~all"
b1.example.com. 300 IN TXT "v=spf1 ip4:203.0.113.0/24 ~all"
c.example.com. 300 IN TXT "v=spf1 a:host.example.com ~all"
host.example.com. 300 IN A 192.0.2.1
"""
DEPTH = 3
DELAY = 0.020
CLIENT = bytes([192, 0, 2, 1])


def seconds_each(call: Callable[[], object], count: int) -> float:
    """Median over five rounds."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            call()
        rounds.append((time.perf_counter() - start) / count)
    return median(rounds)


def cached() -> None:
    """Ratio of pyspf's time to ours, every answer at hand."""
    zone = ZoneResolver.from_text(FLAT)
    names = [Question(f"{each}example.com", RecordType.TXT) for each in ("", "a.", "b.", "c.", "d.")]
    answers = {question: zone.look_up(question) for question in names}

    class AtHand(ZoneResolver):
        async def resolve(self, question: Question) -> Answer[Any]:
            return answers[question]

        def peek(self, question: Question) -> Answer[Any]:
            return answers[question]

    at_hand = AtHand({})

    def ours() -> None:
        coroutine = check_host(at_hand, CLIENT, "example.com", "a@example.com", "h.example.com")
        try:
            coroutine.send(None)
        except StopIteration as end:
            if end.value.result.value != "pass":
                raise ValueError(end.value) from None

    def look_up(name: str, qtype: str, *_: object, **__: object) -> list[object]:
        return (
            [((name, qtype), (text,)) for text in answers[Question(name, RecordType.TXT)].records]
            if qtype == "TXT"
            else []
        )

    spf.DNSLookup = look_up

    def theirs() -> None:
        assert spf.query(i="192.0.2.1", s="a@example.com", h="h.example.com").check()[0] == "pass"

    own, other = seconds_each(ours, 2000), seconds_each(theirs, 400)
    print(f"four includes, answers at hand: ours {own * 1e6:.0f} us, pyspf {other * 1e6:.0f} us")
    print(f"    {other / own:.1f} times as fast")


def slow() -> None:
    """Time against the depth of the record tree, with a DNS that takes 20 ms."""
    loop = Loop()
    with NameServerThread(ZoneResolver.from_text(DEEP), delay=DELAY) as server:
        for prefetch in (True, False):
            times = []
            for _ in range(5):
                source = CachingResolver(Upstream((NameServer("127.0.0.1", server.port),), 2, 1, loop), loop)
                resolver = MessageQuestions(source).resolver(time.monotonic() + 10)
                start = time.perf_counter()
                checking = check_host(
                    resolver, CLIENT, "example.com", "a@example.com", "h.example.com", prefetch=prefetch
                )
                check = Runner(source).start(checking).result()
                times.append(time.perf_counter() - start)
                assert check.result.value == "pass"
            how = "prefetched" if prefetch else "one after the other"
            print(f"depth {DEPTH}, 20 ms away, {how}: {median(times) * 1e3:.1f} ms")
    print(f"    depth x 20 ms + 20 %: {DEPTH * DELAY * 1.2e3:.0f} ms")
    loop.close()


if __name__ == "__main__":
    cached()
    slow()
