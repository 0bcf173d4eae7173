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
