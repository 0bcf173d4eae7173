"""Which program listens at an address: another milter at ours would be taken for this filter."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from dmarc_milter.settings.addresses import ListenAddress, UnixAddress

OTHERS = (
    "amavisd-milter",
    "authentication_milter",
    "clamav-milter",
    "dkimpy-milter",
    "milter-greylist",
    "opendkim",
    "opendmarc",
    "pyspf-milter",
    "rspamd",
    "spamass-milter",
)
"""Milters that are known by their names."""
PATIENCE_SECONDS = 10.0
_LISTENS = "0A"


def other_milter(address: ListenAddress, processes: Path = Path("/proc")) -> str | None:
    """The name of another milter that listens there; None where it is this filter, or cannot be told.

    Of a unix socket the system says which process it is; of a port only root can find it out.
    """
    pids = _behind_socket(address.path) if isinstance(address, UnixAddress) else _behind_port(address.port, processes)
    names = [name for pid in pids for name in _names(processes / str(pid))]
    return next((other for name in names for other in OTHERS if name.removesuffix(":") == other), None)


def _behind_socket(path: str) -> Iterator[int]:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(PATIENCE_SECONDS)
        connected.connect(path)
        size = struct.calcsize("3i")
        yield struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0]


def _behind_port(port: int, processes: Path) -> Iterator[int]:
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(processes / "net" / table, port)}
    for process in processes.iterdir() if inodes else ():
        if process.name.isdecimal() and _has_any(process, inodes):
            yield int(process.name)


def _inodes(table: Path, port: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                yield words[9]


def _has_any(process: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(each) in inodes for each in (process / "fd").iterdir())
    except OSError:
        return False


def _names(process: Path) -> list[str]:
    """Of the program, and of the script that it runs."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")[:2]
    except OSError:
        return []
    # rspamd tells what it does behind its name: "rspamd: main process".
    return [word.decode("utf-8", "replace").split(" ")[0].rpartition("/")[2] for word in words]
