"""One question put to the configured name servers over UDP, and over TCP where the answer did not fit.

Servers are tried in the order written, each `tries` times, with `timeout` seconds a try. A question to a server that is
not on this host goes out from a socket, and so a source port, of its own (RFC 5452 9.2); towards a resolver on
loopback, where nobody can inject packets without already being on the host, one socket is kept.
"""

import asyncio
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Any, cast

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, Question


@dataclass(frozen=True, slots=True)
class NameServer:
    """Where a name server listens."""

    host: str
    port: int = 53

    @property
    def is_on_this_host(self) -> bool:
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback


_Waiting = tuple[bytes, "asyncio.Future[bytes]"]


class _Socket(asyncio.DatagramProtocol):
    """A connected UDP socket with any number of questions under way, told apart by their message ids."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[int, _Waiting] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        waiting = self._waiting.get(int.from_bytes(data[:2], "big"))
        if waiting is None:
            return
        asked, future = waiting
        # What does not answer the question is not from whom we asked (RFC 5452): go on waiting.
        if wire.is_response(asked, data) and not future.done():
            future.set_result(data)

    def error_received(self, exc: Exception) -> None:
        # ICMP says that nobody listens there: all that wait on this socket learn it at once.
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.error_received(exc or ConnectionError("socket closed"))
        self._transport = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def fresh_id(self) -> int:
        while (number := secrets.randbits(16)) in self._waiting:
            pass
        return number

    @property
    def is_full(self) -> bool:
        return len(self._waiting) > 10_000

    async def ask(self, query: bytes, timeout: float) -> bytes:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        message_id = int.from_bytes(query[:2], "big")
        self._waiting[message_id] = (query, future)
        expiry = loop.call_later(timeout, _expire, future)
        try:
            self._transport.sendto(query)
            return await future
        finally:
            expiry.cancel()
            del self._waiting[message_id]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _expire(future: "asyncio.Future[bytes]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class Upstream:
    """The name servers of the settings. Used on one event loop only."""

    def __init__(self, servers: tuple[NameServer, ...], timeout: float, tries: int) -> None:
        self._servers = servers
        self._timeout = timeout
        self._tries = tries
        self._kept: dict[NameServer, _Socket] = {}

    async def ask(self, question: Question) -> Answer[Any]:
        """The first usable answer, else the temporary failure that the last server gave."""
        last = wire.failure("no name server is configured")
        for server in self._servers * self._tries:
            last = await self._ask_one(server, question)
            if not last.failed:
                break
        return last

    async def _ask_one(self, server: NameServer, question: Question) -> Answer[Any]:
        socket = None
        try:
            socket = await self._socket(server)
            query = wire.query(question, socket.fresh_id())
            if query is None:
                return wire.no_such_name(detail="not a valid name")
            response = await socket.ask(query, self._timeout)
            if wire.is_truncated(response):
                response = await asyncio.wait_for(_ask_over_tcp(server, query), self._timeout)
            return wire.answer(question, response)
        except TimeoutError:
            return wire.failure("timeout")
        except wire.WireError as error:
            return wire.failure(f"not a DNS message ({error})")
        except (OSError, EOFError) as error:
            return wire.failure(f"server unreachable ({error})")
        finally:
            if socket is not None and socket is not self._kept.get(server):
                socket.close()

    async def _socket(self, server: NameServer) -> _Socket:
        kept = self._kept.get(server)
        if kept is not None and kept.is_open and not kept.is_full:
            return kept
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_datagram_endpoint(_Socket, remote_addr=(server.host, server.port))
        if server.is_on_this_host and (kept is None or not kept.is_open):
            self._kept[server] = socket
        return socket

    def close(self) -> None:
        """Close what is open; questions under way end as failures."""
        for socket in self._kept.values():
            socket.close()


async def _ask_over_tcp(server: NameServer, query: bytes) -> bytes:
    """RFC 7766: two octets of length before each message. Raises WireError, OSError, EOFError."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        response = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
    if not wire.is_response(query, response):
        raise wire.WireError("another question's answer")
    return response
