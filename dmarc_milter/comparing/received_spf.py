"""Received-SPF (RFC 7208 9.1), which policyd-spf writes by default: SPF's result and the envelope that it is about."""

import re

from dmarc_milter.comparing.told import Spf
from dmarc_milter.message.authserv_id import comparable

KEY = "received-spf"
MAX_FIELD = 4_096
_RESULT = re.compile(r" *(pass|fail|softfail|neutral|none|temperror|permerror)\b", re.IGNORECASE)
_PAIR = re.compile(
    r"""\b(client-ip|envelope-from|helo|identity|receiver)=(?:"([^"]{0,320})"|<?([^\s;"<>()]{0,320}))""", re.IGNORECASE
)


def pairs(text: str) -> dict[str, str]:
    """The pairs of the field, or of the comment that policyd-spf writes elsewhere; the first of a name counts."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PAIR.findall(text[:MAX_FIELD]):
        found.setdefault(name.lower(), quoted or plain)
    return found


def is_of(text: str, authserv_id: str | None) -> bool:
    """Whether the field says that this host wrote it."""
    return authserv_id is not None and comparable(pairs(text).get("receiver", "")) == authserv_id


def result(text: str) -> Spf | None:
    """The result; None where there is none at its start."""
    match = _RESULT.match(text)
    if match is None:
        return None
    said = pairs(text)
    identity = "helo" if said.get("identity", "").lower() == "helo" else "mailfrom"
    name = said.get("helo", "") if identity == "helo" else said.get("envelope-from", "").rpartition("@")[2]
    return Spf(match[1].lower(), identity if name else "", comparable(name) or None)
