"""Delivery status notifications (RFC 3464): which delivery they are about, and whether it failed for good."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import NamedTuple, cast

MAX_OCTETS = 1 << 20
"""What is looked at."""
_TOKEN = re.compile(r"\+([0-9a-f]{32})@")
_ADDRESSED = ("to", "delivered-to", "x-original-to", "envelope-to", "resent-to")


class Bounce(NamedTuple):
    """A notification."""

    token: str
    """Of the delivery."""
    is_final: bool
    """Whether it failed for good; else it is late, or was delivered."""
    why: str
    """What the other MTA said, on one line."""


def bounce(octets: bytes, recipient: str | None = None) -> Bounce | None:
    """Read one; None where it names no delivery. `recipient` is the address that it came to, where that is known."""
    message = cast(EmailMessage, message_from_bytes(octets[:MAX_OCTETS], policy=policy.compat32))
    named = [recipient or "", *(str(value) for name in _ADDRESSED for value in message.get_all(name, []))]
    token = next((found[1] for text in named if (found := _TOKEN.search(text)) is not None), None)
    if token is None:
        return None
    status = next((part for part in message.walk() if part.get_content_type() == "message/delivery-status"), None)
    if status is None:
        return Bounce(token, True, "returned, without a delivery status")
    fields = _fields(status.as_string())
    said = " ".join(fields.get("diagnostic-code", fields.get("status", "")).split())[:300]
    return Bounce(token, fields.get("action", "failed").lower() == "failed", said or "returned")


def _fields(text: str) -> dict[str, str]:
    """The fields of all groups, the first of each name."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines()[:1_000]:
        if line[:1] in (" ", "\t") and name:
            found[name] += " " + line.strip()
            continue
        key, colon, value = line.partition(":")
        name = key.strip().lower() if colon and key.strip().lower() not in found else ""
        if name:
            found[name] = value.strip()
    return found
