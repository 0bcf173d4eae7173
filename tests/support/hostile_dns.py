"""A name server on loopback that does everything a name server should not, by a table of names and behaviours.

Every name of a message holds the message's number (``-m17``), so the questions of each message can be counted.
"""

import asyncio
import fnmatch
import ipaddress
import random
import re
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

A, CNAME, SOA, PTR, MX, TXT, AAAA = 1, 5, 6, 12, 15, 16, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_TYPES = {"A": A, "PTR": PTR, "MX": MX, "TXT": TXT, "AAAA": AAAA}
_RESPONSE, _TRUNCATED, _AVAILABLE = 0x8400, 0x0200, 0x0080
_MOST_OVER_UDP = 1232
_PORTS = 20


class Query(NamedTuple):
    """What was asked."""

    id: bytes
    name: str
    type: int
    question: bytes
    """The section as it came: it is sent back."""

    @property
    def message(self) -> int | None:
        """The number of the message that asks, where the name tells it."""
        return message_number(self.name)


_ANYTHING = Query(b"", "", 0, b"")
_NUMBER = re.compile(r"-m([0-9]+)")
_REVERSE = re.compile(r"([0-9]+)\.([0-9]+)\.1[89]\.198\.in-addr\.arpa")


def message_number(name: str) -> int | None:
    """The number in `name`; clients have the addresses 198.18.x.y, numbered alike: y * 256 + x."""
    if found := _NUMBER.search(name):
        return int(found[1])
    if found := _REVERSE.fullmatch(name):
        return int(found[1]) * 256 + int(found[2])
    return None


def _query(packet: bytes) -> Query:
    labels, position = [], 12
    while length := packet[position]:
        labels.append(packet[position + 1 : position + 1 + length])
        position += 1 + length
    (type_,) = struct.unpack_from("!H", packet, position + 1)
    name = b".".join(labels).decode("utf-8", "surrogateescape").lower()
    return Query(packet[:2], name, type_, packet[12 : position + 5])


def _wire(name: str) -> bytes:
    parts = [each.encode("utf-8", "surrogateescape") for each in name.split(".") if each]
    return b"".join(bytes((len(each),)) + each for each in parts) + b"\0"


def _filled(template: str, query: Query) -> str:
    """`{n}`: the message's number; `{r}`: a new number each time; `{name}`: the name that was asked."""
    number = query.message
    random_ = str(random.randrange(10**9))
    text = template.replace("{r}", random_).replace("{name}", query.name)
    return text.replace("{n}", "" if number is None else str(number))


_POINTER = b"\xc0\x0c"
"""To the name in the question."""


@dataclass(frozen=True)
class Record:
    """One record of an answer; `data` is text with `{n}`, `{r}` and `{name}` in it."""

    type: int
    data: str
    ttl: int = 300
    owner: str = ""
    """Another owner than the name that was asked; with a dot at its end, it goes on with that name, by a pointer."""

    def wire(self, query: Query) -> bytes:
        owner = _wire(_filled(self.owner, query)) if self.owner else _POINTER
        if self.owner.endswith("."):
            owner = owner.removesuffix(b"\0") + _POINTER
        data = _DATA[self.type](_filled(self.data, query))
        return owner + struct.pack("!HHIH", self.type, 1, self.ttl, len(data)) + data


def _strings(text: str) -> bytes:
    octets = text.encode("latin-1")
    parts = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
    return b"".join(bytes((len(each),)) + each for each in parts)


def _exchange(text: str) -> bytes:
    preference, name = text.split()
    return struct.pack("!H", int(preference)) + _wire(name)


_DATA = {
    A: lambda text: ipaddress.IPv4Address(text).packed,
    AAAA: lambda text: ipaddress.IPv6Address(text).packed,
    CNAME: _wire,
    PTR: _wire,
    MX: _exchange,
    TXT: _strings,
}


@dataclass(frozen=True)
class Behaviour:
    """What becomes of one question: by default, an honest answer without records."""

    records: tuple[Record, ...] = ()
    code: int = NOERROR
    seconds: float = 0.0
    """How late the answer is."""
    is_silent: bool = False
    is_truncated: bool = False
    """Over UDP there is never an answer, only the word that it did not fit."""
    over_tcp: str = "answer"
    """Or `stall` (nothing is ever sent), `trickle` (one octet per second), `drip` (one octet at a time), `close`."""
    spoilt: str = ""
    """`id`: another id; `question`: another question; `garbage`: no DNS message; `short`: cut in the middle."""
    then: "Behaviour | None" = None
    """What follows for each name after the first time it was asked."""

    @cached_property
    def _always(self) -> bytes:
        """The records, where they are the same whatever is asked: thousands are not written anew each time."""
        if any("{" in each.data + each.owner for each in self.records):
            return b""
        return b"".join(each.wire(_ANYTHING) for each in self.records)

    def packet(self, query: Query, most: int) -> bytes:
        body = self._always or b"".join(each.wire(query) for each in self.records)
        flags = _RESPONSE | _AVAILABLE | self.code
        count = len(self.records)
        if len(body) + 40 > most or (self.is_truncated and most < 65_535):
            body, count, flags = b"", 0, flags | _TRUNCATED
        whole = query.id + struct.pack("!HHHHH", flags, 1, count, 0, 0) + query.question + body
        return _SPOILT[self.spoilt](whole)


_SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "": lambda packet: packet,
    "id": lambda packet: bytes((packet[0] ^ 1,)) + packet[1:],
    "question": lambda packet: packet[:13] + bytes((packet[13] ^ 1,)) + packet[14:],
    "garbage": lambda packet: packet[:2] + b"\xff" * 60,
    "short": lambda packet: packet[: len(packet) - 7],
}


def text(*texts: str, ttl: int = 300, **how: Any) -> Behaviour:
    """TXT records."""
    return Behaviour(tuple(Record(TXT, each, ttl) for each in texts), **how)


def addresses(*texts: str, ttl: int = 300, **how: Any) -> Behaviour:
    """A records."""
    return Behaviour(tuple(Record(A, each, ttl) for each in texts), **how)


def exchanges(*names: str, ttl: int = 300, **how: Any) -> Behaviour:
    """MX records."""
    return Behaviour(tuple(Record(MX, f"10 {each}", ttl) for each in names), **how)


NO_DATA = Behaviour()
NO_SUCH_NAME = Behaviour(code=NXDOMAIN)
SERVER_FAILURE = Behaviour(code=SERVFAIL)
REFUSAL = Behaviour(code=REFUSED)
SILENCE = Behaviour(is_silent=True)
ALIAS_LOOP = Behaviour((Record(CNAME, "x.{name}"), Record(CNAME, "{name}", owner="x.{name}")))
ENDLESS_ALIASES = Behaviour(
    (Record(CNAME, "x0.{name}"), *(Record(CNAME, f"x{n + 1}.{{name}}", owner=f"x{n}.{{name}}") for n in range(60)))
)
ELSEWHERE = Behaviour((Record(CNAME, "{r}.elsewhere-m{n}.test", ttl=0),))

Table = Sequence[tuple[str, str, Behaviour]]
"""Patterns of names (`*` is any text), a type or `*`, and what is done. The first that fits counts; else NXDOMAIN."""


class HostileNameServer:
    """Behaves as `table` says, over UDP and TCP, on a port of its own until closed."""

    def __init__(self, table: Table) -> None:
        self._rows = [(re.compile(fnmatch.translate(name)), _TYPES.get(type_), how) for name, type_, how in table]
        self._seen: set[tuple[str, int]] = set()
        self.questions: dict[int | None, set[tuple[str, int]]] = defaultdict(set)
        """The different questions of each message, and those whose name tells no number."""
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="hostile-dns")
        self._thread.start()

    def __enter__(self) -> "HostileNameServer":
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._transport.close()
        self._tcp.close()
        others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @property
    def address(self) -> str:
        """As `[dns] nameservers` wants it."""
        return f"127.0.0.1:{self.port}"

    async def _open(self) -> None:
        for attempt in range(_PORTS):
            self._tcp = await asyncio.start_server(self._serve_tcp, "127.0.0.1", 0, backlog=512)
            self.port: int = self._tcp.sockets[0].getsockname()[1]
            try:
                self._transport, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Udp(self), local_addr=("127.0.0.1", self.port)
                )
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                return
            except OSError:
                self._tcp.close()
                if attempt == _PORTS - 1:
                    raise

    def behaviour(self, query: Query) -> Behaviour:
        """What the table says, and the question is counted."""
        self.questions[query.message].add((query.name, query.type))
        for pattern, type_, how in self._rows:
            if (type_ is None or type_ == query.type) and pattern.fullmatch(query.name):
                key = (query.name, query.type)
                if how.then is not None and key in self._seen:
                    return how.then
                self._seen.add(key)
                return how
        return NO_SUCH_NAME

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            length = int.from_bytes(await reader.readexactly(2), "big")
            query = _query(await reader.readexactly(length))
            await self._answer_over_tcp(self.behaviour(query), query, writer)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer_over_tcp(self, how: Behaviour, query: Query, writer: asyncio.StreamWriter) -> None:
        packet = how.packet(query, 65_535)
        whole = len(packet).to_bytes(2, "big") + packet
        await asyncio.sleep(how.seconds)
        if how.over_tcp == "answer":
            writer.write(whole)
        elif how.over_tcp in _PAUSES:
            await _write_slowly(whole, _PAUSES[how.over_tcp], writer)
        elif how.over_tcp == "close":
            writer.close()


_PAUSES = {"trickle": 1.0, "drip": 0.0}
"""Seconds between two octets."""


async def _write_slowly(whole: bytes, seconds: float, writer: asyncio.StreamWriter) -> None:
    for octet in whole:
        if writer.is_closing():
            return
        writer.write(bytes((octet,)))
        await writer.drain()
        await asyncio.sleep(seconds)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: HostileNameServer) -> None:
        self._server = server

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = _query(data)
        how = self._server.behaviour(query)
        if how.is_silent:
            return
        packet = how.packet(query, _MOST_OVER_UDP)
        if how.seconds:
            asyncio.get_running_loop().call_later(how.seconds, self._transport.sendto, packet, addr)
        else:
            self._transport.sendto(packet, addr)
