"""What is changed in a message: forged Authentication-Results out, ours in (pure)."""

from collections.abc import Iterable
from typing import NamedTuple

from dmarc_milter.authentication_results import KEY, claims
from dmarc_milter.message.header import Field


class Deletion(NamedTuple):
    """One field to delete, as the MTA counts them."""

    name: str
    ordinal: int
    """Which of the fields of this name, from 1 at the top."""


def deletions(fields: Iterable[Field], authserv_ids: frozenset[str]) -> list[Deletion]:
    """The fields that claim to be ours (RFC 8601 5), the last one first, so that no deletion moves another's index.

    An MTA counts the fields whose name is spelled alike but for case; one with a blank before the colon is another
    spelling.
    """
    counts: dict[str, int] = {}
    found = []
    for field in fields:
        if field.key != KEY:
            continue
        spelling = field.name.lower()
        counts[spelling] = counts.get(spelling, 0) + 1
        if claims(field.value, authserv_ids):
            found.append(Deletion(field.name, counts[spelling]))
    return found[::-1]
