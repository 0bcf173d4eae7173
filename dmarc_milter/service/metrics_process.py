"""The supervisor's hold on the monitor: started, started again, ended. Mail does not depend on it."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

from dmarc_milter.service import metrics_server as monitor
from dmarc_milter.service.forking import fork
from dmarc_milter.service.heartbeat import SILENT_SECONDS
from dmarc_milter.service.sockets import open_inet, why
from dmarc_milter.service.systemd import name_process
from dmarc_milter.settings.addresses import InetAddress
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry.log import logger

TRY_AGAIN_SECONDS = 15.0


class MetricsProcess:
    """At most one process, on one address."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._control: socket.socket | None = None
        self._listening: socket.socket | None = None
        self._address: InetAddress | None = None
        self._silent = 0.0
        self.start_again_at = 0.0
        """``time.monotonic()``"""

    def keep(self, settings: Settings, in_child: Callable[[], None]) -> None:
        """Have it running as `settings` say; `in_child` gives up what is the supervisor's."""
        address = settings.metrics.listen
        if self._pid is not None or address is None or time.monotonic() < self.start_again_at:
            return
        if not self._listen(address):
            self.start_again_at = time.monotonic() + TRY_AGAIN_SECONDS
            return
        assert self._listening is not None
        forked = fork("the metrics server")
        if forked is None:
            self.start_again_at = time.monotonic() + TRY_AGAIN_SECONDS
            return
        pid, ours, theirs = forked
        if pid == 0:
            try:
                in_child()
                ours.close()
                name_process("milter-metrics")
                monitor.serve(settings, self._listening, theirs)
            except Exception:  # noqa: BLE001 - a forked child must never run on into the supervisor's code
                logger.exception("metrics could not be served")
            finally:
                os._exit(1)
        theirs.close()
        self._pid, self._control, self._silent = pid, ours, 0.0
        # A monitor that ends at once is not started in a circle.
        self.start_again_at = time.monotonic() + 1

    def _listen(self, address: InetAddress) -> bool:
        if self._listening is not None and self._address == address:
            return True
        self._close_socket()
        try:
            self._listening = open_inet(address)
        except OSError as error:
            logger.warning("no metrics: cannot listen on %s port %d: %s", address.host, address.port, why(error))
            return False
        self._address = address
        host, port = self._listening.getsockname()[:2]
        logger.info("metrics on %s port %d", host, port)
        return True

    def renew(self) -> None:
        """Settings have changed: end it, to be started anew at once."""
        self._close_control()
        self.start_again_at = 0.0

    def _close_control(self) -> None:
        """Without it, the process ends."""
        if self._control is not None:
            self._control.close()
            self._control = None

    def reap(self) -> None:
        """See whether it has ended."""
        if self._pid is None:
            return
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                return
        self._pid = None
        # When it may be started again stays: one that ends at once is not started in a circle.
        self._close_control()

    def spend(self, seconds: float) -> None:
        """So much time has passed: end it by force where it gave no sign of life for too long."""
        if self._pid is None:
            return
        self._silent = 0.0 if self._is_heard() else self._silent + seconds
        if self._silent >= SILENT_SECONDS:
            logger.error("the process that serves metrics hangs and is ended by force")
            self._silent = 0.0
            _kill(self._pid)

    def _is_heard(self) -> bool:
        if self._control is None:
            return False
        try:
            return bool(self._control.recv(4096, socket.MSG_DONTWAIT))
        except OSError:
            return False

    def stop(self) -> None:
        """End it, at once: it has nothing to finish."""
        self.renew()
        if self._pid is not None:
            _kill(self._pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = None
        self._close_socket()

    def close_in_child(self) -> None:
        """In a worker: its sockets are not the worker's."""
        if self._control is not None:
            self._control.close()
        if self._listening is not None and self._pid is not None:
            self._listening.close()

    def _close_socket(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
