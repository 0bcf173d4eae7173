"""Whether a message is told to its Domain Owner by a failure report, and what of it (RFC 9991; fo: RFC 9989 4.7).

Only what the record asks for, and only where nothing can come of it in a circle: never about reports, notifications and
answers of programs, and never for a public suffix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dmarc.evaluation import Alignment, Authenticated, DmarcResult, Mechanism
from dmarc_milter.dmarc.record import DmarcRecord, PublicSuffix
from dmarc_milter.dns.answer import Answer, Question, RecordType
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.judging.verdict import Action, Disposition, Verdict
from dmarc_milter.message.header import Field, Header
from dmarc_milter.spf.check import SpfResult
from dmarc_milter.spf.record import is_spf

MAX_HEADER, MAX_FIELD = 16_384, 4_096
"""Octets of the header section that are told, and of one field."""
MAX_RECORD = 2_000
"""Octets of an SPF record that are told."""


@dataclass(frozen=True, slots=True)
class FailureCase:
    """One message, as a failure report tells it. Nothing in it is redacted yet."""

    arrived: float
    """Seconds since 1970."""
    policy_domain: str
    author_domain: str
    record: bytes
    """The policy record as published."""
    client: bytes | None
    """4 or 16 octets."""
    mail_from: str
    failed: tuple[str, ...]
    """The mechanisms that gave no aligned pass: dkim, spf."""
    signatures: tuple[tuple[str, str, str], ...]
    """Domain, selector and the domain of i= of the aligned ones that failed."""
    spf_record: tuple[str, bytes] | None
    """Of an aligned SPF failure: the domain, and its record."""
    delivery: str
    """RFC 6591 3.2.2: delivered, spam, policy or reject."""
    authentication_results: str
    fields: tuple[Field, ...]


_DELIVERIES = {Action.ACCEPT: "delivered", Action.QUARANTINE: "spam", Action.REJECT: "reject"}


def failure_case(
    verdict: Verdict,
    disposition: Disposition,
    header: Header,
    answers: Mapping[Question, Answer[Any]],
    patterns: Sequence[DomainPattern],
    authentication_results: str,
    now: float,
) -> FailureCase | None:
    """None where no report is wanted, or may be made."""
    discovery = verdict.dmarc.discovery
    if discovery is None or discovery.record is None or discovery.policy_domain is None:
        return None
    record, domain = discovery.record, discovery.policy_domain
    if not any(each.matches(domain) for each in patterns) or not _may_be_told(verdict, record, header):
        return None
    if disposition.action is Action.TEMPFAIL or not _is_asked_for(verdict, record):
        return None
    aligned = {each.identifier.domain for each in verdict.dmarc.alignments if each.is_aligned}
    return FailureCase(
        now,
        domain,
        verdict.dmarc.author_domain or domain,
        record.text,
        verdict.client_address,
        verdict.envelope.mail_from,
        _failed(verdict),
        tuple(
            (each.domain, each.selector, each.identity_domain or each.domain)
            for each in verdict.signatures
            if each.result is not DkimResult.PASS and each.domain in aligned and each.domain and each.selector
        ),
        _spf_record(verdict, answers, aligned),
        _DELIVERIES[disposition.action],
        authentication_results,
        _first(header),
    )


def _may_be_told(verdict: Verdict, record: DmarcRecord, header: Header) -> bool:
    if not record.failure_addresses or record.public_suffix is PublicSuffix.YES or verdict.author.unusable is not None:
        return False
    if verdict.is_dmarc_report or not verdict.envelope.mail_from:
        return False
    if any(b"multipart/report" in each.value.lower() for each in header.all("content-type")):
        return False
    automatic = header.all("auto-submitted")
    return all(each.value.strip().lower().startswith(b"no") for each in automatic)


def _is_asked_for(verdict: Verdict, record: DmarcRecord) -> bool:
    """By fo: each option alone is enough."""
    if verdict.dmarc.result not in (DmarcResult.PASS, DmarcResult.FAIL):
        return False
    options = record.failure_options.split(":")
    failed = _failed(verdict)
    return (
        ("0" in options and len(failed) == len(Mechanism))
        or ("1" in options and bool(failed))
        or ("d" in options and any(each.result is DkimResult.FAIL for each in verdict.signatures))
        or ("s" in options and verdict.spf.check.result in (SpfResult.FAIL, SpfResult.SOFTFAIL))
    )


def _failed(verdict: Verdict) -> tuple[str, ...]:
    """In the order of the letters. What was not looked into, for another mechanism was enough, is no failure."""
    known: dict[Mechanism, bool] = {}
    for each in verdict.dmarc.alignments:
        mechanism = each.identifier.mechanism
        known[mechanism] = known.get(mechanism, False) or _may_be_aligned(each)
    return tuple(sorted(each.value for each in Mechanism if not known.get(each, False)))


def _may_be_aligned(found: Alignment) -> bool:
    return found.is_aligned is not False and found.identifier.authenticated is Authenticated.YES


def _spf_record(
    verdict: Verdict, answers: Mapping[Question, Answer[Any]], aligned: set[str]
) -> tuple[str, bytes] | None:
    domain = verdict.spf.domain
    if domain is None or domain not in aligned or verdict.spf.check.result is SpfResult.PASS:
        return None
    answer = answers.get(Question(domain, RecordType.TXT))
    records = [text for text in answer.records if is_spf(text)] if answer is not None else []
    return (domain, records[0][:MAX_RECORD]) if records else None


def _first(header: Header) -> tuple[Field, ...]:
    """The fields from the top for which there is room; a large one hides none of those below it."""
    kept, octets = [], 0
    for field in header:
        size = len(field.name) + len(field.value) + 3
        if size <= MAX_FIELD and octets + size <= MAX_HEADER:
            octets += size
            kept.append(field)
    return tuple(kept)
