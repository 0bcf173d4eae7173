"""The records of a report, out of what was counted: alignment looked into, equal ones added up (RFC 9990 3.1.1.7)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dmarc_milter.dmarc.evaluation import Mechanism
from dmarc_milter.dmarc.record import DmarcRecord
from dmarc_milter.journal.reported import PASS, UNKNOWN, Aligned, Content
from dmarc_milter.reporting.document import Record
from dmarc_milter.reporting.planning import Pair


class Counted(NamedTuple):
    """One row of the table ``reported``."""

    digest: str
    variant: int
    content: str
    messages: int


def pairs(content: Content, record: DmarcRecord, aligned: Aligned) -> Iterator[Pair]:
    """What has to be known of a row, beyond what the evaluation found."""
    if aligned.spf == UNKNOWN and content.spf is not None:
        yield _pair(content, record, Mechanism.SPF, content.spf[0])
    others = _others(content)
    if aligned.dkim == UNKNOWN or len(others) > 1:
        for domain in others:
            yield _pair(content, record, Mechanism.DKIM, domain)


def _others(content: Content) -> list[str]:
    """Domains of signatures that pass, beside the From domain itself."""
    passing = (each.domain for each in content.signatures if each.result == "pass")
    return list(dict.fromkeys(domain for domain in passing if domain != content.header_from))


def _pair(content: Content, record: DmarcRecord, mechanism: Mechanism, domain: str) -> Pair:
    mode = record.spf_alignment if mechanism is Mechanism.SPF else record.dkim_alignment
    return Pair(content.header_from, mechanism, domain, mode)


def records(rows: Iterable[Counted], record: DmarcRecord, known: Mapping[Pair, bool]) -> Iterator[Record]:
    """The records of one policy. `rows` are in the order of their digests, so equal ones lie together."""
    digest = ""
    found: dict[tuple[bool, bool], Record] = {}
    for row in rows:
        if row.digest != digest:
            yield from found.values()
            digest, found = row.digest, {}
        told = _record(row, record, known)
        before = found.get((told.dkim, told.spf))
        found[told.dkim, told.spf] = (
            told if before is None else before._replace(messages=before.messages + told.messages)
        )
    yield from found.values()


def _record(row: Counted, record: DmarcRecord, known: Mapping[Pair, bool]) -> Record:
    content, aligned = Content.of(row.content), Aligned.of(row.variant)
    told = {domain for domain in _others(content) if known.get(_pair(content, record, Mechanism.DKIM, domain)) is True}
    dkim, spf = aligned.dkim == PASS, aligned.spf == PASS
    if aligned.dkim == UNKNOWN:
        dkim = bool(told)
    if aligned.spf == UNKNOWN and content.spf is not None:
        spf = known[_pair(content, record, Mechanism.SPF, content.spf[0])]
    return Record(content, dkim, spf, row.messages, frozenset(told))
