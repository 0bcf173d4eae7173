"""One thread that watches sockets and looks at the clock ten times per second.

asyncio can do far more, and spent more on one question to the DNS (a task, two futures, a timer and a turn of its loop)
than the question itself costs: a quarter of the CPU of the whole filter.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

TICK = 0.1
"""Seconds between two looks at the clock: what ends by time ends that much late at most."""

logger = logging.getLogger(__name__)


class Loop:
    """Any thread may call the methods; what they are given is called on the loop's thread.

    An exception in a callback is a bug: it is logged, and the loop goes on.
    """

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._watched: dict[int, Callable[[], None]] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._sweeps: list[Callable[[float], None]] = []
        self._is_closed = False
        self.watch(self._bell, self._answer_bell)
        self._thread = threading.Thread(target=self._run, name="lookups", daemon=True)
        self._thread.start()

    def watch(self, descriptor: int, ready: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Have `ready` called whenever `descriptor` can be read (or what else `events` says)."""
        self._watched[descriptor] = ready
        self._poll.register(descriptor, events)

    def watch_for(self, descriptor: int, events: int) -> None:
        """Change what a watched descriptor is watched for."""
        self._poll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def call(self, callback: Callable[[], None]) -> None:
        """Have `callback` called soon."""
        self._calls.append(callback)
        os.eventfd_write(self._bell, 1)

    def sweep_with(self, sweep: Callable[[float], None]) -> None:
        """Have `sweep` called every TICK with the time (``time.monotonic()``): for what has to end by then."""
        self._sweeps.append(sweep)

    def safely(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call it; what it raises is logged."""
        try:
            callback(*arguments)
        except Exception:
            logger.exception("error in a callback of the DNS look-ups")

    def close(self) -> None:
        """Stop; what is under way is left where it is, and nothing is watched any more."""
        self._is_closed = True
        self.call(lambda: None)
        self._thread.join()
        self._watched.clear()
        self._poll.close()
        os.close(self._bell)

    def _answer_bell(self) -> None:
        os.eventfd_read(self._bell)
        while self._calls:
            self.safely(self._calls.popleft())

    def _run(self) -> None:
        next_sweep = 0.0
        while not self._is_closed:
            for descriptor, _ in self._poll.poll(TICK):
                ready = self._watched.get(descriptor)
                if ready is not None:
                    self.safely(ready)
            now = time.monotonic()
            if now >= next_sweep:
                next_sweep = now + TICK
                for sweep in self._sweeps:
                    self.safely(sweep, now)
