"""A small authoritative name server over UDP and TCP on loopback, answering from a zone: for the demo and the tests."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dmarc_milter.dns.answer import AnswerOutcome, Question, RecordType
from dmarc_milter.dns.zone import ZoneResolver, name_text

_TYPES = {each.value: each for each in RecordType}
_MAX_UDP = 1232
_PORTS = 20
TTL_SECONDS = 300


class NameServerThread:
    """Serves `zone` on loopback until closed, on a free port if none is given; usable as a context manager.

    `disturb` may look at each question and return octets to be sent instead of the answer, or None to send nothing;
    with `truncate`, no answer is given over UDP.
    """

    def __init__(
        self,
        zone: ZoneResolver,
        delay: float = 0.0,
        disturb: "Callable[[Question, bytes], bytes | None] | None" = None,
        *,
        truncate: bool = False,
        ttl: int = TTL_SECONDS,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.zone = zone
        self.host = host
        self.port = port
        self.ttl = ttl
        self.delay = delay
        self.disturb = disturb
        self.most = 0 if truncate else _MAX_UDP
        self.asked: list[Question] = []
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> "NameServerThread":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """As `[dns] nameservers` wants it."""
        return f"{self.host}:{self.port}"

    def close(self) -> None:
        """Stop answering."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._transport.close()
        self._tcp.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _open(self) -> None:
        """A port that is free for TCP may be taken for UDP: another one then."""
        wanted, attempts = self.port, 1 if self.port else _PORTS
        for attempt in range(attempts):
            self._tcp = await asyncio.start_server(self._serve_tcp, self.host, wanted)
            self.port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._transport, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Udp(self), local_addr=(self.host, self.port)
                )
            except OSError:
                self._tcp.close()
                if attempt == attempts - 1:
                    raise
            else:
                return

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Who asks may open a connection and leave it unused.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = int.from_bytes(await reader.readexactly(2), "big")
            answer = self.answer(await reader.readexactly(length), 65_535)
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    def answer(self, packet: bytes, most: int) -> bytes | None:
        """The packet that answers `packet`, of at most so many octets."""
        question, wire = respond(self.zone, packet, most, self.ttl)
        self.asked.append(question)
        return self.disturb(question, wire) if self.disturb is not None else wire


def respond(zone: ZoneResolver, packet: bytes, most: int, ttl: int = TTL_SECONDS) -> tuple[Question, bytes]:
    """What `packet` asks, and the packet that answers it: truncated where that has more than `most` octets.

    `ttl` is that of the records, in seconds.
    """
    query = dns.message.from_wire(packet)
    asked = query.question[0]
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    type_ = _TYPES.get(int(asked.rdtype))
    question = Question(name_text(asked.name), type_ or RecordType.TXT)
    if type_ is not None:
        _fill(zone, response, asked, question, ttl)
    wire = response.to_wire(max_size=65_535)
    if len(wire) > most:
        response.answer.clear()
        response.flags |= dns.flags.TC
        wire = response.to_wire()
    return question, wire


def _fill(
    zone: ZoneResolver, response: dns.message.Message, asked: dns.rrset.RRset, question: Question, ttl: int
) -> None:
    found = zone.look_up(question)
    if found.outcome is AnswerOutcome.NO_SUCH_NAME:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif found.outcome is AnswerOutcome.TEMPORARY_FAILURE:
        response.set_rcode(dns.rcode.SERVFAIL)
    elif found.outcome is AnswerOutcome.RECORDS:
        response.answer.append(dns.rrset.from_rdata_list(asked.name, ttl, zone.rdatas(question)))


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServerThread) -> None:
        self._server = server

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._server.answer(data, self._server.most)
        if answer is None:
            return
        if self._server.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._server.delay, self._transport.sendto, answer, addr)
        else:
            self._transport.sendto(answer, addr)
