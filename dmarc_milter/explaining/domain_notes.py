"""What is wrong with what a domain publishes, in a sentence each and with a code (pure)."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from dmarc_milter import wording
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.common.text import printable
from dmarc_milter.dmarc.evaluation import Discovery
from dmarc_milter.dmarc.record import DmarcRecord, PublicSuffix, is_dmarc
from dmarc_milter.dmarc.report_destination import Consent, Destination
from dmarc_milter.dmarc.tree_walk import query_name
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.explaining.domain import DomainFound, KeyFound
from dmarc_milter.spf.check import SpfResult
from dmarc_milter.spf.reasons import SpfReason

RECOMMENDED_BITS = 2_048
"""RFC 8301 3.2"""
MAX_SHOWN = 80
"""Characters of a record that is none."""


class NoteKind(Enum):
    """What a note is; the most important first."""

    FAULT = "fault"
    """Its owner should correct it."""
    FAILURE = "failure"
    """The DNS could not tell: nobody knows."""
    DOUBT = "doubt"
    """It may be meant."""


class Note(NamedTuple):
    """Something to know about a domain."""

    code: str
    """Public, as codes of reasons are: programs compare it."""
    text: str
    """A sentence or two, printable."""
    kind: NoteKind = NoteKind.FAULT


def notes(found: DomainFound) -> list[Note]:
    """All that is to be known about it, faults first."""
    every = [
        *_about_domain(found),
        *_about_spf(found),
        *_about_policy(found),
        *_about_reports(found),
        *(note for each in found.keys for note in _about_key(each)),
    ]
    return sorted(every, key=lambda note: _ORDER.index(note.kind))


_ORDER = list(NoteKind)


def records_at(answers: Mapping[Question, Answer[Any]], domain: str) -> tuple[bytes, ...]:
    """The DMARC records of `domain`: one that counts, or several that count as none."""
    answer = answers.get(Question(query_name(domain), RecordType.TXT))
    return tuple(text for text in answer.records if is_dmarc(text)) if answer is not None else ()


def shown_record(record: bytes) -> str:
    """As text."""
    return record.decode("utf-8", "replace")


def _about_domain(found: DomainFound) -> Iterator[Note]:
    if found.exists is False:
        yield Note("no-such-domain", f"{found.domain} does not exist in the DNS (NXDOMAIN). Check its spelling")


def _about_spf(found: DomainFound) -> Iterator[Note]:
    spf = found.spf
    result, why = spf.check.result, wording.text(spf.check.reason)
    if result is SpfResult.TEMPERROR:
        yield Note("spf-dns-failed", f"SPF: the DNS could not tell: {why}. Ask again later", NoteKind.FAILURE)
    elif result is SpfResult.NONE and found.exists:
        yield Note("no-spf-record", f"no SPF record: SPF says nothing about mail of {found.domain}")
    elif result is SpfResult.PERMERROR and spf.loop is not None:
        circle = ", which leads to ".join(spf.loop.domains[1:])
        yield Note(
            "spf-loop",
            f"SPF: the records go in a circle: {spf.loop.domains[0]} leads to {circle}. Receivers treat that as an "
            "error, and SPF as failed",
        )
    elif result is SpfResult.PERMERROR and spf.check.reason.code is SpfReason.SEVERAL_RECORDS:
        yield Note("several-spf-records", f"SPF: {why}: receivers treat that as an error, and SPF as failed. Keep one")
    elif result is SpfResult.PERMERROR:
        yield Note("unusable-spf-record", f"SPF: receivers treat this record as an error, and SPF as failed: {why}")
    elif result is SpfResult.PASS:
        yield Note("spf-lets-anybody-send", "SPF: this record lets anybody send (+all)")
    elif result is SpfResult.NEUTRAL:
        yield Note(
            "spf-no-opinion", "SPF: the record ends without an opinion: -all or ~all would be one", NoteKind.DOUBT
        )


def _about_policy(found: DomainFound) -> Iterator[Note]:
    dmarc, discovery = found.dmarc, found.dmarc.discovery
    for domain in dmarc.walk.asked:
        yield from _about_name(found, domain)
    if discovery.failure is not None:
        why = wording.text(discovery.failure)
        yield Note("dmarc-dns-failed", f"DMARC: the DNS could not tell: {why}. Ask again later", NoteKind.FAILURE)
        return
    if dmarc.walk.failure is not None:
        yield Note(
            "organizational-domain-unknown",
            f"DMARC: the DNS could not tell the organizational domain: {wording.text(dmarc.walk.failure)}. Ask again "
            "later",
            NoteKind.FAILURE,
        )
    if discovery.record is None:
        if found.exists is not False and not records_at(found.answers, found.domain):
            yield Note("no-dmarc-record", _no_record(found.domain))
        return
    yield from _about_record(discovery, discovery.record)


def _no_record(domain: str) -> str:
    return f'no DMARC record: anybody can write mail in its name. Begin with "v=DMARC1; p=none" at {query_name(domain)}'


def _about_name(found: DomainFound, domain: str) -> Iterator[Note]:
    """Of a name of the walk: more than one record, and what was meant to be one."""
    name = query_name(domain)
    count = len(records_at(found.answers, domain))
    if count > 1:
        yield Note("several-dmarc-records", f"DMARC: {name} has {count} records, which count as none. Keep one")
    answer = found.answers.get(Question(name, RecordType.TXT))
    for text in answer.records if answer is not None else ():
        if not is_dmarc(text) and text.lstrip()[:7].lower().replace(b" ", b"").startswith(b"v=dmar"):
            said = printable(shown_record(text), MAX_SHOWN)
            yield Note("no-dmarc-version", f"DMARC: {name} has a record that does not begin with v=DMARC1; : {said}")


def _about_record(discovery: Discovery, record: DmarcRecord) -> Iterator[Note]:
    if record.policy is None:
        yield Note("no-valid-policy", "DMARC: the record has no valid p=, so it asks for nothing")
    for error in record.errors:
        code = wording.code(error)
        assert code is not None
        where = f" of {discovery.policy_domain}" if discovery.is_inherited else ""
        yield Note(code, f"DMARC: the record{where}: {wording.text(error)}")
    if record.is_test:
        yield Note("testing", "DMARC: t=y: only testing, every policy counts one step milder", NoteKind.DOUBT)


def _about_reports(found: DomainFound) -> Iterator[Note]:
    record = found.dmarc.discovery.record
    if record is None:
        return
    if not record.report_addresses:
        yield Note("no-reports", "DMARC: no rua=: nobody is told about failing mail", NoteKind.DOUBT)
    for each in found.dmarc.aggregate:
        yield from _about_destination("aggregate reports", each)
    if record.public_suffix is PublicSuffix.YES and record.failure_addresses:
        yield Note(
            "failure-reports-of-suffix",
            "DMARC: ruf= is ignored in the record of a public suffix (psd=y)",
            NoteKind.DOUBT,
        )
        return
    for each in found.dmarc.failure:
        yield from _about_destination("failure reports", each)


_NOT_SENT = {
    Consent.NOT_AUTHORIZED: (
        "report-not-authorized",
        "will not be sent: no record at {name} says that they are wanted",
    ),
    Consent.OTHER_HOST: ("report-to-other-host", "will not be sent: the record at {name} names another host"),
    Consent.NAME_TOO_LONG: (
        "report-name-too-long",
        "will not be sent: the name that would authorize them is too long",
    ),
    Consent.UNKNOWN: ("report-dns-failed", "may not be sent: the DNS could not tell: {why}"),
    Consent.UNUSABLE: ("report-address-unusable", "will not be sent: it is not one mail address (mailto:)"),
}


def _about_destination(what: str, each: Destination) -> Iterator[Note]:
    if each.consent in _NOT_SENT:
        code, text = _NOT_SENT[each.consent]
        said = text.format(name=each.name, why=wording.text(each.failure))
        kind = NoteKind.FAILURE if each.consent is Consent.UNKNOWN else NoteKind.FAULT
        yield Note(code, f"DMARC: {what} to {each.uri} {said}", kind)


def _about_key(found: KeyFound) -> Iterator[Note]:
    answer = found.answer
    if answer.failed:
        text = f"DKIM: {found.name}: the DNS could not tell: {wording.text(answer.reason)}"
        yield Note("key-dns-failed", text, NoteKind.FAILURE)
    elif answer.outcome is not AnswerOutcome.RECORDS:
        missing = (
            "there is no such name (NXDOMAIN)" if answer.outcome is AnswerOutcome.NO_SUCH_NAME else "no TXT record"
        )
        yield Note("no-key", f"DKIM: no key is published at {found.name}: {missing}")
    for each in found.keys:
        if isinstance(each, Unreadable):
            yield Note("unusable-key", f"DKIM: {found.name}: {wording.text(each.reason)}")
            continue
        if each.key_type == "rsa" and each.bits < RECOMMENDED_BITS:
            text = f"DKIM: {found.name}: {each.bits} bits; {RECOMMENDED_BITS} are recommended (RFC 8301)"
            yield Note("short-key", text, NoteKind.DOUBT)
        if each.is_test:
            yield Note("key-for-tests", f"DKIM: {found.name}: t=y: the domain is only testing DKIM", NoteKind.DOUBT)
