"""What is changed in a message: forged Authentication-Results out, ours in (pure)."""

from typing import NamedTuple

from dmarc_milter.message.authserv_id import KEY, MAX_START, claim, claims
from dmarc_milter.message.header import Field, Header

MAX_FORGED = 100
"""Fields of one message that are deleted: an MTA takes longer for each, the more it has deleted."""


class Deletion(NamedTuple):
    """One field to delete, as the MTA counts them."""

    name: str
    ordinal: int
    """Which of the fields of this name, from 1 at the top."""


class Ownership(NamedTuple):
    """Which fields may not stay in a message."""

    own: frozenset[str]
    """Our authserv-id, comparable: nobody else writes under it."""
    others: frozenset[str] = frozenset()
    """Other ids that only hosts of ours use."""
    trusted_received: int | None = None
    """Where a trusted relay brought the message: how many of the topmost Received fields trusted relays wrote."""


def deletions(header: Header, ownership: Ownership) -> list[Deletion] | None:
    """The fields that claim to be ours (RFC 8601 5), the last one first, so that no deletion moves another's index.

    None where they are more than `MAX_FORGED`, or where as many would have to be read by IDNA: such a message cannot be
    accepted.

    An MTA counts the fields whose name is spelled alike but for case; one with a blank before the colon is another
    spelling. From a trusted relay, fields of the other ids stay, and those under our own id (or none) where they stand
    above the Received fields of the trusted relays: no sender could write there.
    """
    if not header.all(KEY):
        return []
    counts: dict[str, int] = {}
    received = international = 0
    found: list[Deletion] = []
    for field in header:
        key = field.key
        received += key == "received"
        if key != KEY:
            continue
        spelling = field.name.lower()
        counts[spelling] = counts.get(spelling, 0) + 1
        international += not field.value[:MAX_START].isascii()
        if international > MAX_FORGED:
            return None
        if _must_go(field, ownership, received):
            found.append(Deletion(field.name, counts[spelling]))
            if len(found) > MAX_FORGED:
                return None
    return found[::-1]


def _must_go(field: Field, ownership: Ownership, received_above: int) -> bool:
    own, others, trusted = ownership
    if trusted is None:
        return claims(field.value, own | others)
    return received_above >= trusted and claim(field.value).may_be_of(own)
