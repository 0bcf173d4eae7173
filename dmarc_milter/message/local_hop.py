"""Received fields of hops within this host: Dovecot's LMTP, Amavis, a content filter that hands mail back to the MTA.

They lie above the field that names the client. A field is one of them only where no address in it could be a client's:
HELO may hold a whole invented field, and that field names loopback where it wants to be stepped over.
"""

import ipaddress
import re
from collections.abc import Sequence
from itertools import takewhile

from dmarc_milter.common.network import LOOPBACK, contains, unmapped
from dmarc_milter.message.header import split_message

_MAX_FIELD = 4_096
_FOLD = re.compile(rb"[ \t\r\n]+")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_BARE_ADDRESS = re.compile(r"\(((?:[0-9]+\.){3}[0-9]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)\)")
_UNIX_SOCKET = re.compile(r"(?:unix socket|UNIX: ?.*)", re.IGNORECASE)
_COMMENTS = r"(?:\((?:[^()]|\([^()]*\))*\) )*"
_LMTP = re.compile(
    rf"(?:from [^\s()]+ {_COMMENTS})?by [^\s()]+ {_COMMENTS}with LMTPS?A?\b(?!.* by )[^\[]*", re.IGNORECASE
)
"""LMTP is how mail is put into mailboxes (RFC 2033 1), from whatever address: Dovecot, which names none where its
client came over a unix socket, and Cyrus."""
_RESUBMITTED = re.compile(
    r"by \S+ \(Postfix(?:, from userid [0-9]+)?\) id .*|from \S+ by \S+ with (?:local|spam-scanned)\b.*"
)
"""Mail that goes round within the MTA: an alias of Postfix, or a content filter that hands it back through sendmail."""


def is_local_hop(value: bytes) -> bool:
    """Whether a program of this host wrote the Received field `value` about another program of it."""
    if len(value) > _MAX_FIELD:
        return False
    text = _FOLD.sub(b" ", value).strip().decode("ascii", "replace")
    if _LMTP.fullmatch(text) is not None:
        return True
    named = [*_BRACKETS.findall(text), *_BARE_ADDRESS.findall(text)]
    if named:
        return all(map(_is_this_host, named))
    return _RESUBMITTED.fullmatch(text) is not None


def received_by_this_host(received: Sequence[bytes]) -> int | None:
    """How many of the topmost Received fields this host wrote, of a message that a program of it hands over.

    The hops within this host, and the field about whoever brought it here. None where nobody did: the message was
    written here.
    """
    hops = sum(1 for _ in takewhile(is_local_hop, received))
    return hops + 1 if hops < len(received) else None


def without_local_hops(message: bytes) -> bytes:
    """`message` as the MTA had it when a client brought it: without the Received fields that this host added since."""
    header, body = split_message(message)
    added = {id(field) for field in takewhile(lambda each: is_local_hop(each.value), header.all("received"))}
    if not added or not header.is_complete:
        return message
    lines = [b"%s:%s\r\n" % (field.name.encode("ascii"), field.value) for field in header if id(field) not in added]
    return b"".join([*lines, b"\r\n", body])


def _is_this_host(named: str) -> bool:
    if _UNIX_SOCKET.fullmatch(named):
        return True
    try:
        return contains(LOOPBACK, unmapped(ipaddress.ip_address(re.sub(r"(?i)^ipv6:", "", named)).packed))
    except ValueError:
        return False
