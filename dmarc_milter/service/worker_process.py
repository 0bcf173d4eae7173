"""A worker, as the supervisor sees it."""

import contextlib
import os
import signal
import socket
from dataclasses import dataclass

from dmarc_milter.service.heartbeat import SILENT_SECONDS, Hang

START_SECONDS = 15.0


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """One process, and what is known of it."""

    pid: int
    address_index: int
    """Which of the addresses it serves: libmilter knows one per process."""
    worker_number: int
    """Its metrics are kept under it; the worker that takes its place goes on counting there."""
    control: socket.socket
    started: float
    leave_within: float
    """Seconds that it may take to end after it was told to."""
    is_ready: bool = False
    can_write_journal: bool = True
    is_leaving: bool = False
    is_told_to_leave: bool = False
    silent: float = 0.0
    """Seconds since it was ready or gave a sign of life; as those below, of the supervisor's own running time."""
    starting: float = 0.0
    """Seconds until it is ready."""
    leaving: float = 0.0
    """Seconds since it was told to."""
    hang: Hang | None = None
    """Why it was ended by force."""

    def spend(self, seconds: float) -> None:
        """So much time has passed."""
        if self.is_ready:
            self.silent += seconds
        else:
            self.starting += seconds
        if self.is_told_to_leave:
            self.leaving += seconds

    def find_hang(self) -> Hang | None:
        """Whether it hangs by now, and how."""
        if self.silent >= SILENT_SECONDS:
            return Hang.SILENT
        if self.starting >= START_SECONDS:
            return Hang.NOT_READY
        return Hang.NOT_LEAVING if self.leaving >= self.leave_within else None

    def tell(self, order: bytes) -> None:
        """One that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self.control.send(order)

    def hear(self) -> bytes:
        """What it says; nothing, where it is gone."""
        try:
            return self.control.recv(1)
        except OSError:
            return b""

    def kill(self) -> None:
        """End it by force."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
