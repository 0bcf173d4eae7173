"""Which program listens at an address: another milter at ours would be taken for this filter."""

import contextlib
import os
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
_TCP_LISTENS = "0A"
_UNIX_LISTENS = "00010000"


def other_milter(address: ListenAddress, processes: Path = Path("/proc")) -> str | None:
    """The name of another milter that listens there; None where it is this filter, or cannot be told.

    Nobody is connected to: the system tells which sockets listen where, and, to root, whose they are.
    """
    if isinstance(address, UnixAddress):
        inodes = set(_unix_inodes(processes / "net" / "unix", address.path))
    else:
        inodes = {each for table in ("tcp", "tcp6") for each in _tcp_inodes(processes / "net" / table, address.port)}
    sockets = {f"socket:[{inode}]" for inode in inodes}
    holders = (
        (each for each in processes.iterdir() if each.name.isdecimal() and _has_any(each, sockets)) if sockets else ()
    )
    names = [name for holder in holders for name in _names(holder)]
    return next((other for name in names for other in OTHERS if name.removesuffix(":") == other), None)


def _rows(table: Path) -> Iterator[list[str]]:
    """What /proc/net tells, a socket per row (proc(5))."""
    with contextlib.suppress(OSError):
        yield from (line.split() for line in table.read_text("utf-8", "surrogateescape").splitlines()[1:])


def _unix_inodes(table: Path, path: str) -> Iterator[str]:
    return (words[6] for words in _rows(table) if words[3] == _UNIX_LISTENS and words[7:] == [path])


def _tcp_inodes(table: Path, port: int) -> Iterator[str]:
    for words in _rows(table):
        if words[3] == _TCP_LISTENS and int(words[1].rpartition(":")[2], 16) == port:
            yield words[9]


def _has_any(process: Path, sockets: set[str]) -> bool:
    try:
        return any(os.readlink(each) in sockets for each in (process / "fd").iterdir())
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
