"""The DNS Tree Walk (RFC 9989 4.10) and what is chosen from it: the Organizational Domain (4.10.2)."""

from dataclasses import dataclass

from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import DmarcRecord, PublicSuffix, is_dmarc, parse
from dmarc_milter.dns.answer import Answer, Question, RecordType, Resolver, text_records

MAX_QUERIES = 8
"""The walk of any name asks no more often than this (4.10)."""


@dataclass(frozen=True, slots=True)
class PublishedRecord:
    """A name of the walk and the record published there."""

    domain: str
    record: DmarcRecord


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk: the names that were asked, the records found, longest name first."""

    start: str
    asked: tuple[str, ...]
    found: tuple[PublishedRecord, ...]
    failure: Reason | None = None
    """Why the DNS could not answer one of the names; then nothing can be concluded from the walk."""

    @property
    def organizational_domain(self) -> str:
        """4.10.2, steps 1 to 3; the starting name where nothing was found."""
        for each in self.found:
            if each.record.public_suffix is PublicSuffix.NO:
                return each.domain
            if each.record.public_suffix is PublicSuffix.YES and each.domain != self.start:
                return _one_label_below(each.domain, self.start)
        return self.found[-1].domain if self.found else self.start

    def record_at(self, domain: str) -> DmarcRecord | None:
        """The record found at `domain`."""
        return next((each.record for each in self.found if each.domain == domain), None)

    @property
    def public_suffix(self) -> PublishedRecord | None:
        """The record of the Public Suffix Domain above the starting name (4.10.1)."""
        return next(
            (
                each
                for each in self.found
                if each.record.public_suffix is PublicSuffix.YES and each.domain != self.start
            ),
            None,
        )


def _one_label_below(ancestor: str, name: str) -> str:
    """The name one label below `ancestor` in the hierarchy of `name`, whether the walk stopped there or jumped it."""
    label = name[: -len(ancestor) - 1].rpartition(".")[2]
    return f"{label}.{ancestor}"


def targets(domain: str) -> list[str]:
    """The names of the walk from `domain` (4.10, steps 1 to 7): eight at most."""
    labels = domain.split(".")
    if len(labels) >= MAX_QUERIES:
        return [domain, *(".".join(labels[-count:]) for count in range(MAX_QUERIES - 1, 0, -1))]
    return [".".join(labels[start:]) for start in range(len(labels))]


def query_name(domain: str) -> str:
    """Where the record of `domain` is published (4.5)."""
    return f"_dmarc.{domain}"


def questions(domain: str) -> list[Question]:
    """What the walk from `domain` may ask, in its order."""
    return [Question(query_name(name), RecordType.TXT) for name in targets(domain)]


def may_share_organizational_domain(domain: str, author_domain: str) -> bool:
    """Whether two different names may have one Organizational Domain.

    It is at or above each of them (4.10.2), so names without a common ancestor share none, whatever the DNS says.
    """
    return domain != author_domain and domain.rpartition(".")[2] == author_domain.rpartition(".")[2]


def published(answer: Answer[bytes]) -> DmarcRecord | None:
    """The one DMARC Policy Record among the TXT records of a name; several count as none (4.10, step 2)."""
    records = [text for text in answer.records if is_dmarc(text)]
    return parse(records[0]) if len(records) == 1 else None


class TreeWalks:
    """The walks of one message; names and answers that walks share are asked for once."""

    __slots__ = ("_resolver", "_walks")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._walks: dict[str, Walk] = {}

    @property
    def walked(self) -> tuple[Walk, ...]:
        """The walks so far, in their order."""
        return tuple(self._walks.values())

    async def record_at(self, domain: str) -> tuple[DmarcRecord | None, Reason | None]:
        """The record at `domain` itself, None where there is none; and the reason, where the DNS could not tell."""
        answer = await text_records(self._resolver, query_name(domain))
        return (None, _failure(domain, answer)) if answer.failed else (published(answer), None)

    async def walk(self, domain: str) -> Walk:
        """The walk that starts at `domain` (RFC 9989 4.10). Where the DNS could not tell, it has a `failure`."""
        known = self._walks.get(domain)
        if known is None:
            known = self._walks[domain] = await self._walk(domain)
        return known

    async def _walk(self, domain: str) -> Walk:
        names = targets(domain)
        self._resolver.prefetch(questions(domain))
        asked: list[str] = []
        found: list[PublishedRecord] = []
        for name in names:
            answer = await text_records(self._resolver, query_name(name))
            asked.append(name)
            if answer.failed:
                return Walk(domain, tuple(asked), tuple(found), _failure(name, answer))
            record = published(answer)
            if record is None:
                continue
            found.append(PublishedRecord(name, record))
            if record.public_suffix is not PublicSuffix.UNKNOWN:
                break
        return Walk(domain, tuple(asked), tuple(found))


def _failure(domain: str, answer: Answer[bytes]) -> Reason:
    return DmarcReason.DNS_FAILED(type="TXT", name=query_name(domain), because=answer.failure)
