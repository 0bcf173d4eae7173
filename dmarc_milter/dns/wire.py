"""Questions into packets, packets into answers: the only place that touches dnspython's messages (pure)."""

import socket
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dmarc_milter.dns.answer import Answer, Outcome, Question, RecordType
from dmarc_milter.dns.name import labels

MAX_TTL = 86_400.0
MAX_NEGATIVE_TTL = 3_600.0
MIN_TTL = 1.0
"""Seconds. A TTL of 0 still has to last for the message that asked; failures are kept this long (RFC 9520 3.2)."""

MAX_RECORDS = 256
"""More records of one type at a name than this are not looked at."""

EDNS_PAYLOAD = 1232
_MAX_CNAMES = 12
_TYPES = {type_: dns.rdatatype.RdataType.make(type_.value) for type_ in RecordType}


def no_such_name(ttl: float = MAX_NEGATIVE_TTL, detail: str = "") -> Answer[Any]:
    """NXDOMAIN as a value."""
    return Answer(Outcome.NO_SUCH_NAME, (), ttl, detail)


def failure(detail: str) -> Answer[Any]:
    """A temporary failure as a value."""
    return Answer(Outcome.TEMPORARY_FAILURE, (), MIN_TTL, detail)


def query(question: Question, message_id: int) -> dns.message.QueryMessage | None:
    """The message that asks `question`, or None where its name does not fit into a packet."""
    parts = labels(question.name)
    if parts is None:
        return None
    name = dns.name.Name([*parts, b""])
    return dns.message.make_query(name, _TYPES[question.type], use_edns=0, payload=EDNS_PAYLOAD, id=message_id)


def answer(question: Question, response: dns.message.Message) -> Answer[Any]:
    """What `response`, already known to belong to `question`, says."""
    code = response.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return failure(dns.rcode.to_text(code))
    rrset, ttl, aliases = _follow_aliases(response, question)
    if rrset is not None:
        return _records(question.type, rrset, min(ttl, rrset.ttl))
    negative = _negative_ttl(response)
    if code == dns.rcode.NXDOMAIN:
        return no_such_name(negative)
    if aliases and not response.authority:
        # An alias whose target the server did not follow: not an answer about the target.
        return failure("incomplete answer")
    return Answer(Outcome.NO_DATA, (), negative)


def _follow_aliases(response: dns.message.Message, question: Question) -> tuple[dns.rrset.RRset | None, float, int]:
    name = response.question[0].name
    ttl = MAX_TTL
    for aliases in range(_MAX_CNAMES):
        rrset = response.get_rrset(response.answer, name, dns.rdataclass.IN, _TYPES[question.type])
        if rrset is not None:
            return rrset, ttl, aliases
        alias = response.get_rrset(response.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None:
            return None, ttl, aliases
        name = alias[0].target
        ttl = min(ttl, alias.ttl)
    return None, ttl, _MAX_CNAMES


def _negative_ttl(response: dns.message.Message) -> float:
    """RFC 2308 5: the lesser of the SOA's own TTL and its MINIMUM field."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return _bounded(min(rrset.ttl, rrset[0].minimum), MAX_NEGATIVE_TTL)
    return MIN_TTL


def _bounded(ttl: float, most: float) -> float:
    return max(MIN_TTL, min(most, ttl))


def _records(type_: RecordType, rrset: dns.rrset.RRset, ttl: float) -> Answer[Any]:
    values = tuple(record_value(type_, rdata) for rdata in list(rrset)[:MAX_RECORDS])
    return Answer(Outcome.RECORDS, values, _bounded(ttl, MAX_TTL))


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
