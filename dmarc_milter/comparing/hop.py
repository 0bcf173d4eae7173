"""Where the fields of both chains stand, and the hop beside them: who handed the message to the host that wrote them.

Milters and policy services of Postfix write above the MTA's own Received field; Sendmail has some of them write below
it. What stands further down may be the sender's and is not read, unless hosts that are trusted brought it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dmarc_milter.comparing import received_spf
from dmarc_milter.comparing.told import ResultsField, read
from dmarc_milter.message.authserv_id import KEY, comparable
from dmarc_milter.message.header import Header
from dmarc_milter.message.lexer import text_of
from dmarc_milter.message.local_hop import is_local_hop
from dmarc_milter.message.received import outermost

MAX_HOPS = 100
"""Received fields that are read."""
MAX_FIELDS = 200
"""Authentication-Results fields that are read of one message."""
_BY = re.compile(rb"(?:^|[ \t\r\n)])by[ \t\r\n]+([A-Za-z0-9._-]{1,253})")


@dataclass(frozen=True, slots=True)
class Hop:
    """A Received field."""

    index: int
    """Among all fields of the header."""
    value: bytes
    number: int
    """Among its Received fields, from 1 on."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Whose fields are meant."""

    ours: str | None
    """Our own id; None where nothing of ours is in the messages."""
    old: frozenset[str]
    """Those of the old chain; empty: all but ours."""

    def is_old(self, authserv_id: str) -> bool:
        """Whether a field with this id was written by the old chain."""
        return authserv_id in self.old if self.old else authserv_id != self.ours


@dataclass(frozen=True, slots=True)
class Beside:
    """The fields of both chains about one hand-over, and its hop."""

    ours: tuple[ResultsField, ...]
    old: tuple[ResultsField, ...]
    has_unreadable: bool
    """Whether a field there could not be read."""
    hop: Hop | None
    """None where there is no Received field."""
    received_spf: tuple[str, ...]
    """Received-SPF fields of the old chain, above the hop: who sent the message on may have written those below it."""


def find(header: Header, ids: Ids, is_trusted: Callable[[bytes], bool]) -> Beside:
    """The topmost fields of the old chain, those of ours, and the hop that the old chain's are about."""
    received = [(index, field.value) for index, field in enumerate(header) if field.key == "received"]
    numbered = enumerate(received[:MAX_HOPS], 1)
    hops = [Hop(*place, number) for number, place in numbered if not is_local_hop(place[1])]
    outside = _outside(hops, is_trusted)
    ours: list[ResultsField] = []
    old: list[tuple[ResultsField, Hop | None]] = []
    has_unreadable = False
    for place in _places(header, received, outside):
        found = read(header.fields[place].value)
        is_sure = outside is None or place < outside.index
        if found is None:
            has_unreadable = has_unreadable or is_sure
        elif not is_sure and outside is not None and not _is_by(outside, found) and found.authserv_id not in ids.old:
            # Who sent it on to us may have written this.
            continue
        elif found.authserv_id == ids.ours:
            ours.append(found)
        elif ids.is_old(found.authserv_id):
            old.append((found, _hop(place, found, hops, outside)))
    hop = old[0][1] if old else outside
    same = tuple(field for field, its_hop in old if its_hop == hop)
    return Beside(tuple(ours), same, has_unreadable, hop, _received_spf(header, hops, hop, ids))


def _places(header: Header, received: Sequence[tuple[int, bytes]], outside: Hop | None) -> list[int]:
    """Where Authentication-Results fields stand, down to the first Received field that a sender may have written."""
    ends = next((index for index, _ in received if outside is not None and index > outside.index), len(header))
    return [index for index, field in enumerate(header.fields[:ends]) if field.key == KEY][:MAX_FIELDS]


def _received_spf(header: Header, hops: Sequence[Hop], hop: Hop | None, ids: Ids) -> tuple[str, ...]:
    ends = hop.index if hop is not None else 0
    starts = max((each.index + 1 for each in hops if each.index < ends), default=0)
    fields = [field for field in header.fields[starts:ends] if field.key == received_spf.KEY][:MAX_FIELDS]
    texts = [" ".join(text_of(field.value[: received_spf.MAX_FIELD]).split()) for field in fields]
    return tuple(text for text in texts if not received_spf.is_of(text, ids.ours))


def _outside(hops: Sequence[Hop], is_trusted: Callable[[bytes], bool]) -> Hop | None:
    """The Received field about whoever handed the message to this host, or to the outermost trusted one."""
    relayed = outermost([each.value for each in hops], is_trusted)
    if relayed.client is not None:
        return hops[relayed.trusted_fields - 1]
    return hops[min(relayed.trusted_fields, len(hops) - 1)] if hops else None


def _hop(place: int, field: ResultsField, hops: Sequence[Hop], outside: Hop | None) -> Hop | None:
    """The hop of a field at `place`: that below it, or above it where the host that wrote it put it there."""
    above = next((each for each in reversed(hops) if each.index < place), None)
    below = next((each for each in hops if each.index > place), None)
    if above is None:
        return below
    if _is_by(above, field):
        return above
    if below is not None and (_is_by(below, field) or (outside is not None and below.index <= outside.index)):
        return below
    return above


def _is_by(hop: Hop, field: ResultsField) -> bool:
    """Whether the host that wrote the Received field has the name that is the id of the other field."""
    match = _BY.search(hop.value[:4_096])
    return match is not None and comparable(match[1].decode("ascii")) == field.authserv_id
