"""Listening sockets that outlive the service: systemd keeps them over a restart (its file descriptor store).

While no worker accepts, connections of the MTA wait in the queue of the socket, and none is refused. Sockets that a
unit of type socket opened come the same way (sd_listen_fds(3)).
"""

import contextlib
import hashlib
import os
import socket
import stat
from collections.abc import MutableMapping

from dmarc_milter.service.systemd import Notifier
from dmarc_milter.settings.addresses import ListenAddress, UnixAddress

_FIRST = 3
"""The first descriptor that systemd hands over."""


class SocketStore:
    """What systemd handed over at the start, and keeps for the next one."""

    def __init__(self, notifier: Notifier, environment: MutableMapping[str, str] = os.environ) -> None:
        self._notifier = notifier
        self._given = [_adopted(number) for number in _handed_over(environment)]

    @property
    def is_kept(self) -> bool:
        """Whether somebody keeps the sockets when this process ends; then their files have to stay, too."""
        return self._notifier.is_heard

    def take(self, address: ListenAddress) -> socket.socket | None:
        """The socket that listens on `address` already."""
        for given in self._given:
            if _is_at(given, address):
                self._given.remove(given)
                given.setblocking(False)
                return given
        return None

    def keep(self, listening: socket.socket) -> None:
        """Have systemd keep it until the service is stopped for good."""
        self._notifier.store(_name(listening), listening)

    def drop_rest(self) -> None:
        """Give up what nobody took: the settings name other addresses now."""
        for given in self._given:
            self._notifier.drop(_name(given))
            where = given.getsockname()
            given.close()
            if isinstance(where, str) and where:
                with contextlib.suppress(OSError):
                    os.unlink(where)
        self._given.clear()


def _handed_over(environment: MutableMapping[str, str]) -> range:
    """The descriptors; their variables are taken out, so that no child takes them for its own."""
    pid, count, _ = (environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    return range(_FIRST, _FIRST + int(count)) if pid == str(os.getpid()) and count.isdecimal() else range(0)


def _adopted(number: int) -> socket.socket:
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def _is_at(listening: socket.socket, address: ListenAddress) -> bool:
    """Whether it listens there, where MTAs look for it: the file of a unix socket may have been removed."""
    where = listening.getsockname()
    if isinstance(address, UnixAddress):
        return bool(where == address.path and _is_socket(address.path))
    return isinstance(where, tuple) and where[:2] == (address.host, address.port)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _name(listening: socket.socket) -> str:
    """Under which systemd keeps it: one name per address, of characters that it allows."""
    return f"listen-{hashlib.sha256(repr(listening.getsockname()).encode()).hexdigest()[:16]}"
