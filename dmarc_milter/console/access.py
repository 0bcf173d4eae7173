"""Who may ask what, before any page is made; and the header fields of every answer, whatever its status."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool

from dmarc_milter.console.passwords import NOBODY, Hash
from dmarc_milter.console.settings import ConsoleSection
from dmarc_milter.settings.addresses import InetAddress

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SECURITY = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
METHODS = ("GET", "HEAD")
STREAM = "/stream"
AT_ONCE = 30
"""Requests, without those that follow: each has a thread, and there are 40."""
TRIED_AT_ONCE = 2
"""Passwords: each takes 16 MB and 50 ms of a processor."""
MAX_FAILURES, FORGIVEN_SECONDS, MAX_PEERS = 10, 60.0, 1_000
_KNOWN_SECONDS = 300.0


class Gate:
    """Around the pages: an ASGI application. Everything that is refused is refused here."""

    def __init__(self, app: App, section: ConsoleSection, passwords: Mapping[str, Hash] | None) -> None:
        self._app = app
        self._section = section
        self._passwords = passwords
        self._hosts = _hosts(section)
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._known: dict[bytes, float] = {}
        self._key = secrets.token_bytes(32)
        self._trying = asyncio.Semaphore(TRIED_AT_ONCE)
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SECURITY]
            await send(message)

        refusal = await self._refusal(scope)
        if refusal is not None:
            await _refuse(send_safe, *refusal)
            return
        if scope["path"] == STREAM:
            await self._app(scope, receive, send_safe)
            return
        if self._at_work >= AT_ONCE:
            await _refuse(send_safe, 503, "Too many ask at once: try again in a moment.", ((b"retry-after", b"10"),))
            return
        self._at_work += 1
        try:
            await self._app(scope, receive, send_safe)
        finally:
            self._at_work -= 1

    async def _refusal(self, scope: Scope) -> "tuple[int, str, tuple[tuple[bytes, bytes], ...]] | None":
        """Status, what is wrong, more header fields; None where the request may pass."""
        headers = scope["headers"]
        named = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(named) != 1 or _without_port(named[0]) not in self._hosts:
            return 421, "This name is not among those of the console: see [console] hosts in console.toml.", ()
        if "\0" in scope["path"]:
            return 400, "This is no address of a page.", ()
        if scope["method"] not in METHODS:
            return 405, "These pages are only read: GET and HEAD.", ((b"allow", b"GET, HEAD"),)
        if self._section.trusted_proxies:
            return self._by_proxy(scope)
        if self._passwords is not None:
            return await self._by_password(scope, self._passwords)
        return None

    def _by_proxy(self, scope: Scope) -> "tuple[int, str, tuple[tuple[bytes, bytes], ...]] | None":
        if not _is_in(_peer(scope), self._section.trusted_proxies):
            return 403, "Only the web server in front of this page may ask.", ()
        wanted = self._section.user_header.lower().encode()
        users = [value for name, value in scope["headers"] if name == wanted]
        if len(users) != 1 or not users[0].strip():
            return 403, f"The web server in front of this page did not say who asks ({self._section.user_header}).", ()
        return None

    async def _by_password(
        self, scope: Scope, passwords: Mapping[str, Hash]
    ) -> "tuple[int, str, tuple[tuple[bytes, bytes], ...]] | None":
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        ask = ((b"www-authenticate", b'Basic realm="dmarc-milter console", charset="UTF-8"'),)
        if len(given) != 1:
            return 401, "A name and a password are needed.", ask
        now, peer = time.monotonic(), _peer(scope)
        mark = hmac.digest(self._key, given[0], hashlib.sha256)
        if self._known.get(mark, 0.0) > now:
            return None
        failures = [each for each in self._failures.get(peer, ()) if each > now - FORGIVEN_SECONDS]
        if len(failures) >= MAX_FAILURES:
            return 429, "Too many wrong passwords: wait a minute.", ((b"retry-after", b"60"),)
        # Counted before it is known: many at once must not all be tried.
        self._note(peer, [*failures, now])
        name, password = _credentials(given[0])
        async with self._trying:
            fits = await run_in_threadpool(passwords.get(name, NOBODY).fits, password)
        if not fits:
            return 401, "Name or password is wrong.", ask
        self._note(peer, failures)
        self._known = {each: until for each, until in self._known.items() if until > now}
        self._known[mark] = now + _KNOWN_SECONDS
        return None

    def _note(self, peer: str, failures: list[float]) -> None:
        self._failures[peer] = failures
        self._failures.move_to_end(peer)
        while len(self._failures) > MAX_PEERS:
            self._failures.popitem(last=False)


def _hosts(section: ConsoleSection) -> frozenset[str]:
    found = {"localhost", "127.0.0.1", "[::1]", *(each.lower() for each in section.hosts)}
    if isinstance(section.listen, InetAddress):
        found.add(f"[{section.listen.host}]" if section.listen.is_ipv6 else section.listen.host)
    return frozenset(found)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and (port.isdecimal() or not port) and not name.endswith(":") else host).lower().rstrip(".")


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else "local"


def _is_in(peer: str, networks: "tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]") -> bool:
    """Whoever may open the unix socket is trusted by the rights of that file."""
    if peer == "local":
        return True
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if address.version == 6 else None
    return any((mapped or address) in each for each in networks)


def _credentials(value: bytes) -> tuple[str, str]:
    scheme, _, rest = value.partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError
        name, _, password = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
    except (ValueError, binascii.Error):
        return "", ""
    return name, password


async def _refuse(send: Send, status: int, text: str, more: "tuple[tuple[bytes, bytes], ...]") -> None:
    body = f"{text}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
