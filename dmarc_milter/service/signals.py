"""The signals of the supervisor, as something that a selector waits for."""

import contextlib
import signal
import socket

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """Those that have come, in order. One per process."""

    def __init__(self) -> None:
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        self._pending: list[int] = []

    def fileno(self) -> int:
        """What can be read when a signal has come."""
        return self._wake.fileno()

    def install(self) -> None:
        """Take them from now on."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, lambda number, _: self._pending.append(number))

    def take(self) -> list[int]:
        """Those that have come since the last call."""
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(512)
        taken = self._pending[:]
        del self._pending[: len(taken)]
        return taken

    def close(self) -> None:
        """Nothing is waited for any more."""
        self._wake.close()
        self._waker.close()

    def restore_in_child(self) -> None:
        """In a forked child: signals do again what they do in any process."""
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
