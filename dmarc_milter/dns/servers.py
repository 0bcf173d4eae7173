"""Which of several name servers is asked first: one that answers.

A server that is dead would cost every question its timeout. So a server that has sent nothing at all since a question
went out is suspected. A suspect is asked a question of our own, whose answer no sender controls. Only when that gets no
answer, too, the server counts as silent: it is then asked last, until it answers such a question again. A sender whose
own servers are slow changes nothing by that.
"""

import ipaddress
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dmarc_milter.dns.answer import Question, RecordType

PROBE = Question("dmarc-milter.invalid", RecordType.TXT)
"""Any answer will do, and the answer for this name is always the same (RFC 6761 6.4)."""

PROBE_SECONDS = 10.0
"""How often a silent server is asked whether it answers again."""


@dataclass(frozen=True)
class NameServer:
    """Where a name server listens."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        """As `[dns] nameservers` has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 53 else f"{host}:{self.port}"

    @cached_property
    def is_on_this_host(self) -> bool:
        """Whether it listens on a loopback address."""
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback

    def socket(self, kind: socket.SocketKind) -> tuple[socket.socket, Any]:
        """A socket of its family, not connected yet, and the address to connect it to. Raises OSError."""
        family, _, _, _, address = socket.getaddrinfo(self.host, self.port, type=kind, flags=socket.AI_NUMERICHOST)[0]
        made = socket.socket(family, kind)
        made.setblocking(False)
        return made, address


class ServerOrder:
    """The servers of one resolver, and what is known of them. Times are those of ``time.monotonic()``, in seconds.

    Threads may read :meth:`attempts` at any time; everything else happens on one thread.
    """

    def __init__(self, servers: tuple[NameServer, ...], tries: int) -> None:
        self._tries = tries
        self.use(servers)

    def use(self, servers: tuple[NameServer, ...]) -> None:
        """Other servers, of which nothing is known yet, take the place of those that were there."""
        self.servers = servers
        self._heard = dict.fromkeys(servers, 0.0)
        self._silent: frozenset[NameServer] = frozenset()
        self._probe_at: dict[NameServer, float] = {}
        self._order = servers

    @property
    def attempts(self) -> tuple[NameServer, ...]:
        """Whom a question goes to, one after the other: those that answer first, each `tries` times."""
        return self._order * self._tries

    @property
    def silent(self) -> frozenset[NameServer]:
        """The servers that do not answer."""
        return self._silent

    def heard(self, server: NameServer, now: float) -> None:
        """A packet came from `server`."""
        if server not in self._heard:
            return
        self._heard[server] = now
        self._probe_at.pop(server, None)
        if server in self._silent:
            self._set_silent(self._silent - {server})

    def unanswered(self, server: NameServer, sent: float, now: float) -> None:
        """A question that went to `server` at the time `sent` got no answer. One is enough to suspect it."""
        if self._heard.get(server, now) < sent:
            self._probe_at.setdefault(server, now)

    def probe_unanswered(self, server: NameServer) -> None:
        """Nor did our own question."""
        if server in self._heard:
            self._set_silent(self._silent | {server})

    def to_probe(self, now: float) -> list[NameServer]:
        """Whom to ask a question of our own now; each is named once per PROBE_SECONDS, until it is heard."""
        if len(self.servers) < 2:
            # With one server there is no choice.
            return []
        due = [server for server, at in self._probe_at.items() if at <= now]
        for server in due:
            self._probe_at[server] = now + PROBE_SECONDS
        return due

    def _set_silent(self, silent: frozenset[NameServer]) -> None:
        self._silent = silent
        self._order = tuple(sorted(self.servers, key=silent.__contains__))
