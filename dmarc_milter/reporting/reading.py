"""Aggregate reports read, ours and anybody's: RFC 9990, and RFC 7489 before it (pure).

Everything in them is hostile: no DTD, no entities, bounded octets before and after they are unpacked, bounded depth.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from typing import Any, NamedTuple, cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

MAX_OCTETS, MAX_UNPACKED = 20 << 20, 40 << 20
MAX_DEPTH = 16
MAX_RECORDS = 200_000
MAX_ELEMENTS = 5_000
"""Of one record."""
MAX_TEXT = 300
"""Characters of a value."""
MAX_VALUES = 100
"""Signatures, or reasons, of one record."""


class Fault(StrEnum):
    """Why a file cannot be read as a report."""

    TOO_LARGE = "too-large"
    NO_REPORT = "no-report"
    NO_XML = "no-xml"
    FORBIDDEN = "forbidden"
    TOO_DEEP = "too-deep"


class Result(NamedTuple):
    """What SPF or a signature gave."""

    domain: str
    selector: str
    """Of a signature; empty for SPF."""
    result: str


@dataclass(frozen=True, slots=True)
class ReceivedRecord:
    """One record; what is missing is empty."""

    source_ip: str
    count: int
    disposition: str
    dkim: str
    spf: str
    reasons: tuple[tuple[str, str], ...]
    """Type and comment."""
    header_from: str
    envelope_from: str
    signatures: tuple[Result, ...]
    spf_results: tuple[Result, ...]


@dataclass(slots=True)
class ReceivedReport:
    """A whole report; what is missing is empty."""

    metadata: dict[str, str] = field(default_factory=dict)
    """org_name, email, report_id, begin, end, error, generator, ..."""
    policy: dict[str, str] = field(default_factory=dict)
    """domain, p, sp, np, adkim, aspf, ..."""
    records: list[ReceivedRecord] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """How many messages it tells of."""
        return sum(each.count for each in self.records)


def read(octets: bytes) -> ReceivedReport | Fault:
    """A report as a file: XML, gzip, zip, or a mail that it is attached to."""
    if len(octets) > MAX_OCTETS:
        return Fault.TOO_LARGE
    document = _unpacked(octets, may_be_mail=True)
    return document if isinstance(document, Fault) else _parsed(document)


def _unpacked(octets: bytes, *, may_be_mail: bool) -> bytes | Fault:
    if octets.startswith(b"\x1f\x8b"):
        return _gunzipped(octets)
    if octets.startswith(b"PK\x03\x04"):
        return _unzipped(octets)
    if octets.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return octets
    return _attached(octets) if may_be_mail else Fault.NO_REPORT


def _gunzipped(octets: bytes) -> bytes | Fault:
    unpacking = zlib.decompressobj(31)
    try:
        found = unpacking.decompress(octets, MAX_UNPACKED)
    except zlib.error:
        return Fault.NO_REPORT
    if unpacking.unconsumed_tail:
        return Fault.TOO_LARGE
    return found if unpacking.eof else Fault.NO_REPORT


def _unzipped(octets: bytes) -> bytes | Fault:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            names = [each for each in archive.infolist()[:100] if each.filename.lower().endswith(".xml")]
            if not names:
                return Fault.NO_REPORT
            with archive.open(names[0]) as file:
                found = file.read(MAX_UNPACKED + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        return Fault.NO_REPORT
    return Fault.TOO_LARGE if len(found) > MAX_UNPACKED else found


def _attached(octets: bytes) -> bytes | Fault:
    message = cast(EmailMessage, message_from_bytes(octets, policy=policy.compat32))
    for number, part in enumerate(message.walk()):
        if number > MAX_VALUES:
            break
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and content[:2] in (b"\x1f\x8b", b"PK", b"<?", b"<f"):
            return _unpacked(content, may_be_mail=False)
    return Fault.NO_REPORT


def _parsed(document: bytes) -> ReceivedReport | Fault:
    report = ReceivedReport()
    path: list[Element] = []
    elements = 0
    try:
        for event, element in iterparse(io.BytesIO(document), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                path.append(element)
                elements += 1
                if len(path) > MAX_DEPTH:
                    return Fault.TOO_DEEP
                if elements > MAX_ELEMENTS or len(report.records) > MAX_RECORDS:
                    return Fault.TOO_LARGE
                continue
            path.pop()
            if len(path) == 1:
                _take(report, element)
                elements = 0
                # What was taken is needed no more: a large report is no large tree.
                path[0].clear()
    except DefusedXmlException:
        return Fault.FORBIDDEN
    except (ParseError, ValueError, LookupError):
        return Fault.NO_XML
    return report if report.policy or report.records else Fault.NO_REPORT


def _take(report: ReceivedReport, element: Element) -> None:
    name = _name(element)
    if name == "report_metadata":
        report.metadata = _values(element)
    elif name == "policy_published":
        report.policy = _values(element)
    elif name == "record":
        report.records.append(_record(element))


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: Element | None) -> str:
    return (element.text or "").strip()[:MAX_TEXT] if element is not None else ""


def _values(element: Element) -> dict[str, str]:
    """Of all that is in it, whatever the depth; the first of each name."""
    found: dict[str, str] = {}
    for each in element.iter():
        if each is not element and len(each) == 0 and len(found) < MAX_VALUES:
            found.setdefault(_name(each), _text(each))
    return found


def _child(element: Element | None, *names: str) -> Element | None:
    for name in names:
        element = next((each for each in element if _name(each) == name), None) if element is not None else None
    return element


def _children(element: Element | None, name: str) -> list[Element]:
    return [each for each in element if _name(each) == name][:MAX_VALUES] if element is not None else []


def _record(element: Element) -> ReceivedRecord:
    row, evaluated = _child(element, "row"), _child(element, "row", "policy_evaluated")
    results, identifiers = _child(element, "auth_results"), _child(element, "identifiers")
    reasons = ((_text(_child(each, "type")), _text(_child(each, "comment"))) for each in _children(evaluated, "reason"))
    return ReceivedRecord(
        _text(_child(row, "source_ip")),
        _count(_text(_child(row, "count"))),
        _text(_child(evaluated, "disposition")),
        _text(_child(evaluated, "dkim")),
        _text(_child(evaluated, "spf")),
        tuple(reasons),
        _text(_child(identifiers, "header_from")),
        _text(_child(identifiers, "envelope_from")),
        tuple(map(_result, _children(results, "dkim"))),
        tuple(map(_result, _children(results, "spf"))),
    )


def _result(element: Element) -> Result:
    found: dict[str, Any] = {_name(each): _text(each) for each in element}
    return Result(found.get("domain", ""), found.get("selector", ""), found.get("result", ""))


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 12 else 0
