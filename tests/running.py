"""`dmarc-milter serve` as a process of its own, for tests."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dmarc_milter.demo.mta import Mta


class RunningFilter:
    """Started on construction, with the settings given as TOML; `address` as in [milter] listen."""

    def __init__(
        self,
        folder: Path,
        address: str,
        settings: str,
        environment: dict[str, str] | None = None,
        all_addresses: list[str] | None = None,
        before: Sequence[str] = (),
        directory: Path | None = None,
    ) -> None:
        """`before` is what the command is an argument of; it runs in `directory`, whose modules are not to be found."""
        self.address = address
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
        safe = [] if directory is None else ["-P"]
        with self._log.open("w") as errors:
            self.process = subprocess.Popen(
                [*before, sys.executable, *safe, "-m", "dmarc_milter", "serve", "--config", str(self.config)],
                stderr=errors,
                env=environment,
                cwd=directory,
            )
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
        """Process ids of the workers: the children that say so in their name."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in children.split() if _name(each).startswith("milter-worker")]

    @property
    def metrics_port(self) -> int:
        """Where its metrics are, once it said so."""
        (*_, port) = re.findall(r"metrics on \S+ port (\d+)", self.log)
        return int(port)

    def mta(self, **options: int) -> Mta:
        """A connection to it."""
        kind, _, rest = self.address.partition(":")
        if kind == "unix":
            connected = socket.socket(socket.AF_UNIX)
            connected.connect(rest)
        else:
            port, _, host = rest.partition("@")
            connected = socket.create_connection((host, int(port)))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(60)
        return Mta(connected, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except FileNotFoundError:
        return ""
