"""One function for each parser of hostile octets. It takes any octets, and raises only where there is a bug.

Unit tests run each for a moment with hypothesis; ``python -m fuzz NAME`` runs one for hours with atheris.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from dmarc_milter.arc import chain, results
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.comparing import envelope as session
from dmarc_milter.comparing import hop, mail_log, told
from dmarc_milter.dkim import key, signature, verification
from dmarc_milter.dkim.body import BodyHashes, BodyHashKind
from dmarc_milter.dkim.signature import Canonicalization
from dmarc_milter.dmarc import record as dmarc_record
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.message import mailing_list as list_fields
from dmarc_milter.message.apparent import apparent_domains
from dmarc_milter.message.author import author
from dmarc_milter.message.authserv_id import claims
from dmarc_milter.message.encoded_word import decoded
from dmarc_milter.message.header import Field, Header, split_message
from dmarc_milter.message.lexer import ADDRESSES, PARAMETERS, text_of
from dmarc_milter.message.received import outermost
from dmarc_milter.spf import explanation, macro
from dmarc_milter.spf import record as spf_record
from dmarc_milter.spf.evaluation import check_host

NOW = 1_800_000_000


class _SameEverywhere(ZoneResolver):
    """Answers every TXT question with one record, and any other with nothing."""

    def __init__(self, record: bytes) -> None:
        super().__init__({})
        self._answer = Answer(AnswerOutcome.RECORDS, (record,))

    def look_up(self, question: Question) -> Answer[Any]:
        return self._answer if question.type is RecordType.TXT else Answer(AnswerOutcome.NO_DATA)


def dns_packet(octets: bytes) -> None:
    """A name server's answer, as upstream.py takes it."""
    for type_ in RecordType:
        question = Question("example.com", type_)
        query = wire.query(question, int.from_bytes(octets[:2], "big"))
        if query is not None and wire.is_response(query, octets) and not wire.is_truncated(octets):
            wire.answer(question, octets)


def spf(octets: bytes) -> None:
    """An SPF record, read and evaluated."""
    spf_record.parse(octets)
    zone = _SameEverywhere(octets)
    asyncio.run(check_host(zone, b"\xc0\x00\x02\x01", "example.com", "a@example.com", "h.example.com"))


def spf_macros(octets: bytes) -> None:
    """A macro-string, whose letters stand for the same octets; and a text of exp=."""
    text = octets.decode("utf-8", "surrogateescape")
    values = macro.MacroValues(f"{text}@{text}", b"\xc0\x00\x02\x01", text, text)
    for is_explanation in (False, True):
        parsed = macro.parse(text, explanation=is_explanation)
        if not isinstance(parsed, Unreadable):
            macro.too_long(parsed, values)
            assert len(macro.expand(parsed, values, 300)) <= 300
            macro.expand_domain(parsed, values)
    assert len(explanation.shown(text)) <= explanation.MAX_SHOWN


def dmarc(octets: bytes) -> None:
    """A DMARC record."""
    dmarc_record.parse(octets)


def dkim_key(octets: bytes) -> None:
    """A DKIM key record."""
    key.parse(octets)


def dkim_signature(octets: bytes) -> None:
    """The value of a DKIM-Signature field."""
    signature.parse(octets, NOW)
    verification.prepare(Header([Field("DKIM-Signature", octets)]), "example.com", NOW, 10)


def dkim_body(octets: bytes) -> None:
    """A body in pieces, as long as an MTA's at most: the first octet says how long they are."""
    size = 1 + (octets[0] if octets else 0) ** 2
    kinds = [BodyHashKind(form, length) for form in Canonicalization for length in (None, 7)]
    whole, pieces = BodyHashes(kinds), BodyHashes(kinds)
    whole.update(octets)
    for start in range(0, len(octets), size):
        pieces.update(octets[start : start + size])
    assert whole.finish() == pieces.finish()


def arc(octets: bytes) -> None:
    """A message with whatever ARC fields it has."""
    header, _ = split_message(octets)
    chain.prepare(header, NOW)


def received(octets: bytes) -> None:
    """Received fields of trusted relays, one a line."""
    outermost(octets.split(b"\n"), lambda _: True)


def old_chain(octets: bytes) -> None:
    """What another chain of filters wrote: a header with its fields, and lines of the MTA's log."""
    header = split_message(octets)[0]
    beside = hop.find(header, hop.Ids("new.example", frozenset()), lambda _: True)
    told.of_fields(beside.old)
    session.of_beside(header, beside, NOW)
    for line in octets.decode("utf-8", "surrogateescape").split("\n"):
        mail_log.read(line, NOW)


def mailing_list(octets: bytes) -> None:
    """A List-Id field."""
    list_fields.mailing_list(Header([Field("List-Id", octets)]))


def identifier(octets: bytes) -> None:
    """A domain name as a sender writes it."""
    found = to_identifier(octets.decode("utf-8", "surrogateescape"))
    assert found is None or to_identifier(found) == found


def from_field(octets: bytes) -> None:
    """The values of From fields, one a line."""
    found = author(octets.split(b"\n"))
    assert (found.domain is None) != (found.unusable is None)
    assert found.domain is None or to_identifier(found.domain) == found.domain


def apparent_authors(octets: bytes) -> None:
    """The value of a From field that cannot be read."""
    found = apparent_domains(octets)
    assert found is None or all(to_identifier(each) == each for each in found)


def encoded_words(octets: bytes) -> None:
    """Text with encoded-words."""
    decoded(text_of(octets))


def words(octets: bytes) -> None:
    """The words of a structured field: only the last may be one that breaks off."""
    for lexer in (ADDRESSES, PARAMETERS):
        tokens = list(lexer.tokens(text_of(octets)))
        assert not any(token.is_broken for token in tokens[:-1])


def sealed_results(octets: bytes) -> None:
    """An ARC-Authentication-Results field without its instance."""
    results.parse("d.example", octets)


def foreign_results(octets: bytes) -> None:
    """An Authentication-Results field of somebody else."""
    claims(octets, frozenset({"mx.example.org"}))


def message(octets: bytes) -> None:
    """A whole message as it lies in a file."""
    header, _ = split_message(octets)
    author([each.value for each in header.all("from")])


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        dns_packet,
        identifier,
        spf,
        spf_macros,
        dmarc,
        dkim_key,
        dkim_signature,
        dkim_body,
        arc,
        sealed_results,
        from_field,
        apparent_authors,
        encoded_words,
        words,
        foreign_results,
        received,
        old_chain,
        mailing_list,
        message,
    )
}
