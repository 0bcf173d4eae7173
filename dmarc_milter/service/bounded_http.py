"""An HTTP server that nobody can fill: connections, the time that they take and the octets that are read are bounded.

A connection beyond the bound ends the one that has been longest at sending its request. So clients that send none, or
slowly, keep nobody waiting who asks at once.
"""

import io
import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dmarc_milter.telemetry.log import logger

MAX_CONNECTIONS = 64
"""Each has a thread."""
MAX_HEAD = 8_192
"""Octets of a request; what is longer is not answered."""
HEAD_SECONDS = 5.0
CONNECTION_SECONDS = 30.0
"""From its beginning to the end of the answer."""


@dataclass(slots=True)
class _Connection:
    began: float
    is_answering: bool = False
    is_ended: bool = False


class BoundedServer(ThreadingHTTPServer):
    """Serves on a socket that listens already; :meth:`alive` is called at least once a second."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: "type[BoundedHandler]") -> None:
        super().__init__(listening.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._changed = threading.Condition()
        self._open: dict[socket.socket, _Connection] = {}
        """The oldest first."""

    def alive(self) -> None:
        """It still serves."""

    def process_request(self, request: Any, client_address: Any) -> None:
        """Once there is room."""
        with self._changed:
            while len(self._open) >= MAX_CONNECTIONS:
                self.alive()
                self._end_overdue()
                self._end_slowest()
                self._changed.wait(0.1)
            self._open[request] = _Connection(time.monotonic())
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify_all()
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second, and after each connection."""
        self.alive()
        with self._changed:
            self._end_overdue()

    def answers(self, request: socket.socket) -> None:
        """Its request is complete."""
        with self._changed:
            if request in self._open:
                self._open[request].is_answering = True

    def _end_slowest(self) -> None:
        """None, where all are being answered, or some end already."""
        if any(each.is_ended for each in self._open.values()):
            return
        for request, connection in self._open.items():
            if not connection.is_answering:
                self._end(request, connection)
                return

    def _end_overdue(self) -> None:
        latest = time.monotonic() - CONNECTION_SECONDS
        for request, connection in self._open.items():
            if connection.began > latest:
                return
            self._end(request, connection)

    @staticmethod
    def _end(request: socket.socket, connection: _Connection) -> None:
        """Its thread, which waits for it, ends then."""
        connection.is_ended = True
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            logger.exception("error in the answer to a request")


class BoundedHandler(BaseHTTPRequestHandler):
    """One request a connection (HTTP/1.0), read whole before it is looked at."""

    server: BoundedServer
    timeout = HEAD_SECONDS

    def setup(self) -> None:
        """Read the request."""
        super().setup()
        self.rfile = io.BufferedReader(io.BytesIO(self._head()))
        self.server.answers(self.connection)

    def _head(self) -> bytes:
        """The request as it was sent; nothing where it did not come in time or is too long."""
        until = time.monotonic() + HEAD_SECONDS
        head = bytearray()
        while b"\r\n\r\n" not in head:
            self.connection.settimeout(max(0.001, until - time.monotonic()))
            try:
                more = self.connection.recv(MAX_HEAD - len(head))
            except OSError:
                return b""
            head += more
            if not more or len(head) >= MAX_HEAD:
                return b""
        self.connection.settimeout(HEAD_SECONDS)
        return bytes(head)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are not logged."""
