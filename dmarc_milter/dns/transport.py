"""How a question to a name server goes out: in a datagram, over TCP; and how its answer comes in.

A question is sent by the thread that asks it; all that follows happens on the loop's thread.

Sockets of single questions are bounded, for descriptors are what the connections of the MTA need, too; half of them are
kept for the questions of DMARC itself.
"""

import contextlib
import errno
import os
import select
import socket
from functools import partial
from typing import Protocol

from dmarc_milter.common.reason import Reason
from dmarc_milter.dns import wire
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.servers import NameServer

_MAX_MESSAGE = 65_535
MAX_PIECES = 200
"""Reads of one answer over TCP: 64 KB come in a few dozen, however small the network's packets are."""
_READS_AT_ONCE = 64
"""Datagrams read from one socket before the others get their turn."""


class Way(Protocol):
    """How a question went out."""

    def drop(self, asking: "Asked") -> None:
        """Wait no more for its answer."""


class Asked(Protocol):
    """A question under way, as its socket knows it."""

    number: int
    """Of its message."""
    way: Way | None
    is_reserved: bool

    @property
    def query(self) -> bytes:
        """Its message."""

    def received(self, packet: bytes) -> None:
        """A response to it came in a datagram."""

    def received_over_tcp(self, packet: bytes) -> None:
        """A response to it came over TCP."""

    def failed(self, reason: Reason) -> None:
        """This server has no usable answer."""

    def unreachable(self, error: OSError) -> None:
        """This server could not be reached."""


class Sockets(set[object]):
    """The sockets that belong to one question each."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def check_room(self, asking: Asked) -> None:
        """Raises OSError where no more may be opened: an ordinary question leaves half to those of DMARC."""
        if len(self) >= (self._limit if asking.is_reserved else self._limit // 2):
            raise OSError(errno.EMFILE, "too many sockets for questions")


class Datagrams:
    """A connected UDP socket with any number of questions under way, told apart by their message ids."""

    def __init__(self, server: NameServer, loop: Loop) -> None:
        self._loop = loop
        self._socket, address = server.socket(socket.SOCK_DGRAM)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        self._waiting: dict[int, Asked] = {}
        self._buffer = memoryview(bytearray(_MAX_MESSAGE))
        loop.watch(self._socket.fileno(), self._readable)

    def send(self, asking: Asked) -> None:
        """Send it, with a number of its own."""
        asking.way = self
        asking.number = self._claim(asking)
        try:
            self._socket.send(asking.query)
        except OSError as error:
            # From here on it is the loop's thread that decides: it may know of the trouble, too.
            self._loop.call(partial(self._refused, asking, asking.number, error))

    def _refused(self, asking: Asked, number: int, error: OSError) -> None:
        if self._waiting.get(number) is asking:
            asking.unreachable(error)

    def _claim(self, asking: Asked) -> int:
        """An id that nobody can guess. setdefault takes it in one step, whatever other threads do."""
        while True:
            number = int.from_bytes(os.urandom(2), "big")
            if self._waiting.setdefault(number, asking) is asking:
                return number

    def drop(self, asking: Asked) -> None:
        """Wait no more for its answer."""
        self._waiting.pop(asking.number, None)

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError as error:
                # ICMP says that nobody listens there: all that wait on this socket learn it at once.
                for asking in self._waiting.copy().values():
                    asking.unreachable(error)
                return
            self._take(bytes(self._buffer[:length]))
            if self._socket.fileno() == -1:
                return

    def _take(self, packet: bytes) -> None:
        asking = self._waiting.get(int.from_bytes(packet[:2], "big"))
        # What does not answer the question is not from whom we asked (RFC 5452): go on waiting.
        if asking is not None and wire.is_response(asking.query, packet):
            asking.received(packet)

    def close(self) -> None:
        """Close the socket."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()


class OneQuestion(Datagrams):
    """A socket for one question."""

    def __init__(self, server: NameServer, loop: Loop, sockets: Sockets) -> None:
        super().__init__(server, loop)
        self._sockets = sockets
        sockets.add(self)

    def drop(self, asking: Asked) -> None:
        """Wait no more for its answer."""
        super().drop(asking)
        self._sockets.discard(self)
        self.close()


class Stream:
    """One question over TCP (RFC 7766): two octets of length before each message."""

    def __init__(self, server: NameServer, loop: Loop, sockets: Sockets, asking: Asked) -> None:
        self._loop = loop
        self._sockets = sockets
        self._asking = asking
        query = asking.query
        self._unsent = len(query).to_bytes(2, "big") + query
        self._received = bytearray()
        self._pieces = 0
        self._socket, address = server.socket(socket.SOCK_STREAM)
        try:
            with contextlib.suppress(BlockingIOError):
                self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        loop.watch(self._socket.fileno(), self._ready, select.EPOLLOUT)
        sockets.add(self)

    def drop(self, asking: Asked) -> None:
        """Wait no more for its answer."""
        self._sockets.discard(self)
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _ready(self) -> None:
        try:
            if self._unsent:
                self._send()
            else:
                self._receive()
        except BlockingIOError:
            return
        except OSError as error:
            self._asking.unreachable(error)

    def _send(self) -> None:
        self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if not self._unsent:
            self._loop.watch_for(self._socket.fileno(), select.EPOLLIN)

    def _receive(self) -> None:
        more = self._socket.recv(_MAX_MESSAGE)
        self._received += more
        self._pieces += 1
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) >= max(2, end):
            self._take(bytes(self._received[2:end]))
        elif self._pieces >= MAX_PIECES:
            self._asking.failed(DnsReason.UNREADABLE(because=DnsReason.TOO_MANY_READS()))
        elif not more:
            self._asking.failed(DnsReason.CONNECTION_CLOSED())

    def _take(self, packet: bytes) -> None:
        if wire.is_response(self._asking.query, packet):
            self._asking.received_over_tcp(packet)
        else:
            self._asking.failed(DnsReason.UNREADABLE(because=DnsReason.OTHER_QUESTION()))
