"""Answers out of master files (RFC 1035 5): for the demo, the tests and questions replayed without a network."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, AnswerOutcome, OnAnswer, Question, RecordType
from dmarc_milter.dns.name import labels
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.source import Asker, Need

_MAX_CNAMES = 12
_ZONE_TTL = 300.0

Records = Mapping[str, Mapping[int, Sequence[Any]]]
"""Name (lower case, no dot at the end) to number of the type to dnspython's records."""


class ZoneError(Exception):
    """A zone file that cannot be read; the text names the line."""


class ZoneResolver:
    """Answers as an authoritative server for everything in `records` would, CNAMEs and wildcards included.

    `failing` are names whose look-up is a temporary failure.
    """

    def __init__(self, records: Records, failing: frozenset[str] = frozenset()) -> None:
        self._records = records
        self._failing = failing
        self._existing = {ancestor for name in records for ancestor in _with_ancestors(name)}

    @classmethod
    def from_text(cls, text: str, failing: frozenset[str] = frozenset()) -> "ZoneResolver":
        """From a master file whose names may lie anywhere. Raises ZoneError."""
        records: dict[str, dict[int, list[Any]]] = {}
        try:
            zone = dns.zone.from_text(text, origin=".", relativize=False, check_origin=False, filename="zone file")
        except (dns.exception.DNSException, ValueError) as error:
            raise ZoneError(str(error)) from None
        for name, _, rdata in zone.iterate_rdatas():
            types = records.setdefault(name_text(name), {})
            types.setdefault(int(rdata.rdtype), []).append(rdata)
        return cls(records, failing)

    def peek(self, question: Question) -> Answer[Any] | None:
        """The answer: it is always known."""
        return self.look_up(question)

    async def resolve(self, question: Question) -> Answer[Any]:
        """The answer, at once."""
        return self.look_up(question)

    def ask(self, need: Need, on_answer: OnAnswer) -> Answer[Any] | None:
        """The answer at once: nothing here takes time."""
        return self.look_up(need.question)

    def leave(self, asker: Asker) -> None:
        """Nobody ever waits."""

    def prefetch(self, questions: Sequence[Question], then: OnAnswer | None = None) -> None:
        """Nothing to do: every answer is at hand."""

    def look_up(self, question: Question) -> Answer[Any]:
        """The answer to `question`."""
        if labels(question.name) is None:
            return wire.no_such_name(reason=DnsReason.INVALID_NAME())
        outcome, rdatas = self._find(question)
        if outcome is AnswerOutcome.TEMPORARY_FAILURE:
            return wire.failure(DnsReason.SERVFAIL())
        values = tuple(record_value(question.type, rdata) for rdata in rdatas[: wire.MAX_RECORDS])
        return Answer(outcome, values, _ZONE_TTL)

    def rdatas(self, question: Question) -> Sequence[Any]:
        """The records that answer `question`, as dnspython's."""
        return self._find(question)[1]

    def _find(self, question: Question) -> tuple[AnswerOutcome, Sequence[Any]]:
        name = question.name
        for _ in range(_MAX_CNAMES):
            if name in self._failing:
                return AnswerOutcome.TEMPORARY_FAILURE, ()
            types = self._at(name)
            if types is None:
                return AnswerOutcome.NO_SUCH_NAME, ()
            found = types.get(question.type.value)
            if found:
                return AnswerOutcome.RECORDS, found
            alias = types.get(int(dns.rdatatype.CNAME))
            if not alias:
                return AnswerOutcome.NO_DATA, ()
            name = name_text(alias[0].target)
        return AnswerOutcome.TEMPORARY_FAILURE, ()

    def _at(self, name: str) -> Mapping[int, Sequence[Any]] | None:
        """The records at `name` by type, empty for an empty non-terminal, None where the name does not exist."""
        if name in self._records:
            return self._records[name]
        if name in self._existing:
            return {}
        while "." in name:
            # RFC 4592: the closest encloser decides, and only its own wildcard counts.
            name = name.partition(".")[2]
            if "*." + name in self._records:
                return self._records["*." + name]
            if name in self._existing:
                return None
        return None


def _with_ancestors(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def records_of(entries: Mapping[str, Sequence[tuple[RecordType, str]]]) -> Records:
    """Records from (type, presentation text) pairs, for tests written as tables."""
    records: dict[str, dict[int, list[Any]]] = {}
    for name, pairs in entries.items():
        types = records.setdefault(name.lower().rstrip("."), {})
        for type_, text in pairs:
            rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(type_.value), text)
            types.setdefault(type_.value, []).append(rdata)
    return records


def record_value(type_: RecordType, rdata: Any) -> bytes | str:
    """One record as :class:`Answer` describes it."""
    if type_ is RecordType.TXT:
        return b"".join(rdata.strings)
    if type_ is RecordType.MX:
        return name_text(rdata.exchange)
    if type_ is RecordType.PTR:
        return name_text(rdata.target)
    return packed_address(rdata.address)


def packed_address(text: str) -> bytes:
    """An address of dnspython, 4 or 16 octets."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def name_text(name: dns.name.Name) -> str:
    """A name of dnspython as this program holds names. Octets that are no UTF-8 stay what they are (surrogates)."""
    return b".".join(name.labels[:-1]).decode("utf-8", "surrogateescape").lower()
