"""Received fields (RFC 5321 4.4) of hosts that we trust: who handed them the message.

The host that wrote a field is honest, but some of its words are the client's: HELO, and what a certificate says. So a
field is read only where it has the exact form of one of the programs known here, and where nothing in it could be
another reading of the same octets. Everything else is unreadable: no guess.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dmarc_milter.common.network import LOOPBACK, contains, unmapped
from dmarc_milter.common.reason import Reason
from dmarc_milter.message.reasons import ReceivedReason

MAX_HOPS = 30
_MAX_FIELD = 4096
_FOLD = re.compile(rb"[ \t\r\n]+")


class HandOver(NamedTuple):
    """A client as a Received field names it."""

    address: bytes
    """4 or 16 octets"""
    helo: str


_ADDRESS = r"\[(?:IPv6:)?(?P<address>[0-9A-Fa-f.:]+)\]"
_BARE = r"\((?P<address>[0-9A-Fa-f.:]+)\)"
_HELO = r"(?P<helo>[^\s()]+)"
_IDENT = r"(?: ident=[^\s()]+)?"
_REST = r"(?P<rest>.*)"
_REST_BY = r"(?P<rest> by .*)"
_REST_BY_EXCHANGE = r"(?P<rest> by [^\s()]+ \([0-9A-Fa-f.:]+\) with Microsoft SMTP Server.*)"
_SERVER = r"[^\s()\[\]]+ \([^\s()\[\]]+ \[(?:IPv6:)?[0-9A-Fa-f.:]+\]\)"
_TRANSACTION = r"(?: with [A-Za-z0-9]+)?(?: id [^\s()\[\]]+)?(?: for <?[^\s()\[\]]+>?)?"
_DATE = r"[A-Za-z0-9,:+ -]*(?:\([A-Za-z0-9+:-]+\))?"
_BY_AMAVIS = rf"(?P<amavis> by {_SERVER} \(amavis(?:d-new)?, [^()\[\]]*\){_TRANSACTION};(?!.* by ){_DATE})"
_KNOWN_PROGRAM = re.compile(
    r" by [^\s()]+ \(Postfix[^()]*\)"
    r"| by [^\s()]+ \([0-9.]+/[0-9.]+(?:/[^()]*)?\)"
    r"| by [^\s()]+ (?:\([0-9A-Fa-f.:]+\) )?with Microsoft SMTP Server"
    r"|\(Exim [0-9.]+"
    r"|\(amavis(?:d-new)?, "
)
"""Marks of programs, behind the client's words: what cannot be read of theirs may be the client's doing."""
_FORMS = [
    re.compile(form)
    for form in (
        # Amavis, of its own MTA:  from name ([127.0.0.1]) by localhost (name [127.0.0.1]) (amavis, port 10024)
        rf"from {_HELO} \({_ADDRESS}\){_BY_AMAVIS}",
        # Postfix, and Sendmail with its ident and its doubt:  from HELO (user@name [192.0.2.1] (may be forged))
        rf"from {_HELO} \((?:[^\s()\[\]@]+@)?[^\s()\[\]@]+ {_ADDRESS}(?: \(may be forged\))?\){_REST}",
        # Exim with a name, Sendmail without one:  from name ([192.0.2.1]:25 helo=HELO ident=user)
        rf"from (?P<name>[^\s()]+) \({_ADDRESS}(?::[0-9]+)?(?: helo={_HELO})?{_IDENT}\){_REST}",
        # Exim without a name:  from [192.0.2.1]:25 (helo=HELO)
        rf"from {_ADDRESS}(?::[0-9]+)?(?: \((?:port=[0-9]+ )?helo={_HELO}{_IDENT}\))?{_REST_BY}",
        # Exchange:  from HELO (192.0.2.1) by server (192.0.2.2) with Microsoft SMTP Server
        rf"from {_HELO} {_BARE}{_REST_BY_EXCHANGE}",
    )
]
_BY = re.compile(r" by (?=\S)")
_BARE_ADDRESS = re.compile(r"\((?:[0-9]+\.){3}[0-9]+\)|\([0-9A-Fa-f]*:[0-9A-Fa-f:.]*\)")


def handed_over(value: bytes) -> HandOver | None:
    """The client in the value of a Received field, or None where it cannot be told beyond doubt."""
    if len(value) > _MAX_FIELD:
        return None
    text = _unfolded(value)
    match = next((found for form in _FORMS if (found := form.fullmatch(text))), None)
    if match is None:
        return None
    named = match.groupdict()
    try:
        address = unmapped(ipaddress.ip_address(named["address"]).packed)
    except ValueError:
        return None
    if named.get("amavis") is None and not _is_unambiguous(named["rest"] or ""):
        return None
    return HandOver(address, named.get("helo") or named.get("name") or f"[{named['address']}]")


def _unfolded(value: bytes) -> str:
    return _FOLD.sub(b" ", value).strip().decode("ascii", "replace")


def _is_of_known_program(value: bytes) -> bool:
    """Mail that the relay wrote itself has no words of a client: "by" stands first there."""
    if len(value) > _MAX_FIELD:
        return True
    text = _unfolded(value)
    return text.startswith("from ") and _KNOWN_PROGRAM.search(text) is not None


def _is_unambiguous(rest: str) -> bool:
    """Whether what follows the client names no second client: HELO may hold a whole invented field."""
    before, by, after = rest.partition(" by ")
    if not by or _BY.search(" " + after) is not None or "[" in rest:
        return False
    return before == "" or (before.startswith(" (") and _BARE_ADDRESS.search(before) is None)


class Relayed(NamedTuple):
    """What the Received fields say of a message that a trusted relay brought."""

    client: HandOver | None
    """Who handed it to the outermost trusted relay; None where that cannot be read."""
    reason: Reason | None
    """Why it cannot be read; None where it can."""
    trusted_fields: int
    """How many of the topmost Received fields were written by trusted relays."""


def outermost(received: Sequence[bytes], is_trusted: Callable[[bytes], bool]) -> Relayed:
    """Follow the Received fields `received`, topmost first, from one trusted relay to the next.

    The client that connected is a trusted relay, so the topmost field is its own. A relay that names itself by a
    loopback address handed the message from one of its programs to another.
    """
    for index, value in enumerate(received[:MAX_HOPS]):
        client = handed_over(value)
        if client is None:
            is_known = _is_of_known_program(value)
            code = ReceivedReason.AMBIGUOUS_RECEIVED if is_known else ReceivedReason.UNREADABLE_RECEIVED
            return Relayed(None, code(position=index + 1), index)
        if not is_trusted(client.address) and not contains(LOOPBACK, client.address):
            return Relayed(client, None, index + 1)
    if len(received) > MAX_HOPS:
        return Relayed(None, ReceivedReason.TOO_MANY_RELAYS(limit=MAX_HOPS), MAX_HOPS)
    return Relayed(None, ReceivedReason.NO_OUTSIDE_CLIENT(), len(received))
