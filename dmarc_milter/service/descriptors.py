"""How many descriptors a worker may use: connections leave some for the DNS and for files.

libmilter's listener does not stop where a process has no descriptor left for what it accepts: it tries again at once,
for ever. So a worker stops accepting before, and the last descriptors are kept for everything else.
"""

import contextlib
import errno
import os
import resource

MOST = 8_192
"""Of one process, even where the system would allow more: each connection costs memory."""
MAX_RESERVE = 1_024
MARGIN = 32
"""Connections that may come in between two looks."""


def raise_limit() -> None:
    """Raise what this process, and those that it starts, may open as far as the system allows it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _set_limit(hard, hard)


def _set_limit(soft: int, hard: int) -> None:
    """A sandbox may forbid it."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Descriptors:
    """The descriptors of this process, a quarter of them (at most MAX_RESERVE) kept back until they are needed.

    What is kept back is above the soft limit of the process: no connection can take it, however fast they come.
    """

    def __init__(self) -> None:
        soft, self._hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._all = MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)
        self._for_connections = self._all - min(self._all // 4, MAX_RESERVE)

    @property
    def for_questions(self) -> int:
        """Sockets that may be open to the name servers: half of what is kept back."""
        return (self._all - self._for_connections) // 2

    def keep_reserve(self) -> None:
        """From now on, only what connections may have can be used."""
        _set_limit(self._for_connections, self._hard)

    def open_reserve(self) -> None:
        """From now on, all can be used; to be called when no more connections are accepted."""
        _set_limit(self._all, self._hard)

    def are_scarce(self, any_open: int) -> bool:
        """Whether connections have nearly all that they may have; `any_open` is any descriptor that is open.

        The system gives out the lowest number that is free. (To count what is open takes a thousand times as long.)
        """
        try:
            lowest = os.dup(any_open)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            return True
        os.close(lowest)
        return lowest >= self._for_connections - MARGIN

    def are_plentiful(self) -> bool:
        """Whether so many are free again that it is worth while to accept connections."""
        try:
            return len(os.listdir("/proc/self/fd")) < self._for_connections - 2 * MARGIN
        except OSError:
            # Not even one is free to look with.
            return False
