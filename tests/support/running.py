"""`dmarc-milter serve` as a process of its own, for tests."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from dmarc_milter.testing.mta import ALL_ACTIONS, ALL_STEPS, Mta
from dmarc_milter.testing.name_server import NameServerThread

COMMAND = (sys.executable, "-m", "dmarc_milter")


def settings(server: NameServerThread, policy: str = "") -> str:
    """Two workers in mode enforce that ask `server`; `policy` is more of [policy], and of what may follow it."""
    return f'workers = 2\n[dns]\nnameservers = ["{server.address}"]\n[policy]\nmode = "enforce"\n{policy}'


def environment_with(folder: Path, early: str) -> dict[str, str]:
    """What a process is started with that is to run the Python code `early` before anything else: bugs, other bounds."""
    (folder / "sitecustomize.py").write_text(early)
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))}


class RunningFilter:
    """Started on construction, with the settings given as TOML; `address` as in [milter] listen.

    `descriptors` is the most that each of its processes may open.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        settings: str,
        environment: dict[str, str] | None = None,
        all_addresses: list[str] | None = None,
        descriptors: int | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.address = address
        self._connections: list[socket.socket] = []
        self._log = folder / "filter.log"
        self.config = folder / "filter.toml"
        self.journal = f"sqlite:///{folder}/journal.sqlite"
        listen = f'"{address}"' if all_addresses is None else str(all_addresses)
        text = f"[milter]\nlisten = {listen}\n{settings}"
        if "[metrics]" not in text:
            text += '\n[metrics]\nlisten = "127.0.0.1:0"\n'
        if "[journal]" not in text:
            text += f'\n[journal]\ndatabase = "{self.journal}"\n'
        self.config.write_text(text)
        with self._log.open("w") as errors:
            self.process = subprocess.Popen(
                [*command, "serve", "--config", str(self.config)],
                stderr=errors,
                env=environment,
            )
            if descriptors is not None:
                resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
        try:
            self._wait_until_it_serves()
        except BaseException:
            # Its workers end with it.
            self.process.kill()
            self.process.wait()
            raise

    def _wait_until_it_serves(self) -> None:
        limit = time.monotonic() + 30
        while "serving on" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < limit, self.log
            time.sleep(0.02)

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self._log.read_text("utf-8", "replace")

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        return self._children("milter-worker")

    @property
    def monitor(self) -> int:
        """Process id of the one that serves metrics; 0 where there is none."""
        return next(iter(self._children("milter-metrics")), 0)

    def _children(self, name: str) -> list[int]:
        """Those that say so in their name."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in children.split() if _name(each).startswith(name)]

    def metrics(self) -> str:
        """What /metrics says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=60) as answer:
            return bytes(answer.read()).decode()

    @property
    def metrics_port(self) -> int:
        """Where its metrics are, once it said so."""
        (*_, port) = re.findall(r"metrics on \S+ port (\d+)", self.log)
        return int(port)

    def mta(self, steps: int = ALL_STEPS, actions: int = ALL_ACTIONS) -> Mta:
        """A connection to it."""
        return Mta(self.connect(), steps, actions)

    def connect(self) -> socket.socket:
        """The same, on which nothing has been said yet."""
        kind, _, rest = self.address.partition(":")
        if kind == "unix":
            connected = socket.socket(socket.AF_UNIX)
            self._connections.append(connected)
            connected.connect(rest)
        else:
            port, _, host = rest.partition("@")
            connected = socket.create_connection((host, int(port)))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(60)
        self._connections.append(connected)
        return connected

    def keep(self, connected: socket.socket) -> None:
        """Close it when the filter is stopped."""
        self._connections.append(connected)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        for each in self._connections:
            each.close()
        return status


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except FileNotFoundError:
        return ""
