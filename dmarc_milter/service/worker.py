"""One worker process: the loop for look-ups, the resolver, libmilter on a socket that the supervisor opened."""

import gc
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

from dmarc_milter.columns.column import Row
from dmarc_milter.dns.answer import OnAnswer
from dmarc_milter.dns.cache import Cache
from dmarc_milter.dns.caching import CachingResolver, QuestionLimits
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.shared import SharedAnswers
from dmarc_milter.dns.system import SystemNameServers
from dmarc_milter.dns.upstream import MAX_SOCKETS, Upstream
from dmarc_milter.journal.writer import Writer
from dmarc_milter.judging.name_servers import named_servers
from dmarc_milter.judging.site import Site
from dmarc_milter.milter.callbacks import register
from dmarc_milter.milter.listener import accepted, lend_socket, serve
from dmarc_milter.milter.worker_state import Observer, WorkerState
from dmarc_milter.service.accept_gate import AcceptGate, WorkerSessions
from dmarc_milter.service.descriptors import Descriptors
from dmarc_milter.service.heartbeat import Heartbeat, say
from dmarc_milter.settings.addresses import InetAddress, ListenAddress
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry import metrics
from dmarc_milter.telemetry.log import logger, message_line

READY = b"R"
JOURNAL_FAILS, JOURNAL_WORKS = b"J", b"j"
"""Of a worker: whether it can write into the journal, when that changes."""
DRAIN = b"D"
"""To a worker: take no more connections, end when those that are open have ended (a reload)."""
STOP = b"S"
"""To a worker: take no more connections, end when the messages at hand have been answered."""

DRAIN_SECONDS = 600.0
"""What the connections that are open at a reload are given to end: their next messages are judged, too."""
QUIET_SECONDS = 3.0
"""At a stop, a connection on which no message has begun for so long is cut: none is about to begin."""
WATCH_SECONDS = 0.5
"""How often the gauges are brought up to date."""
LOOK_SECONDS = 0.1
"""How often a worker that ends looks whether it may."""
JOURNAL_SECONDS = 4.0
"""What a worker that ends gives the journal to write what waits."""


def make_site(
    settings: Settings, loop: Loop, observe: OnAnswer, shared: SharedAnswers, max_sockets: int = MAX_SOCKETS
) -> Site:
    """With a resolver of this process, whose answers arrive on `loop`."""
    named = named_servers(settings.dns)
    system = None if named else SystemNameServers()
    servers = named if system is None else system.servers
    upstream = Upstream(servers, settings.dns.timeout, settings.dns.tries, loop, max_sockets)
    cache = Cache(settings.dns.cache_megabytes << 20)
    limits = QuestionLimits.where(is_on_this_host=upstream.is_on_this_host, sockets=max_sockets)
    source = CachingResolver(upstream, loop, cache, observe, shared, limits)
    if system is not None:
        loop.sweep_with(partial(_follow, system, upstream, source, max_sockets))
    return Site.of(settings, Runner(source), source)


def _follow(
    system: SystemNameServers, upstream: Upstream, source: CachingResolver, max_sockets: int, now: float
) -> None:
    """Ask the servers that the system names now."""
    servers = system.changed(now)
    if servers is None:
        return
    upstream.use(servers)
    source.limit_by(QuestionLimits.where(is_on_this_host=upstream.is_on_this_host, sockets=max_sockets))
    logger.info("resolv.conf has changed; name servers: %s", ", ".join(map(str, servers)))


