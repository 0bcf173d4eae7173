"""One worker process: the loop for look-ups, the resolver, libmilter on a socket that the supervisor opened."""

import contextlib
import gc
import os
import socket
import stat
import tempfile
import threading
import time
from functools import partial

import milter

from dmarc_milter import metrics
from dmarc_milter.config import InetAddress, ListenAddress, Settings
from dmarc_milter.dns.answer import OnAnswer
from dmarc_milter.dns.cache import Cache
from dmarc_milter.dns.caching import CachingResolver, Room
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.shared import SharedAnswers
from dmarc_milter.dns.upstream import MAX_SOCKETS, Upstream
from dmarc_milter.evaluation import Surroundings
from dmarc_milter.journal.writer import Writer
from dmarc_milter.judging.transaction import Site
from dmarc_milter.log import logger, message_line
from dmarc_milter.milter.balance import Gate, Loads
from dmarc_milter.milter.callbacks import register
from dmarc_milter.milter.descriptors import Descriptors
from dmarc_milter.milter.pulse import Pulse, say
from dmarc_milter.milter.worker_state import Activity, Observer, Service
from dmarc_milter.name_servers import name_servers

READY = b"R"
DRAIN = b"D"
"""To a worker: take no more connections, end when those at hand have ended (a reload)."""
STOP = b"S"
"""To a worker: take no more connections, end when the messages at hand have been answered."""

WATCH_SECONDS = 0.5
"""How often the gauges are brought up to date."""
JOURNAL_SECONDS = 4.0
"""What a worker that ends gives the journal to write what waits."""


def surroundings(
    settings: Settings, loop: Loop, observe: OnAnswer, shared: SharedAnswers, max_sockets: int = MAX_SOCKETS
) -> Surroundings:
    """A resolver of this process, whose answers arrive on `loop`."""
    upstream = Upstream(name_servers(settings), settings.dns.timeout, settings.dns.tries, loop, max_sockets)
    cache = Cache(settings.dns.cache_megabytes << 20)
    room = Room() if upstream.is_on_this_host else Room.of_sockets(max_sockets)
    source = CachingResolver(upstream, loop, cache, observe, shared, room)
    return Surroundings(Runner(source), source, settings.evaluation)


def work(
    settings: Settings,
    slot: int,
    address: ListenAddress,
    listening: socket.socket,
    loads: Loads,
    answers: SharedAnswers,
    control: socket.socket,
) -> None:
    """Serve until `control` says otherwise or the supervisor is gone. Does not return."""
    metrics.write_as(slot)
    counted = metrics.WorkerMetrics(rule.name for rule in settings.override)
    observers: list[Observer] = [_to_log(settings), counted.observe]
    journal = None
    if settings.journal.enabled:
        journal = Writer(settings.journal, slot, counted.note_journal)
        observers.append(journal.put)
    loop, descriptors = Loop(), Descriptors()
    service = Service(
        Site(settings, surroundings(settings, loop, counted.observe_answer, answers, descriptors.for_questions)),
        observers,
        on_exception=counted.note_exception,
        on_missing_action=counted.note_missing_action,
    )
    register(service)
    milter.settimeout(7210)
    # Before any thread runs that could open a socket of its own meanwhile.
    parked, descriptor = _lend_socket(address, listening)
    if journal is not None:
        journal.start()
    gate = Gate(loads, slot, descriptor, listening.fileno(), parked, descriptors)
    service.activity.on_sessions = gate.note
    gate.start()
    loop.sweep_with(lambda _now: gate.look())
    loop.sweep_with(Pulse(service.sessions, 2 * settings.dns.deadline, partial(say, control)).sweep)
    threading.Thread(target=_watch, args=(service.activity, counted), daemon=True).start()
    obeying = (control, gate, service.activity, settings.milter.drain_seconds, journal)
    threading.Thread(target=_obey, args=obeying, daemon=True).start()
    gc.collect()
    gc.freeze()
    control.send(READY)
    milter.main()
    # Only reached where libmilter gave up by itself.
    logger.error("libmilter ended")
    os._exit(1)


def _to_log(settings: Settings) -> Observer:
    return lambda record: logger.info(message_line(record, settings.log))


def _watch(activity: Activity, counted: metrics.WorkerMetrics) -> None:
    """Tell now and then what is at hand: at every change it would cost more than some callbacks."""
    while True:
        counted.observe_activity(activity.sessions, activity.messages)
        time.sleep(WATCH_SECONDS)


def _lend_socket(address: ListenAddress, listening: socket.socket) -> tuple[int, int]:
    """Make libmilter accept from `listening`: it opens a socket of the same family, whose descriptor is replaced.

    So the supervisor alone opens, names and removes sockets, with the options that they need. Returns the socket that
    libmilter opened (nobody connects to it: what is accepted from while draining) and the descriptor it accepts from.
    """
    with tempfile.TemporaryDirectory(prefix="dmarc-milter-") as folder:
        milter.setconn(_placeholder(address, folder))
        before = _open_sockets()
        milter.opensocket(1)
        (descriptor,) = _open_sockets() - before
    parked = os.dup(descriptor)
    os.set_blocking(parked, False)
    os.dup2(listening.fileno(), descriptor)
    return parked, descriptor


def _placeholder(address: ListenAddress, folder: str) -> str:
    if isinstance(address, InetAddress):
        return "inet6:0@::1" if address.is_ipv6 else "inet:0@127.0.0.1"
    return f"unix:{folder}/socket"


def _open_sockets() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.add(int(name))
    return found


def _obey(control: socket.socket, gate: Gate, activity: Activity, seconds: float, journal: Writer | None) -> None:
    try:
        order = control.recv(1)
    except OSError:
        # The supervisor is gone, and words of ours were unread.
        order = STOP
    gate.close()
    if order == DRAIN:
        activity.wait_until(lambda now: now.sessions == 0, seconds)
    else:
        activity.wait_until(lambda now: now.messages == 0, seconds)
    if journal is not None:
        journal.close(JOURNAL_SECONDS)
    os._exit(0)
