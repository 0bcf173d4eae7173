"""libmilter's listener, made to accept from a socket that somebody else opened."""

import contextlib
import os
import socket
import stat
import tempfile

import milter

from dmarc_milter.settings.addresses import InetAddress, ListenAddress

TIMEOUT_SECONDS = 7_210
"""How long libmilter waits for the MTA: longer than any MTA lets a client think."""


def serve() -> None:
    """Serve connections on the calling thread. Returns only where libmilter gives up by itself."""
    milter.settimeout(TIMEOUT_SECONDS)
    milter.main()


def lend_socket(address: ListenAddress, listening: socket.socket) -> tuple[int, int]:
    """Make libmilter accept from `listening`: it opens a socket of the same family, whose descriptor is replaced.

    So the supervisor alone opens, names and removes sockets, with the options that they need. Returns the socket that
    libmilter opened (nobody connects to it: what is accepted from while draining) and the descriptor it accepts from.
    """
    with tempfile.TemporaryDirectory(prefix="dmarc-milter-") as folder:
        milter.setconn(_placeholder(address, folder))
        before = _open_sockets()
        milter.opensocket(1)
        (descriptor,) = _open_sockets() - before
    parked = os.dup(descriptor)
    os.set_blocking(parked, False)
    os.dup2(listening.fileno(), descriptor)
    return parked, descriptor


def _placeholder(address: ListenAddress, folder: str) -> str:
    if isinstance(address, InetAddress):
        return "inet6:0@::1" if address.is_ipv6 else "inet:0@127.0.0.1"
    return f"unix:{folder}/socket"


def _open_sockets() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.add(int(name))
    return found


def accepted(listening: socket.socket) -> int:
    """How many connections that came in at `listening` are open here, those too on which nothing was said yet."""
    where = _local_end(listening)
    return sum(_came_in_at(each, where) for each in _open_sockets())


def _local_end(connection: socket.socket) -> object:
    """The path, or the port: where all addresses are listened on, a connection has one of them."""
    name = connection.getsockname()
    return name if connection.family == socket.AF_UNIX else name[1]


def _came_in_at(descriptor: int, where: object) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            is_connection = not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            return is_connection and _local_end(found) == where
    except OSError:
        # It was closed meanwhile.
        return False