def work(
    settings: Settings,
    worker_number: int,
    address: ListenAddress,
    listening: socket.socket,
    sessions: WorkerSessions,
    answers: SharedAnswers,
    control: socket.socket,
) -> None:
    """Serve until `control` says otherwise or the supervisor is gone. Does not return."""
    metrics.write_as(worker_number)
    counted = metrics.WorkerMetrics(rule.name for rule in settings.override)
    observers: list[Observer] = [_to_log(settings), counted.observe]
    journal = None
    if settings.journal.enabled:
        journal = Writer(
            settings.journal,
            worker_number,
            counted.note_journal,
            partial(_tell_journal, control),
            counts_for_reports=settings.report.enabled,
            failures_per_hour=settings.report.failure.per_hour,
        )
        observers.append(_taking(journal, counted))
    loop, descriptors = Loop(), Descriptors()
    service = WorkerState(
        make_site(settings, loop, counted.observe_answer, answers, descriptors.for_questions),
        observers,
        on_exception=counted.note_exception,
        on_missing_action=counted.note_missing_action,
        is_over_network=isinstance(address, InetAddress),
    )
    register(service)
    # Before any thread runs that could open a socket of its own meanwhile.
    parked, descriptor = lend_socket(address, listening)
    if journal is not None:
        journal.start()
    count = service.sessions.__len__
    gate = AcceptGate(sessions, worker_number, count, descriptor, listening.fileno(), parked, descriptors)
    service.on_sessions = gate.note
    gate.start()
    loop.sweep_with(lambda _now: gate.note())
    loop.sweep_with(Heartbeat(service.sessions, 2 * settings.dns.deadline, partial(say, control)).sweep)
    threading.Thread(target=_watch, args=(service, counted, journal), daemon=True).start()
    ending = _Ending(service, listening, settings.milter.drain_seconds)
    obeying = (control, gate, ending, journal)
    threading.Thread(target=_obey, args=obeying, daemon=True).start()
    gc.collect()
    gc.freeze()
    control.send(READY)
    serve()
    # Only reached where libmilter gave up by itself.
    logger.error("libmilter ended")
    os._exit(1)


def _to_log(settings: Settings) -> Observer:
    return lambda row: logger.info(message_line(row, settings.log))


def _taking(journal: Writer, counted: metrics.WorkerMetrics) -> Observer:
    def take(row: Row) -> None:
        counted.note_taken()
        journal.put(row)

    return take


def _tell_journal(control: socket.socket, can_be_written: bool) -> None:
    say(control, JOURNAL_WORKS if can_be_written else JOURNAL_FAILS)


def _watch(service: WorkerState, counted: metrics.WorkerMetrics, journal: Writer | None) -> None:
    """Tell now and then what is at hand: at every change it would cost more than some callbacks."""
    while True:
        counted.observe_activity(len(service.sessions), len(service.messages))
        if journal is not None:
            counted.observe_journal(journal.waiting)
        time.sleep(WATCH_SECONDS)


class _Ending:
    """What a worker that accepts nothing more waits for."""

    def __init__(self, service: WorkerState, listening: socket.socket, seconds: float) -> None:
        """`seconds` is how long what is at hand may take."""
        self._service = service
        self._listening = listening
        self._seconds = seconds

    def wait_for_connections(self, is_enough: Callable[[], bool]) -> None:
        """Until all have ended, or it is enough."""
        limit = time.monotonic() + DRAIN_SECONDS
        while self._service.sessions and time.monotonic() < limit and not is_enough():
            time.sleep(LOOK_SECONDS)

    def wait_for_messages(self) -> None:
        """Until none is at hand, nor about to begin."""
        closed = time.monotonic()
        while time.monotonic() < closed + self._seconds:
            # What was being accepted when the gate closed is there after this.
            time.sleep(LOOK_SECONDS)
            may_begin = time.monotonic() < closed + QUIET_SECONDS and self._has_silent_connections()
            if not may_begin and self._service.is_quiet(QUIET_SECONDS):
                return

    def _has_silent_connections(self) -> bool:
        """Whether an MTA has connected that has said nothing yet: a busy one may need a while."""
        return accepted(self._listening) > len(self._service.sessions)


def _obey(control: socket.socket, gate: AcceptGate, ending: _Ending, journal: Writer | None) -> None:
    """Wait for the supervisor's order, or its end; then end as it says, with what is at hand finished."""
    order = _next_order(control)
    gate.close()
    if order == DRAIN:
        ending.wait_for_connections(partial(_has_order, control))
    ending.wait_for_messages()
    if journal is not None:
        journal.close(JOURNAL_SECONDS)
    os._exit(0)


def _next_order(control: socket.socket) -> bytes:
    try:
        return control.recv(1)
    except OSError:
        # The supervisor is gone, and words of ours were unread.
        return STOP


def _has_order(control: socket.socket) -> bool:
    """Whether the supervisor wants something else by now, or is gone."""
    return bool(select.select([control], [], [], 0)[0])
