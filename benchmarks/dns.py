"""Our way to the name server against others, in one run.

.venv/bin/python -m benchmarks.dns     (packets: ours against dnspython's)
sudo .venv/bin/python -m benchmarks.dns --questions 20000

With `--questions`, so many different names are asked of a name server on this host, twenty at a time: CPU per question,
of all threads, kernel included, for each of: our transport; c-ares (pycares: in PyPI, and Debian's python3-pycares);
libunbound (Debian's python3-unbound). What is not installed is left out and named.
"""

import argparse
import importlib
import select
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from benchmarks.contenders import name_server
from benchmarks.spf import seconds_each
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, Question, RecordType
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.dns.upstream import Upstream

QUESTION = Question("r._domainkey.example.com", RecordType.TXT)
ADDRESS = "127.0.0.153"
AT_ONCE = 20
ROUNDS = 5
DEBIAN = "/usr/lib/python3/dist-packages"
RECORD = f"v=DKIM1; k=rsa; p={'A' * 200}"

Resolver = Callable[[list[str]], int]
"""Asks for the TXT records of all names; returns how many had the record."""


def packets() -> None:
    """A question made and its answer read."""
    asked = wire.query(QUESTION, 7) or b""
    made = dns.message.make_response(dns.message.from_wire(asked))
    text = f'"v=DKIM1; k=rsa; p={"A" * 200}" "{"B" * 200}"'
    made.answer.append(dns.rrset.from_text(f"{QUESTION.name}.", 300, "IN", "TXT", text))
    packet = made.to_wire()

    def ours() -> None:
        query = wire.query(QUESTION, 7) or b""
        assert wire.is_response(query, packet)
        answer = wire.answer(QUESTION, packet)
        assert isinstance(answer, Answer)
        assert answer.records

    def theirs() -> None:
        query = dns.message.make_query(QUESTION.name, "TXT", use_edns=0, payload=1232, id=7)
        query.to_wire()
        response = dns.message.from_wire(packet)
        assert query.is_response(response)
        assert [b"".join(each.strings) for each in response.answer[0]]

    own, other = seconds_each(ours, 2000), seconds_each(theirs, 500)
    print(f"a question made, its answer read: ours {own * 1e6:.0f} us, dnspython {other * 1e6:.0f} us")
    print(f"    {other / own:.1f} times as fast")


class _InFlight:
    """At most so many at once; counts what came."""

    def __init__(self) -> None:
        self._room = threading.Semaphore(AT_ONCE)
        self.right = 0

    def begin(self) -> None:
        self._room.acquire()

    def end(self, *, is_right: bool) -> None:
        """Of one question, on any one thread."""
        self.right += is_right
        self._room.release()

    def wait(self) -> int:
        for _ in range(AT_ONCE):
            self._room.acquire()
        return self.right


def ours(names: list[str]) -> int:
    loop, flight = Loop(), _InFlight()
    upstream = Upstream((NameServer(ADDRESS, 53),), 5.0, 2, loop)

    def arrived(_question: Question, answer: Answer[Any]) -> None:
        flight.end(is_right=list(answer.records) == [RECORD.encode()])

    try:
        for name in names:
            flight.begin()
            upstream.prepare(Question(name, RecordType.TXT), arrived).start()
        return flight.wait()
    finally:
        upstream.close()
        loop.close()


def c_ares(pycares: Any, names: list[str]) -> int:
    """With the thread of its own that newer versions have; older ones are driven by their descriptors."""
    flight = _InFlight()
    has_thread = hasattr(pycares.Channel, "wait")
    channel = pycares.Channel(servers=[ADDRESS], timeout=5.0, tries=2)
    in_flight = 0

    def arrived(found: Any, error: int | None) -> None:
        nonlocal in_flight
        in_flight -= 1
        records = [] if error else getattr(found, "answer", found)
        texts = [getattr(each, "text", None) or each.data.data for each in records]
        flight.end(is_right=texts in ([RECORD], [RECORD.encode()]))

    def drive(most: int) -> None:
        while in_flight > most and not has_thread:
            readable, writable = channel.getsock()
            for each in select.select(readable, writable, [], channel.timeout())[0]:
                channel.process_fd(each, pycares.ARES_SOCKET_BAD)

    for name in names:
        drive(AT_ONCE - 1)
        flight.begin()
        in_flight += 1
        channel.query(name, pycares.QUERY_TYPE_TXT, callback=arrived)
    drive(0)
    return flight.wait()


def lib_unbound(unbound: Any, names: list[str]) -> int:
    """Its own thread resolves; it validates nothing without a trust anchor. Its cache is part of it."""
    flight = _InFlight()
    context = unbound.ub_ctx()
    context.set_async(True)
    context.set_fwd(ADDRESS)
    context.set_option("do-not-query-localhost:", "no")
    in_flight = 0

    def arrived(_mine: object, status: int, result: Any) -> None:
        nonlocal in_flight
        in_flight -= 1
        is_right = status == 0 and result.havedata and result.data.raw[0][1:] == RECORD.encode()
        flight.end(is_right=bool(is_right))

    def drive(most: int) -> None:
        while in_flight > most:
            select.select([context.get_fd()], [], [])
            context.process()

    for name in names:
        drive(AT_ONCE - 1)
        flight.begin()
        in_flight += 1
        context.resolve_async(name, None, arrived, unbound.RR_TYPE_TXT, unbound.RR_CLASS_IN)
    drive(0)
    return flight.wait()


def _imported(name: str) -> Any | None:
    """A module of this environment, else Debian's."""
    for path in ([], [DEBIAN]):
        sys.path.extend(path)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        finally:
            del sys.path[len(sys.path) - len(path) :]
    return None


def resolvers() -> Iterator[tuple[str, Resolver]]:
    """Ours first."""
    yield "ours", ours
    pycares, unbound = _imported("pycares"), _imported("unbound")
    if pycares is None:
        print("not installed: pycares (pip install pycares, or apt-get install python3-pycares)")
    else:
        yield f"c-ares (pycares {pycares.__version__})", partial(c_ares, pycares)
    if unbound is None:
        print("not installed: libunbound (apt-get install python3-unbound)")
    else:
        yield "libunbound", partial(lib_unbound, unbound)


def questions(count: int) -> None:
    """CPU per question, all resolvers in turns."""
    found: dict[str, list[float]] = {}
    zone = "\n".join(f's{number}.example. 300 IN TXT "{RECORD}"' for number in range(count))
    names = [f"s{number}.example" for number in range(count)]
    several = list(resolvers())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zone"
        path.write_text(zone)
        with name_server(path, 0):
            for _ in range(ROUNDS):
                for name, resolver in several:
                    before = time.process_time()
                    right = resolver(names)
                    found.setdefault(name, []).append((time.process_time() - before) / count)
                    assert right == count, f"{name}: {right} of {count}"
    for name, each in found.items():
        print(f"{name}: {median(each) * 1e6:.0f} us of CPU per question")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=0)
    options = parser.parse_args()
    if options.questions:
        questions(options.questions)
    else:
        packets()


if __name__ == "__main__":
    main()
