"""Telling systemd and operators how the service fares: sd_notify(3), names of processes."""

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path


def name_process(name: str) -> None:
    """The name that top and ps show of this process: at most 15 characters."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


class Notifier:
    """Says nothing where systemd did not start the service, and so does not listen."""

    def __init__(self, environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(usec) / 2e6 if usec.isdecimal() and int(usec) > 0 else None
        """How often :meth:`alive` wants to be called: half the time after which systemd gives up."""

    def ready(self, status: str) -> None:
        """Serving (again)."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """New settings are being taken; :meth:`ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, seconds: float) -> None:
        """Draining, which may take so many seconds: systemd must not kill before."""
        self._send("STOPPING=1", "STATUS=messages at hand are finished", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """The watchdog's sign of life."""
        self._send("WATCHDOG=1")

    @property
    def is_heard(self) -> bool:
        """Whether systemd started the service, and listens."""
        return bool(self._address)

    def store(self, name: str, descriptor: socket.socket) -> None:
        """Keep a descriptor under `name` for the next start; one that is kept already is not kept twice."""
        self.drop(name)
        self._send("FDSTORE=1", f"FDNAME={name}", descriptors=(descriptor,))

    def drop(self, name: str) -> None:
        """Keep it no longer."""
        self._send("FDSTOREREMOVE=1", f"FDNAME={name}")

    def _send(self, *lines: str, descriptors: Sequence[socket.socket] = ()) -> None:
        if not self._address:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            # A reader that hangs must not hang the service: what does not fit is not said.
            sending.setblocking(False)
            sending.connect(path)
            socket.send_fds(sending, ["\n".join(lines).encode()], [each.fileno() for each in descriptors])
