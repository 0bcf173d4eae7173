"""Addresses of filters, however they are written, compared as addresses."""

import re

QUEUE_DIRECTORY = "/var/spool/postfix"
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_AS_POSTFIX = re.compile(r"(?P<host>\[[^\]]*\]|[^:@\[\]]*):(?P<port>[^:@]+)")
_AS_LIBMILTER = re.compile(r"(?P<port>[^:@]+)(?:@(?P<host>.*))?")

Places = frozenset[tuple[str, str]]


def places(address: str, queue_directory: str = QUEUE_DIRECTORY) -> Places:
    """Where a filter may be meant to listen: pairs of host and port, or of ``unix`` and a path.

    Postfix writes ``inet:host:port`` and paths below its queue directory, libmilter ``inet:port@host``; ``local:`` is
    ``unix:``. A chrooted smtpd sees ``/x`` where others see ``/var/spool/postfix/x``.
    """
    kind, separator, rest = address.strip().partition(":")
    if not separator or kind.lower() in ("unix", "local"):
        path = rest if separator else address.strip()
        return _paths(path, queue_directory.rstrip("/")) if path else frozenset()
    if kind.lower() not in ("inet", "inet6"):
        return frozenset()
    match = _AS_LIBMILTER.fullmatch(rest) or _AS_POSTFIX.fullmatch(rest)
    if match is None:
        return frozenset()
    return frozenset((host, match["port"].lower()) for host in _hosts(match["host"] or ""))


def same(one: str, other: str, queue_directory: str = QUEUE_DIRECTORY) -> bool:
    """Whether two addresses name one filter."""
    return bool(places(one, queue_directory) & places(other, queue_directory))


def _paths(path: str, queue_directory: str) -> Places:
    if path.startswith(queue_directory + "/"):
        return frozenset({("unix", path)})
    inside = ("unix", f"{queue_directory}/{path.lstrip('/')}")
    return frozenset({inside, ("unix", path)}) if path.startswith("/") else frozenset({inside})


def _hosts(host: str) -> frozenset[str]:
    name = host.strip("[]").lower().removeprefix("ipv6:")
    if name in ("localhost", "", "*", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return _LOOPBACK
    return frozenset({name})
