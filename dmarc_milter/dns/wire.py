"""Questions into packets, packets into answers (RFC 1035 4, RFC 6891), of the types that judging mail needs (pure).

By hand, because questions are what a message of a new sender costs most: dnspython's general messages take ten times as
long (benchmarks.dns). Tests compare the two on generated packets.
"""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from dmarc_milter.common.reason import Reason, Unreadable, UnreadableError
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.dns.name import labels
from dmarc_milter.dns.reasons import DnsReason

MAX_TTL = 86_400.0
MAX_NEGATIVE_TTL = 3_600.0
MIN_TTL = 1.0
"""Seconds. A TTL of 0 still has to last for the message that asked; failures are kept this long (RFC 9520 3.2)."""

MAX_RECORDS = 256
"""Records of one section that are looked at, the first ones; no mail domain has so many."""

MAX_PIECES = 4_096
"""Labels and strings that are read of one packet. 65,535 octets may hold a hundred times as many."""

EDNS_PAYLOAD = 1232
_MAX_CNAMES = 12
_MAX_POINTERS = 20
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_OPT = b"\0" + _RECORD.pack(41, EDNS_PAYLOAD, 0, 0)
_CNAME, _SOA, _OPT_TYPE, _IN = 5, 6, 41, 1
_RECURSION_DESIRED, _RESPONSE, _TRUNCATED = 0x0100, 0x8000, 0x0200
_NOERROR, _FORMERR, _SERVFAIL, _NXDOMAIN, _NOTIMP, _REFUSED = range(6)
_ERRORS = {
    _FORMERR: DnsReason.FORMERR(),
    _SERVFAIL: DnsReason.SERVFAIL(),
    _NOTIMP: DnsReason.NOTIMP(),
    _REFUSED: DnsReason.REFUSED(),
}

Name = tuple[bytes, ...]
"""Labels in lower case."""


def no_such_name(ttl: float = MAX_NEGATIVE_TTL, reason: Reason | None = None) -> Answer[Any]:
    """NXDOMAIN as a value; `ttl` is in seconds."""
    return Answer(AnswerOutcome.NO_SUCH_NAME, (), ttl, reason)


def failure(reason: Reason) -> Answer[Any]:
    """A temporary failure as a value, to be kept for MIN_TTL seconds."""
    return Answer(AnswerOutcome.TEMPORARY_FAILURE, (), MIN_TTL, reason)


def no_room(reason: Reason) -> Answer[Any]:
    """A temporary failure of this host: not to be kept, for it says nothing of the name."""
    return Answer(AnswerOutcome.TEMPORARY_FAILURE, (), 0.0, reason)


def query(question: Question, message_id: int) -> bytes | None:
    """The packet that asks `question`, or None where its name does not fit into one."""
    parts = labels(question.name)
    if parts is None:
        return None
    name = b"".join([bytes((len(part),)) + part for part in parts])
    header = _HEADER.pack(message_id, _RECURSION_DESIRED, 1, 0, 0, 1)
    return header + name + b"\0" + struct.pack("!HH", question.type.value, _IN) + _OPT


def is_response(asked: bytes, packet: bytes) -> bool:
    """Whether `packet` answers the query `asked`: its id, and its question letter by letter (RFC 5452 9.1)."""
    if len(packet) < _HEADER.size or packet[:2] != asked[:2]:
        return False
    _, flags, questions, *_ = _HEADER.unpack_from(packet)
    if not flags & _RESPONSE or flags >> 11 & 15:
        return False
    if questions == 0:
        return flags & 15 in _ERRORS
    own = asked[_HEADER.size : -len(_OPT)]
    return questions == 1 and packet[_HEADER.size : _HEADER.size + len(own)].lower() == own.lower()


def is_truncated(packet: bytes) -> bool:
    """Whether the answer did not fit, and has to be asked for over TCP."""
    return bool(packet[2] & _TRUNCATED >> 8)


class _ResourceRecord(NamedTuple):
    owner: Name
    type: int
    ttl: int
    start: int
    """Where its data begins in the packet."""
    end: int


