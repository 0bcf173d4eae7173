"""Our packets against dnspython's: what we ask it can read, what it writes we read as it does."""

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.common.reason import Reason, Unreadable
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.zone import record_value

QUESTION = Question("example.com", RecordType.TXT)
DATA = {
    RecordType.A: ["192.0.2.1", "192.0.2.2"],
    RecordType.AAAA: ["2001:db8::1", "::"],
    RecordType.MX: ["10 mail.example.com.", "20 MX.Other.example."],
    RecordType.PTR: ["host.example.com.", "a.b.c.d.example."],
    RecordType.TXT: ['"v=spf1 -all"', '"two" "strings"', '""', '"\\255\\000"', '"' + "x" * 255 + '" "y"'],
}


def response(question: Question, *, code: int = 0, message_id: int = 7) -> dns.message.Message:
    query = dns.message.from_wire(wire.query(question, message_id) or b"")
    made = dns.message.make_response(query)
    made.set_rcode(dns.rcode.Rcode.make(code))
    return made


def read(question: Question, packet: bytes) -> Answer[Any]:
    answer = wire.answer(question, packet)
    assert isinstance(answer, Answer)
    return answer


def rrset(name: str, ttl: int, type_: str, *data: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(f"{name}.", ttl, "IN", type_, *data)


_LABEL = st.text("abcXYZ019-_", min_size=1, max_size=12)
_NAME = st.lists(_LABEL, min_size=1, max_size=6).map(".".join)


@given(_NAME, st.sampled_from(RecordType), st.integers(0, 65535))
def test_what_we_ask(name: str, type_: RecordType, message_id: int) -> None:
    packet = wire.query(Question(name.lower(), type_), message_id)
    assert packet is not None
    theirs = dns.message.make_query(name.lower(), type_.name, use_edns=0, payload=wire.EDNS_PAYLOAD, id=message_id)
    assert packet == theirs.to_wire()


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", ".".join(["abcdefgh"] * 40)])
def test_names_that_cannot_be_asked_for(name: str) -> None:
    assert wire.query(Question(name, RecordType.A), 1) is None


@given(st.data(), _NAME, st.sampled_from(RecordType), st.integers(0, 2**31 - 1))
def test_what_is_answered(data: st.DataObject, name: str, type_: RecordType, ttl: int) -> None:
    texts = data.draw(st.lists(st.sampled_from(DATA[type_]), min_size=1, max_size=4, unique=True))
    question = Question(name.lower(), type_)
    made = response(question)
    owner = name
    for alias in data.draw(st.lists(_NAME, max_size=3, unique_by=str.lower)):
        made.answer.append(rrset(owner, ttl, "CNAME", f"{alias}."))
        owner = alias
    made.answer.append(rrset(owner, ttl, type_.name, *texts))
    packet = made.to_wire(max_size=65_535)
    asked = wire.query(question, 7) or b""
    assert wire.is_response(asked, packet)
    assert not wire.is_truncated(packet)
    found = read(question, packet)
    expected = {record_value(type_, each) for each in made.answer[-1]}
    looped = len({each.name for each in made.answer}) < len(made.answer)
    if not looped:
        assert (found.outcome, set(found.records)) == (AnswerOutcome.RECORDS, expected)
        assert found.ttl == max(wire.MIN_TTL, min(wire.MAX_TTL, ttl))


def test_no_data_and_no_such_name() -> None:
    for code, outcome in ((0, AnswerOutcome.NO_DATA), (3, AnswerOutcome.NO_SUCH_NAME)):
        made = response(QUESTION, code=code)
        made.authority.append(rrset("example.com", 600, "SOA", "a. b. 1 2 3 4 120"))
        found = read(QUESTION, made.to_wire())
        assert (found.outcome, found.ttl) == (outcome, 120)


def test_an_alias_that_nobody_followed_is_no_answer() -> None:
    made = response(QUESTION)
    made.answer.append(rrset("example.com", 60, "CNAME", "other.example."))
    assert read(QUESTION, made.to_wire()).failed


def test_an_alias_to_itself_ends() -> None:
    made = response(QUESTION)
    made.answer.append(rrset("example.com", 60, "CNAME", "example.com."))
    assert read(QUESTION, made.to_wire()).failed


@pytest.mark.parametrize("code", [1, 2, 4, 5, 9, 16])
def test_errors(code: int) -> None:
    made = response(QUESTION, code=code)
    assert read(QUESTION, made.to_wire()).failed


def test_the_same_record_twice_is_one() -> None:
    made = response(QUESTION)
    packet = bytearray(made.to_wire())
    record = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x02\x01x"
    at = len(packet) - 11
    packet[at:at] = record * 2
    packet[7] = 2
    assert read(QUESTION, bytes(packet)).records == (b"x",)


def test_one_exchange_of_two_preferences_is_two() -> None:
    question = Question("example.com", RecordType.MX)
    made = response(question)
    made.answer.append(rrset("example.com", 60, "MX", "10 a.example.", "20 a.example.", "20 b.example."))
    assert sorted(read(question, made.to_wire()).records) == ["a.example", "a.example", "b.example"]


NOT_RESPONSES = {
    "another id": lambda packet: b"\0\0" + packet[2:],
    "a query": lambda packet: packet[:2] + bytes([packet[2] & 0x7F]) + packet[3:],
    "another opcode": lambda packet: packet[:2] + bytes([packet[2] | 0x28]) + packet[3:],
    "another question": lambda packet: packet[:13] + b"f" + packet[14:],
    "another type": lambda packet: packet[:26] + b"\x01" + packet[27:],
    "no question": lambda packet: packet[:5] + b"\0" + packet[6:],
    "short": lambda packet: packet[:11],
    "empty": lambda packet: b"",
}


@pytest.mark.parametrize("spoil", NOT_RESPONSES.values(), ids=NOT_RESPONSES.keys())
def test_what_is_no_response(spoil: object) -> None:
    asked = wire.query(QUESTION, 7) or b""
    packet = response(QUESTION).to_wire()
    assert wire.is_response(asked, packet)
    assert not wire.is_response(asked, spoil(packet))  # type: ignore[operator]


def test_the_case_of_the_question_does_not_matter() -> None:
    asked = wire.query(QUESTION, 7) or b""
    assert wire.is_response(asked, response(QUESTION).to_wire().replace(b"example", b"eXaMpLe"))


def answered(*records: bytes, name: bytes = b"\xc0\x0c", type_: int = 16) -> bytes:
    packet = bytearray(response(QUESTION).to_wire())
    packet[7] = len(records)
    at = len(packet) - 11
    for data in records:
        packet[at:at] = name + bytes([0, type_, 0, 1, 0, 0, 0, 60]) + len(data).to_bytes(2, "big") + data
    return bytes(packet)


MALFORMED = {
    "pointer to itself": (answered(b"\x01x", name=b"\xc0\x1d"), QUESTION, DnsReason.NAME_LOOPS()),
    "pointer forward": (answered(b"\x01x", name=b"\xff\xff"), QUESTION, DnsReason.NAME_LOOPS()),
    "pointer cut in half": (answered(b"\x01x")[:30], QUESTION, DnsReason.NAME_BEYOND_MESSAGE()),
    "label of unknown kind": (answered(b"\x01x", name=b"\x80x"), QUESTION, DnsReason.LABEL_KIND()),
    "name that is too long": (
        answered(b"\x01x", name=(b"\x3f" + b"x" * 63) * 4 + b"\0"),
        QUESTION,
        DnsReason.NAME_TOO_LONG(),
    ),
    "string beyond its record": (answered(b"\x09x"), QUESTION, DnsReason.STRING_BEYOND_RECORD()),
    "no string": (answered(b""), QUESTION, DnsReason.EMPTY_TXT()),
    "short address": (
        answered(b"\x01\x02\x03", type_=1),
        Question("example.com", RecordType.A),
        DnsReason.ADDRESS_LENGTH(),
    ),
    "long address": (
        answered(b"\x01\x02\x03\x04\x05", type_=1),
        Question("example.com", RecordType.A),
        DnsReason.ADDRESS_LENGTH(),
    ),
    "name that does not fill its record": (
        answered(b"\xc0\x0cx", type_=12),
        Question("example.com", RecordType.PTR),
        DnsReason.NAME_IN_RECORD(),
    ),
    "cut short": (answered(b"\x01x")[:-12], QUESTION, DnsReason.CUT_SHORT()),
    "more records than there are": (
        answered(b"\x01x").replace(b"\0\x01\0\x01\0\0\0\x01", b"\0\x01\xff\xff\0\0\0\x01", 1),
        QUESTION,
        DnsReason.NAME_BEYOND_MESSAGE(),
    ),
}


@pytest.mark.parametrize(("packet", "question", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(packet: bytes, question: Question, reason: Reason) -> None:
    assert wire.answer(question, packet) == Unreadable(reason)


def test_pointers_do_not_make_a_packet_expensive() -> None:
    import time

    chain = b"".join(b"\x01a" + (0xC000 | 29 + 4 * max(0, n - 1)).to_bytes(2, "big") for n in range(15_000))
    packet = answered(*[b"\x01x"] * 200) + chain
    started = time.process_time()
    wire.answer(QUESTION, packet)
    assert time.process_time() - started < 1


LARGE = {
    "4,000 addresses": ([each.to_bytes(4, "big") for each in range(4_000)], RecordType.A, wire.MAX_RECORDS),
    "250 strings": ([(b"\xff" + b"a" * 255) * 250], RecordType.TXT, 1),
    "65,000 empty strings": ([bytes(65_000)], RecordType.TXT, None),
    "32,000 strings": ([b"\1a" * 32_000], RecordType.TXT, None),
    "250 names of 120 labels": ([b"\0\1" + b"\1a" * 120 + b"\0"] * 250, RecordType.MX, None),
}


@pytest.mark.parametrize(("records", "type_", "count"), LARGE.values(), ids=LARGE.keys())
def test_no_more_of_an_answer_is_read_than_a_bound(records: list[bytes], type_: RecordType, count: int | None) -> None:
    question = Question("example.com", type_)
    packet = bytearray(response(question).to_wire())
    packet[6:8] = len(records).to_bytes(2, "big")
    head = b"\xc0\x0c" + type_.value.to_bytes(2, "big") + b"\0\1\0\0\0\x3c"
    packet[-11:-11] = b"".join(head + len(data).to_bytes(2, "big") + data for data in records)
    if count is None:
        assert wire.answer(question, bytes(packet)) == Unreadable(DnsReason.TOO_MANY_PIECES(limit=4_096))
    else:
        assert len(read(question, bytes(packet)).records) == count


def test_names_that_share_their_end_are_counted() -> None:
    """Two octets a record, and another 126 labels each time."""
    data = b"\1a" * 126 + b"\0"
    packet = bytearray(answered(data))
    packet[6:8] = (4_001).to_bytes(2, "big")
    start = len(response(QUESTION).to_wire()) - 11 + 12
    owners = [(0xC000 | start + 2 * (each % 126)).to_bytes(2, "big") for each in range(4_000)]
    packet[-11:-11] = b"".join(owner + b"\0\x10\0\1\0\0\0\x3c\0\2\1x" for owner in owners)
    assert wire.answer(QUESTION, bytes(packet)) == Unreadable(DnsReason.TOO_MANY_PIECES(limit=4_096))
