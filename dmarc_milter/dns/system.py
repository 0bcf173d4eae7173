"""The name servers of the system's configuration (resolv.conf), and whether they have changed."""

import os
from pathlib import Path

import dns.resolver

from dmarc_milter.dns.servers import NameServer

RESOLV_CONF = Path("/etc/resolv.conf")
CHECK_SECONDS = 2.0
"""How often a changed file is looked for."""


def system_name_servers(path: Path = RESOLV_CONF) -> tuple[NameServer, ...]:
    """Those of resolv.conf; 127.0.0.1 where there is no such file."""
    try:
        system = dns.resolver.Resolver(str(path))
    except dns.resolver.NoResolverConfiguration:
        return (NameServer("127.0.0.1"),)
    return tuple(NameServer(str(each), system.port) for each in system.nameservers if ":/" not in str(each))


class SystemNameServers:
    """The name servers of resolv.conf as they are now: a lease, a VPN or the start of a machine changes them."""

    def __init__(self, path: Path = RESOLV_CONF) -> None:
        self._path = path
        self._seen = self._state()
        self._check_at = 0.0
        self.servers = system_name_servers(path)

    def changed(self, now: float) -> tuple[NameServer, ...] | None:
        """The servers, where others are written there since the last call; looks once in CHECK_SECONDS.

        `now` is a time of ``time.monotonic()``.
        """
        if now < self._check_at:
            return None
        self._check_at = now + CHECK_SECONDS
        state = self._state()
        if state == self._seen:
            return None
        self._seen = state
        servers = system_name_servers(self._path)
        if servers == self.servers or not servers:
            return None
        self.servers = servers
        return servers

    def _state(self) -> tuple[int, int, int] | None:
        """What differs where the file was written or replaced, or where a link to it points elsewhere."""
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