def answer(question: Question, packet: bytes) -> Answer[Any] | Unreadable:
    """What `packet`, already known to answer `question`, says; CNAMEs within it are followed.

    Unreadable where it is malformed. An error that the server names (SERVFAIL, REFUSED ...) is a temporary failure.
    """
    try:
        return _answer(question, packet)
    except UnreadableError as error:
        return error.unreadable


def _answer(question: Question, packet: bytes) -> Answer[Any]:
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
    reader = _Reader(packet, _HEADER.size)
    for _ in range(questions):
        reader.name()
        reader.skip(4)
    section = reader.records(answers)
    authority: list[_ResourceRecord] = []
    code = flags & 15
    if answers <= MAX_RECORDS:
        authority = reader.records(authorities)
        if authorities <= MAX_RECORDS:
            code |= _extended_code(reader.records(additional))
    if code not in (_NOERROR, _NXDOMAIN):
        return failure(_ERRORS.get(code) or DnsReason.OTHER_RCODE(number=code))
    found, ttl, aliases = _follow_aliases(reader, section, question)
    if found:
        ttl = min(ttl, *(each.ttl for each in found))
        return Answer(AnswerOutcome.RECORDS, _values(reader, question.type, found), _bounded(ttl, MAX_TTL))
    negative = _negative_ttl(reader, authority)
    if code == _NXDOMAIN:
        return no_such_name(negative)
    if aliases and not authority:
        # An alias whose target the server did not follow: not an answer about the target.
        return failure(DnsReason.INCOMPLETE_ANSWER())
    return Answer(AnswerOutcome.NO_DATA, (), negative)


def _extended_code(additional: Iterable[_ResourceRecord]) -> int:
    """The upper bits of the code, from the OPT record (RFC 6891 6.1.3)."""
    return sum((each.ttl >> 24 << 4) for each in additional if each.type == _OPT_TYPE)


def _follow_aliases(
    reader: "_Reader", section: list[_ResourceRecord], question: Question
) -> tuple[list[_ResourceRecord], float, int]:
    name = tuple(part.lower() for part in labels(question.name) or ())
    ttl = MAX_TTL
    for aliases in range(_MAX_CNAMES):
        found = [each for each in section if each.owner == name and each.type == question.type.value]
        if found:
            return found, ttl, aliases
        alias = next((each for each in section if each.owner == name and each.type == _CNAME), None)
        if alias is None:
            return [], ttl, aliases
        name = reader.name_at(alias.start)[0]
        ttl = min(ttl, alias.ttl)
    return [], ttl, _MAX_CNAMES


def _negative_ttl(reader: "_Reader", authority: list[_ResourceRecord]) -> float:
    """RFC 2308 5: the lesser of the SOA's own TTL and its MINIMUM field."""
    for each in authority:
        if each.type == _SOA and each.end - each.start >= 22:
            minimum = int.from_bytes(reader.packet[each.end - 4 : each.end], "big")
            return _bounded(min(each.ttl, minimum), MAX_NEGATIVE_TTL)
    return MIN_TTL


def _bounded(ttl: float, limit: float) -> float:
    return max(MIN_TTL, min(limit, ttl))


def _values(reader: "_Reader", type_: RecordType, found: list[_ResourceRecord]) -> tuple[bytes | str, ...]:
    """Each record once (RFC 2181 5); two mail exchanges of one name but different preference are two."""
    if len(found) == 1:
        return (_value(reader, type_, found[0]),)
    values = {}
    for each in found:
        value = _value(reader, type_, each)
        preference = reader.packet[each.start : each.start + 2] if type_ is RecordType.MX else b""
        values[value, preference] = value
    return tuple(values.values())


_LENGTHS = {RecordType.A: 4, RecordType.AAAA: 16}


