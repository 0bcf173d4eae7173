"""One message: its fields read, judged again where it needs to be, and compared."""

import time
from dataclasses import dataclass, replace
from typing import NamedTuple

from dmarc_milter.api import Dns, evaluate
from dmarc_milter.common.network import Network, contains
from dmarc_milter.comparing import envelope, hop, received_spf, told
from dmarc_milter.comparing.facts import Compared, Facts, Missing, Uncomparable
from dmarc_milter.comparing.hop import Beside, Ids
from dmarc_milter.comparing.message import compare
from dmarc_milter.comparing.told import Told
from dmarc_milter.explaining.messages import MessageSource
from dmarc_milter.judging.verdict import Envelope, Verdict
from dmarc_milter.message.header import Header, split_message
from dmarc_milter.settings.config import Settings


@dataclass(frozen=True, slots=True)
class With:
    """What all messages are compared with."""

    ids: Ids
    trusted: tuple[Network, ...]
    """Hosts whose fields are believed beside our own."""
    settings: Settings
    dns: Dns


class Outcome(NamedTuple):
    """What came of one message."""

    name: str
    found: list[Compared | Uncomparable]
    old_ids: frozenset[str] = frozenset()
    is_live: bool = False
    is_refusal: bool = False


def outcome(source: MessageSource, by: With) -> Outcome:
    """Compare one message."""
    header, body = split_message(source.octets)
    if not header.is_complete:
        return Outcome(source.name, [Uncomparable(None, Missing.NO_MESSAGE)])
    beside = hop.find(header, by.ids, lambda address: contains(by.trusted, address))
    old = _old(beside)
    if not beside.old and not old.spf:
        missing = Missing.UNREADABLE_FIELD if beside.has_unreadable else Missing.NO_OLD_FIELD
        return Outcome(source.name, [Uncomparable(None, missing)])
    ids = frozenset(each.authserv_id for each in beside.old) or frozenset(("Received-SPF",))
    if beside.ours:
        return Outcome(source.name, _live(header, body, beside, by, old), ids, is_live=True)
    return Outcome(source.name, _again(header, body, beside, by, old), ids)


def _old(beside: Beside) -> Told:
    """What the old chain said: SPF's result is in a field of its own, where policyd-spf writes that."""
    said = told.of_fields(beside.old)
    if said.spf:
        return said
    found = next((spf for text in beside.received_spf if (spf := received_spf.result(text)) is not None), None)
    return (
        said if found is None else replace(said, spf=(found,), text=" ".join((said.text, *beside.received_spf)).lower())
    )


def _live(header: Header, body: bytes, beside: Beside, by: With, old: Told) -> list[Compared | Uncomparable]:
    """Both fields are there. Only where they differ, or might in policy, the message is judged again for the cause."""
    new = told.of_our_fields(beside.ours)
    found = compare(old, new, Facts(is_live=True))
    is_failing = new.dmarc is not None and new.dmarc.result == "fail"
    if not is_failing and not any(isinstance(each, Compared) and each.differs for each in found):
        return found
    # What the old chain says of the session is not what ours judged.
    known = envelope.of_beside(header, replace(beside, old=beside.ours, received_spf=()), time.time())
    verdict = _verdict(header, body, beside, known.envelope, known.at.seconds, by)
    return compare(old, new, Facts(is_live=True, verdict=verdict))


def _again(header: Header, body: bytes, beside: Beside, by: With, old: Told) -> list[Compared | Uncomparable]:
    """Judged now, as of then."""
    known = envelope.of_beside(header, beside, time.time())
    verdict = _verdict(header, body, beside, known.envelope, known.at.seconds, by)
    new = told.of_verdict(verdict) if verdict is not None else Told()
    facts = Facts(
        is_live=False,
        verdict=verdict,
        has_client=known.has_client,
        has_mail_from=known.has_mail_from,
        has_time=not known.at.is_now,
    )
    return compare(old, new, facts)


def _verdict(header: Header, body: bytes, beside: Beside, session: Envelope, at: float, by: With) -> Verdict | None:
    """Ours, of the message as the filter would have had it: without what stands above the hop, and without the hop."""
    first = beside.hop.index + 1 if beside.hop is not None else 0
    lines = [b"%s:%s\r\n" % (field.name.encode("ascii"), field.value) for field in header.fields[first:]]
    return evaluate(b"".join([*lines, b"\r\n", body]), session, by.dns, by.settings, at=at).verdict
