"""Aggregate reports as XML documents, compressed (RFC 9990 3.1 and Appendix A).

Written as text: a report of 50,000 records never is a tree in memory, and a small one takes a tenth of the time.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dmarc_milter import wording
from dmarc_milter.common.text import xml
from dmarc_milter.common.version import VERSION
from dmarc_milter.dmarc.record import DmarcRecord, Policy
from dmarc_milter.journal.reported import Cause, Content, Signature
from dmarc_milter.reporting.identity import ReportIdentity

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
MAX_SIGNATURES = 100
"""Of one record (RFC 9990 3.1.3)."""
MAX_OCTETS, MAX_COMPRESSED = 9_500_000, 920_000
"""Of one document. Dashboards take 10 MB of XML and 1 MB compressed; what is more goes into another part."""
MAX_ERROR = 500
"""Characters of what is wrong with a record."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports (RFC 9990 3.1.1.3)."""

    organization: str
    email: str
    contact: str | None = None


class Record(NamedTuple):
    """One record: what is told, whether each mechanism gave an aligned pass, and of how many messages."""

    content: Content
    dkim: bool
    spf: bool
    messages: int
    aligned: frozenset[str] = frozenset()
    """Domains of signatures that are aligned, beside the From domain itself, where that was looked into."""


class Part(NamedTuple):
    """A whole document."""

    identity: ReportIdentity
    octets: bytes
    """gzip (RFC 1952)."""
    records: int
    messages: int


_COMMENTS = {
    Cause.NONE: "",
    Cause.SEALER: "arc=pass: sealed by forwarders that this receiver trusts",
    Cause.MONITOR: "this receiver monitors, and applies no policy yet",
    Cause.STRICTER: "local policy of this receiver",
    Cause.DNS: "temporary DNS error",
}


def parts(
    first: ReportIdentity, reporter: Reporter, published: DmarcRecord, records: Iterable[Record]
) -> Iterator[Part]:
    """The documents that tell of `records`: one, or several where one would be too large; none without records."""
    identity = first
    writer: _Writer | None = None
    for record in records:
        text = _record(record)
        if writer is not None and writer.is_full(len(text)):
            yield writer.finish()
            identity = ReportIdentity(first.submitter, first.policy_domain, first.policy, first.day, identity.part + 1)
            writer = None
        if writer is None:
            writer = _Writer(identity, _head(identity, reporter, published))
        writer.add(text, record.messages)
    if writer is not None:
        yield writer.finish()


class _Writer:
    """One document, compressed as it grows. The same records give the same octets."""

    def __init__(self, identity: ReportIdentity, head: bytes) -> None:
        self._identity = identity
        # 31: gzip. zlib writes no time and no name into its header.
        self._compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._pieces: list[bytes] = []
        self._octets = self._compressed = 0
        self._records = self._messages = 0
        self._write(head)

    def _write(self, text: bytes) -> None:
        self._octets += len(text)
        piece = self._compressor.compress(text)
        self._compressed += len(piece)
        if piece:
            self._pieces.append(piece)

    def is_full(self, more: int) -> bool:
        return self._octets + more > MAX_OCTETS or self._compressed > MAX_COMPRESSED

    def add(self, text: bytes, messages: int) -> None:
        self._write(text)
        self._records += 1
        self._messages += messages

    def finish(self) -> Part:
        self._write(b"</feedback>\n")
        self._pieces.append(self._compressor.flush())
        return Part(self._identity, b"".join(self._pieces), self._records, self._messages)


def _element(name: str, value: str | None) -> str:
    return "" if value is None else f"<{name}>{xml(value)}</{name}>"


def _head(identity: ReportIdentity, reporter: Reporter, published: DmarcRecord) -> bytes:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="{NAMESPACE}">\n<version>1.0</version>\n'
        "<report_metadata>"
        + _element("org_name", reporter.organization)
        + _element("email", reporter.email)
        + _element("extra_contact_info", reporter.contact)
        + _element("report_id", identity.id)
        + f"<date_range><begin>{identity.begin}</begin><end>{identity.end}</end></date_range>"
        + _element("error", _error(published))
        + _element("generator", f"dmarc-milter/{VERSION}")
        + "</report_metadata>\n"
        + _policy_published(identity.policy_domain, published)
        + "\n"
    )
    return text.encode("ascii")


def _error(published: DmarcRecord) -> str | None:
    """What is wrong in the record, tersely (3.1.5)."""
    text = "; ".join(map(wording.text, published.errors))
    if not text:
        return None
    return text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 3]}..."


def _policy_published(domain: str, record: DmarcRecord) -> str:
    """What is not given has its default (3.1.1.5)."""
    policy = record.policy or Policy.NONE
    subdomain = record.subdomain_policy or policy
    nonexistent = record.nonexistent_policy or subdomain
    return (
        "<policy_published>"
        + _element("domain", domain)
        + "<discovery_method>treewalk</discovery_method>"
        + _element("p", policy.value)
        + _element("sp", subdomain.value)
        + _element("np", nonexistent.value)
        + _element("fo", record.failure_options)
        + _element("adkim", record.dkim_alignment.value)
        + _element("aspf", record.spf_alignment.value)
        + _element("testing", "y" if record.is_test else "n")
        + "</policy_published>"
    )


def _record(record: Record) -> bytes:
    content = record.content
    text = (
        "<record><row>"
        + _element("source_ip", content.source_ip)
        + f"<count>{record.messages}</count><policy_evaluated>"
        + _element("disposition", content.disposition)
        + _element("dkim", _result(record.dkim))
        + _element("spf", _result(record.spf))
        + _reason(content)
        + "</policy_evaluated></row><identifiers>"
        + _element("header_from", content.header_from)
        + _element("envelope_from", content.envelope_from)
        + "</identifiers><auth_results>"
        + "".join(map(_dkim, _preferred(record)))
        + _spf(content)
        + "</auth_results></record>\n"
    )
    return text.encode("ascii")


def _result(is_aligned: bool) -> str:
    return "pass" if is_aligned else "fail"


def _reason(content: Content) -> str:
    if content.reason is None:
        return ""
    comment = _COMMENTS[content.cause]
    return f"<reason>{_element('type', content.reason)}{_element('comment', comment or None)}</reason>"


def _preferred(record: Record) -> list[Signature]:
    """In decreasing priority (3.1.3): strictly aligned passes, relaxed ones, other passes, the rest."""

    def priority(signature: Signature) -> tuple[int, Signature]:
        if signature.result != "pass":
            return 3, signature
        if signature.domain == record.content.header_from:
            return 0, signature
        return 1 if signature.domain in record.aligned else 2, signature

    return sorted(record.content.signatures, key=priority)[:MAX_SIGNATURES]


def _dkim(signature: Signature) -> str:
    return (
        "<dkim>"
        + _element("domain", signature.domain)
        + _element("selector", signature.selector)
        + _element("result", signature.result)
        + "</dkim>"
    )


def _spf(content: Content) -> str:
    if content.spf is None:
        return ""
    domain, result = content.spf
    return f"<spf>{_element('domain', domain)}<scope>mfrom</scope>{_element('result', result)}</spf>"