def _value(reader: "_Reader", type_: RecordType, record: _ResourceRecord) -> bytes | str:
    """The data of one record as :class:`Answer` describes it."""
    data = reader.packet[record.start : record.end]
    if type_ is RecordType.TXT:
        return reader.strings(data)
    if type_ in _LENGTHS:
        if len(data) != _LENGTHS[type_]:
            raise UnreadableError(DnsReason.ADDRESS_LENGTH())
        return data
    start = record.start + (2 if type_ is RecordType.MX else 0)
    name, end = reader.name_at(start)
    if end != record.end:
        raise UnreadableError(DnsReason.NAME_IN_RECORD())
    return text(name)


def text(name: Name) -> str:
    """A name as this program holds names. Octets that are no UTF-8 stay what they are (surrogates)."""
    return b".".join(name).decode("utf-8", "surrogateescape").lower()


class _Reader:
    """A position in a packet, the names found in it, and how much more of it may be read."""

    __slots__ = ("_known", "_pieces", "packet", "position")

    def __init__(self, packet: bytes, position: int) -> None:
        self.packet = packet
        self.position = position
        self._known: dict[int, tuple[Name, int]] = {}
        self._pieces = MAX_PIECES

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self.packet):
            raise UnreadableError(DnsReason.CUT_SHORT())

    def name(self) -> Name:
        name, self.position = self.name_at(self.position)
        return name

    def records(self, count: int) -> list[_ResourceRecord]:
        """The next section, of `count` records, of which the first MAX_RECORDS are read."""
        return [self.record() for _ in range(min(count, MAX_RECORDS))]

    def record(self) -> _ResourceRecord:
        """The next record of any section."""
        owner = self.name()
        start = self.position + _RECORD.size
        if start > len(self.packet):
            raise UnreadableError(DnsReason.CUT_SHORT())
        type_, class_, ttl, length = _RECORD.unpack_from(self.packet, self.position)
        self.position = start
        self.skip(length)
        if class_ != _IN and type_ != _OPT_TYPE:
            type_ = 0
        # RFC 2181 8: a TTL with its first bit set counts as zero. OPT keeps other things there.
        return _ResourceRecord(owner, type_, ttl if ttl < 1 << 31 or type_ == _OPT_TYPE else 0, start, start + length)

    def strings(self, data: bytes) -> bytes:
        """The strings of a TXT record, joined (RFC 1035 3.3.14)."""
        if not data:
            raise UnreadableError(DnsReason.EMPTY_TXT())
        parts, position = [], 0
        while position < len(data):
            end = position + 1 + data[position]
            if end > len(data):
                raise UnreadableError(DnsReason.STRING_BEYOND_RECORD())
            parts.append(data[position + 1 : end])
            position = end
            self._count_piece()
        return b"".join(parts)

    def _count_piece(self) -> None:
        self._pieces -= 1
        if self._pieces < 0:
            raise UnreadableError(DnsReason.TOO_MANY_PIECES(limit=MAX_PIECES))

    def name_at(self, start: int) -> tuple[Name, int]:
        """The name at `start` in lower case, and where what follows it begins."""
        known = self._known.get(start)
        if known is None:
            known = self._known[start] = self._read_name(start)
        return known

    def _read_name(self, start: int) -> tuple[Name, int]:
        packet, position, end = self.packet, start, 0
        parts: list[bytes] = []
        octets = pointers = 0
        while True:
            if position >= len(packet):
                raise UnreadableError(DnsReason.NAME_BEYOND_MESSAGE())
            length = packet[position]
            if length >= 0xC0:
                if position + 1 >= len(packet):
                    raise UnreadableError(DnsReason.NAME_BEYOND_MESSAGE())
                end = end or position + 2
                target = (length & 0x3F) << 8 | packet[position + 1]
                pointers += 1
                if target >= position or pointers > _MAX_POINTERS:
                    raise UnreadableError(DnsReason.NAME_LOOPS())
                position = target
                continue
            if length > 63:
                raise UnreadableError(DnsReason.LABEL_KIND())
            position += 1
            self._count_piece()
            if length == 0:
                return tuple(parts), end or position
            octets += length + 1
            if octets > 254 or position + length > len(packet):
                raise UnreadableError(DnsReason.NAME_TOO_LONG())
            parts.append(packet[position : position + length].lower())
            position += length
