"""Listening sockets: opened once by the supervisor, shared by its workers."""

import contextlib
import errno
import grp
import os
import socket
import stat

from dmarc_milter.settings.addresses import InetAddress, ListenAddress, UnixAddress
from dmarc_milter.settings.milter import MilterSection

BACKLOG = 4_096
"""Connections that wait until a worker accepts them (the system may allow fewer)."""


class ListenError(Exception):
    """A listening socket cannot be opened; the text is one line that names the address."""


def open_socket(address: ListenAddress, settings: MilterSection, kept: socket.socket | None = None) -> socket.socket:
    """A listening socket; `kept` is one that listens there already. Raises ListenError."""
    try:
        if isinstance(address, UnixAddress):
            return _open_unix(address, settings, kept)
        return kept or open_inet(address)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {why(error)}") from None
    except KeyError:
        raise ListenError(f"cannot listen on {address}: there is no group {settings.socket_group}") from None


def why(error: OSError) -> str:
    """What the system says, in words."""
    return "address already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)


def open_inet(address: InetAddress) -> socket.socket:
    """A listening TCP socket. Raises OSError."""
    listening = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by what is accepted. Without it an edit and the final answer, two small packets, wait 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _listen(listening, (address.host, address.port))


def _open_unix(address: UnixAddress, settings: MilterSection, kept: socket.socket | None) -> socket.socket:
    group = grp.getgrnam(settings.socket_group).gr_gid if settings.socket_group is not None else -1
    listening = kept or _bind_unix(address)
    try:
        if group != -1:
            os.chown(address.path, -1, group)
        os.chmod(address.path, int(settings.socket_mode, 8))
    except OSError:
        listening.close()
        remove(address)
        raise
    return listening


def _bind_unix(address: UnixAddress) -> socket.socket:
    _remove_stale(address.path)
    listening = socket.socket(socket.AF_UNIX)
    old = os.umask(0o777)
    try:
        # Nobody may connect before group and mode are what they should be.
        return _listen(listening, address.path)
    finally:
        os.umask(old)


def _listen(listening: socket.socket, where: str | tuple[str, int]) -> socket.socket:
    try:
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    # Several processes wait on it; those that come too late to accept must not be stuck there.
    listening.setblocking(False)
    return listening


def _remove_stale(path: str) -> None:
    """A socket file that nobody listens on is left from a crash."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "a file that is no socket is in the way")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def remove(address: ListenAddress) -> None:
    """Take a unix socket out of the file system."""
    if isinstance(address, UnixAddress):
        with contextlib.suppress(OSError):
            os.unlink(address.path)
