"""Telling systemd and operators how the service fares: sd_notify(3), names of processes."""

import contextlib
import os
import socket
import time
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

    def stopping(self) -> None:
        """Draining."""
        self._send("STOPPING=1", "STATUS=messages at hand are finished")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """The watchdog's sign of life."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            # A reader that hangs must not hang the service: what does not fit is not said.
            sending.setblocking(False)
            sending.connect(path)
            sending.send("\n".join(lines).encode())
