"""A worker's sign of life, from the threads that do its work.

The loop of the DNS look-ups gives it, once a second: so it stops where that thread hangs, where the interpreter's lock
is held for ever, and where the process is stopped. It also stops where a callback of libmilter hangs, which the loop's
thread looks for. A callback may wait for the DNS, and one that has much to read may take long while others work; so
what counts is the CPU that its own thread has used, and, where it uses none at all, more time than any wait may take.
"""

import contextlib
import socket
from collections.abc import Callable, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dmarc_milter.milter.worker_state import Watched
from dmarc_milter.telemetry.log import logger

LOOK_SECONDS = 1.0
ENDLESS_SECONDS = 12.0
ENDLESS_CPU_SECONDS = 4.0
"""In one callback that has run for ENDLESS_SECONDS: more than the largest header takes, however busy the others are."""
STUCK_SECONDS = 30.0
"""Without any CPU, beyond what a callback may wait for the DNS."""

SILENT_SECONDS = 12.0
"""Without a sign of life, and a process hangs."""

ALIVE = b"A"


class Hang(Enum):
    """How a worker hangs."""

    SILENT = "silent"
    """It gives no sign of life."""
    ENDLESS = "endless"
    """A callback computes without end."""
    STUCK = "stuck"
    """A callback waits without end."""
    NOT_READY = "not ready"
    """It did not come so far as to serve."""
    NOT_LEAVING = "not leaving"
    """It did not end after it was told to."""

    @property
    def label(self) -> str:
        """Of the metric."""
        return self.name.lower()


WORDS = {Hang.ENDLESS: b"E", Hang.STUCK: b"W"}
"""What a worker says of a hang that it found itself."""


def say(control: socket.socket, word: bytes) -> None:
    """Tell the supervisor, without waiting for one that does not listen."""
    with contextlib.suppress(OSError):
        control.send(word, socket.MSG_DONTWAIT)


class RunningTime:
    """How much time has passed while this process ran.

    What passed while it was stopped does not count, as far as it is more than two looks: those whom it watches may have
    been stopped with it.
    """

    def __init__(self, now: float) -> None:
        self._last = now

    def passed(self, now: float) -> float:
        """Seconds since it was asked last."""
        passed, self._last = now - self._last, now
        return min(passed, 2 * LOOK_SECONDS)


@dataclass(slots=True)
class _Running:
    """A callback at work."""

    number: int
    first_cpu: float
    """Seconds that its thread had used when it was first seen."""
    cpu: float
    looks: int = 0
    """Since it was first seen."""
    idle_looks: int = 0
    """In a row, without any CPU."""

    def look(self, cpu: float) -> None:
        """It is still at work."""
        self.looks += 1
        self.idle_looks = self.idle_looks + 1 if cpu == self.cpu else 0
        self.cpu = cpu


class Heartbeat:
    """`say` hears :data:`ALIVE`, or one of :data:`WORDS`, once a second."""

    def __init__(self, sessions: Set[Watched], longest_wait: float, say: Callable[[bytes], None]) -> None:
        self._sessions = sessions
        self._stuck_looks = (longest_wait + STUCK_SECONDS) / LOOK_SECONDS
        self._say = say
        self._running: dict[Watched, _Running] = {}
        self._look_at = 0.0

    def sweep(self, now: float) -> None:
        """To be called at least as often as once a second, with ``time.monotonic()``."""
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            hang = self.look()
            self._say(ALIVE if hang is None else WORDS[hang])

    def look(self) -> Hang | None:
        """Look once at all callbacks at work; to be called about every LOOK_SECONDS."""
        seen: dict[Watched, _Running] = {}
        found = None
        for session in tuple(self._sessions):
            thread, number = session.thread, session.callbacks
            if thread == 0:
                continue
            running, cpu = self._running.get(session), _cpu_seconds(thread)
            if running is None or running.number != number:
                running = _Running(number, cpu, cpu)
            else:
                running.look(cpu)
                found = self._judge(running) or found
            seen[session] = running
        self._running = seen
        return found

    def _judge(self, running: _Running) -> Hang | None:
        seconds, cpu = running.looks * LOOK_SECONDS, running.cpu - running.first_cpu
        if seconds >= ENDLESS_SECONDS and cpu >= ENDLESS_CPU_SECONDS:
            logger.critical("a callback computes without end: %.0f s of CPU", cpu)
            return Hang.ENDLESS
        if running.idle_looks >= self._stuck_looks:
            logger.critical("a callback waits without end: %.0f s", seconds)
            return Hang.STUCK
        return None


_TICKS = 100
"""A second, in /proc on Linux (USER_HZ)."""


def _cpu_seconds(thread: int) -> float:
    """What a thread of this process has used so far; 0 where it is gone."""
    try:
        text = Path(f"/proc/self/task/{thread}/stat").read_text()
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS
