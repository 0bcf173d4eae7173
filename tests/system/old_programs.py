"""The programs of old chains: how each is called, where it listens, and how it is started."""

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import is_listening, wait_for

START_SECONDS = 180
"""rspamd and SpamAssassin compile their rules first."""


@dataclass(frozen=True)
class Daemon:
    """One that listens."""

    command: tuple[str, ...]
    where: str
    """A path, or ``inet:`` and a port on loopback."""

    def start(self, log: Path, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """The process, once it listens. What it prints goes to `log`; `prefix` is put before its command."""
        with log.open("ab") as said:
            process = subprocess.Popen([*prefix, *self.command], stdout=said, stderr=said)
        try:
            wait_for(self._listens, f"{self.command[0]} to listen", START_SECONDS)
        except BaseException:
            end(process)
            raise
        return process

    def _listens(self) -> bool:
        kind, _, port = self.where.rpartition(":")
        if kind != "inet":
            return is_listening(self.where)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) == 0


def opendkim(settings: str | Path, where: str) -> Daemon:
    """OpenDKIM with its file of settings."""
    return Daemon(("/usr/sbin/opendkim", "-f", "-x", str(settings)), where)


def opendmarc(settings: str | Path, where: str) -> Daemon:
    """OpenDMARC with its file of settings."""
    return Daemon(("/usr/sbin/opendmarc", "-f", "-c", str(settings)), where)


def policyd_spf(service: str, settings: str | Path = "") -> str:
    """The lines of master.cf by which Postfix starts policyd-spf; without `settings` it reads its own file."""
    return f"{service} unix - n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf {settings}".rstrip() + "\n"


def end(process: subprocess.Popen[bytes]) -> None:
    """At once: they have nothing to save, and OpenDKIM takes five seconds over a SIGTERM."""
    process.kill()
    process.wait()
