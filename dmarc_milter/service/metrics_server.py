"""The process that answers Prometheus and load balancers: /metrics, /healthz, /readyz."""

import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client.exposition import choose_encoder

from dmarc_milter import wording
from dmarc_milter.dns.servers import PROBE
from dmarc_milter.dns.upstream import ask_once
from dmarc_milter.judging.name_servers import name_servers
from dmarc_milter.service.bounded_http import BoundedHandler, BoundedServer
from dmarc_milter.service.heartbeat import ALIVE, say
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry import metrics
from dmarc_milter.telemetry.log import logger

PROBE_SECONDS = 5.0
MAX_REQUESTS = 32
STALLED_SECONDS = 10.0
"""Records are written within a second or two."""


class Readiness:
    """Whether the service could judge a message now."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._until = 0.0
        self._dns = ""

    def why_not(self) -> str:
        """Empty where it is ready."""
        found = metrics.collect().get_sample_value("dmarc_milter_workers", {"state": "ready"})
        if not found:
            return "no worker is ready"
        return self._why_no_dns()

    def remarks(self) -> str:
        """What does not keep mail from being judged, and wants to be known; a line, or nothing."""
        found = metrics.collect()
        waiting = found.get_sample_value("dmarc_milter_journal_waiting_records") or 0
        written = found.get_sample_value("dmarc_milter_journal_last_write_timestamp_seconds") or 0
        silent = time.time() - written
        if not waiting or silent < STALLED_SECONDS:
            return ""
        since = f"for {silent:.0f} s" if written else "since the start"
        return f"the journal: {waiting:.0f} records wait, none was written {since}\n"

    def _why_no_dns(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                dns = self._settings.dns
                answer = ask_once(name_servers(dns), min(dns.timeout, 2.0), dns.tries, PROBE)
                self._dns = f"the DNS does not answer: {wording.text(answer.reason)}" if answer.failed else ""
                self._until = time.monotonic() + PROBE_SECONDS
            return self._dns


def serve(settings: Settings, listening: socket.socket, control: socket.socket) -> None:
    """Answer until the supervisor is gone. Does not return."""
    listening.setblocking(True)
    readiness = Readiness(settings)

    class Handler(_Handler):
        ready = readiness
        reports = metrics.FiguresOfReports(settings.report.metrics_file) if settings.report.enabled else None

    class Server(BoundedServer):
        def alive(self) -> None:
            say(control, ALIVE)

    server = Server(listening, Handler)
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    server.serve_forever()


def _end_with(control: socket.socket) -> None:
    # A supervisor that is gone may leave words of ours unread: then there is an error, not an end.
    with contextlib.suppress(OSError):
        control.recv(1)
    os._exit(0)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    content_type: str
    content: bytes


def _plain(status: HTTPStatus, text: str) -> _Answer:
    return _Answer(status, "text/plain; charset=utf-8", text.encode())


class _Handler(BoundedHandler):
    ready: Readiness
    reports: metrics.FiguresOfReports | None = None
    server_version = "dmarc-milter"
    sys_version = ""
    _room = threading.BoundedSemaphore(MAX_REQUESTS)

    def do_GET(self) -> None:  # noqa: N802 - the base class looks for this name
        """One request; too many at once are turned away."""
        if not self._room.acquire(blocking=False):
            self._send(_plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests\n"))
            return
        try:
            self._send(self._answer())
        finally:
            self._room.release()

    def _answer(self) -> _Answer:
        # An answer is made before any of it is sent, so that one which cannot be made is still an answer.
        try:
            return self._dispatch(self.path.partition("?")[0])
        except Exception:  # noqa: BLE001 - whatever it is, who asks is told
            logger.exception("error in the answer to a request")
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the filter; its log says more\n")

    def _dispatch(self, path: str) -> _Answer:
        if path == "/metrics":
            return self._figures()
        if path == "/healthz":
            return _plain(HTTPStatus.OK, "alive\n")
        if path == "/readyz":
            why_not = self.ready.why_not()
            status = HTTPStatus.SERVICE_UNAVAILABLE if why_not else HTTPStatus.OK
            return _plain(status, f"{why_not or 'ready'}\n{self.ready.remarks()}")
        return _plain(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz\n")

    def _figures(self) -> _Answer:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        registry = metrics.collect()
        if self.reports is not None:
            registry.register(self.reports)
        return _Answer(HTTPStatus.OK, content_type, encode(registry))

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)
