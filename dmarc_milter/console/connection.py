"""One connection of a browser, bounded in time: uvicorn itself waits for ever for a whole request, and for a reader."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from dmarc_milter.console.access import SECURITY

MAX_CONNECTIONS = 300
"""Of all together. One more is closed as it comes."""
PATIENCE_SECONDS = 10.0
"""For a whole request, and between two of them; and between two looks at how much of an answer was read."""
LEAST_READ = 16_384
"""Octets of an answer that have to be read in that time, where it is not read whole."""


class Connection(H11Protocol):
    """An asyncio protocol, with our header fields also where a request cannot be read."""

    _watch: asyncio.TimerHandle | None = None
    _since = 0.0
    """When it began to wait for a request."""
    _unread = 0
    """Octets that were not read yet, at the last look."""

    def connection_made(self, transport: Any) -> None:
        """As asyncio.Protocol has it."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._since = self.loop.time()
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """The same."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The answer is made; some of it may wait for its reader."""
        self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP."""
        body = b"This is no request that can be read.\n"
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *SECURITY]
        fields.append((b"content-length", str(len(body)).encode()))
        head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + body)
        self.transport.close()

    def _look_again(self) -> None:
        self._watch = self.loop.call_later(PATIENCE_SECONDS / 2, self._look)

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self._reads_too_slowly(unread) or self._asks_too_slowly(unread):
            self.transport.abort()
            return
        self._unread = unread
        self._look_again()

    def _reads_too_slowly(self, unread: int) -> bool:
        return unread > 0 and 0 < self._unread < unread + LEAST_READ // 2

    def _asks_too_slowly(self, unread: int) -> bool:
        """Also where a request has a body: no page wants one."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return is_answered and not unread and self.loop.time() - self._since >= PATIENCE_SECONDS
