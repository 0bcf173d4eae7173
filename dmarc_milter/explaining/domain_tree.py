"""What a domain publishes as a tree for people: what is to be corrected first, then what is there."""

from dmarc_milter import wording
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.common.terminal import Severity
from dmarc_milter.dmarc.record import AlignmentMode, DmarcRecord, Policy, PublicSuffix
from dmarc_milter.dmarc.report_destination import Consent, Destination
from dmarc_milter.dmarc.tree_walk import query_name
from dmarc_milter.dns.answer import AnswerOutcome
from dmarc_milter.explaining.domain import DomainFound, KeyFound, SpfFound
from dmarc_milter.explaining.domain_notes import NoteKind, notes, records_at, shown_record
from dmarc_milter.explaining.public_key import key_text
from dmarc_milter.explaining.tree import Node, add_spf_steps, add_walk
from dmarc_milter.spf.check import SpfResult
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_VOID_LOOKUPS
from dmarc_milter.spf.record import is_spf

_TITLES = {
    NoteKind.FAULT: ("to correct", Severity.BAD),
    NoteKind.FAILURE: ("the DNS failed", Severity.DOUBTFUL),
    NoteKind.DOUBT: ("doubtful", Severity.DOUBTFUL),
}


def as_tree(found: DomainFound) -> Node:
    """The verdict, what is to be corrected, and all that was found."""
    every = {kind: [note for note in notes(found) if note.kind is kind] for kind in NoteKind}
    root = _verdict(found.domain, len(every[NoteKind.FAULT]), has_failed=bool(every[NoteKind.FAILURE]))
    for kind, (title, severity) in _TITLES.items():
        if every[kind]:
            below = root.add(title)
            for note in every[kind]:
                below.add(note.text, severity)
    _spf(root, found)
    _dmarc(root, found)
    for each in found.keys:
        _key(root, each)
    return root


def _verdict(domain: str, faults: int, *, has_failed: bool) -> Node:
    wrong = "1 thing is wrong" if faults == 1 else f"{faults} things are wrong"
    if faults:
        return Node(f"{domain}: {wrong}{', and the DNS failed' if has_failed else ''}", Severity.BAD)
    if has_failed:
        return Node(f"{domain}: the DNS failed, so nobody can say", Severity.DOUBTFUL)
    return Node(f"{domain}: nothing is wrong", Severity.GOOD)


def _spf(root: Node, found: DomainFound) -> None:
    spf = found.spf
    below = root.add(_spf_summary(spf))
    several = [record for record in found.own.records if is_spf(record)]
    if len(several) > 1:
        for record in several:
            below.add(f"record: {shown_record(record)}")
        return
    add_spf_steps(below, spf.steps, matches=False)
    if all(step.term == "record" for step in spf.steps):
        return
    below.add(f"look-ups: {spf.check.dns_terms} of at most {MAX_DNS_TERMS}")
    below.add(f"look-ups that found nothing: {spf.check.void_lookups} of at most {MAX_VOID_LOOKUPS}")
    authorised = [step.term for step in spf.steps if step.term.startswith(("ip4:", "ip6:", "+ip4:", "+ip6:"))]
    if authorised:
        below.add(f"authorised by address: {', '.join(dict.fromkeys(authorised))}")


def _spf_summary(spf: SpfFound) -> str:
    result = spf.check.result
    unusable = {SpfResult.NONE: "no record", SpfResult.PERMERROR: "cannot be used", SpfResult.TEMPERROR: "DNS failed"}
    return f"SPF: {unusable.get(result, 'a valid record; everybody else gets ' + result.value)}"


def _dmarc(root: Node, found: DomainFound) -> None:
    dmarc, discovery = found.dmarc, found.dmarc.discovery
    below = root.add(_dmarc_summary(found))
    for domain in dmarc.walk.asked:
        records = records_at(found.answers, domain)
        for record in records:
            counts = ", which does not count beside another" if len(records) > 1 else ""
            below.add(f"record at {query_name(domain)}{counts}: {shown_record(record)}")
    add_walk(below, dmarc.walk, found.answers)
    if discovery.record is None:
        return
    _tags(below, discovery.record)
    _reports(below, "aggregate reports (rua)", dmarc.aggregate)
    _reports(below, "failure reports (ruf)", dmarc.failure)


def _dmarc_summary(found: DomainFound) -> str:
    discovery, policy = found.dmarc.discovery, found.dmarc.evaluation.published_policy
    if discovery.failure is not None:
        return "DMARC: DNS failed"
    if discovery.record is None:
        several = len(records_at(found.answers, found.domain))
        return f"DMARC: {several} records, which count as none" if several else "DMARC: no record"
    said = f"DMARC: the record of {discovery.policy_domain} applies"
    if policy is None:
        return said
    inherited = ", inherited" if discovery.is_inherited else ""
    return f"{said}{inherited}: {policy_tag(found)}={policy.value}"


def policy_tag(found: DomainFound) -> str:
    """Which of p, sp and np applies to the domain (RFC 9989 4.10.1)."""
    discovery = found.dmarc.discovery
    record = discovery.record
    if record is None or not discovery.is_inherited:
        return "p"
    if record.nonexistent_policy is not None and found.exists is False:
        return "np"
    return "sp" if record.subdomain_policy is not None else "p"


_MEANING = {
    Policy.NONE: "failing mail is delivered",
    Policy.QUARANTINE: "failing mail is suspicious",
    Policy.REJECT: "failing mail is to be refused",
}


def _tags(below: Node, record: DmarcRecord) -> None:
    for name, value, whom in (
        ("p", record.policy, ""),
        ("sp", record.subdomain_policy, ", for existing subdomains"),
        ("np", record.nonexistent_policy, ", for subdomains that do not exist"),
    ):
        if value is not None:
            below.add(f"{name}={value.value}: {_MEANING[value]}{whom}")
    for name, mode in (("adkim", record.dkim_alignment), ("aspf", record.spf_alignment)):
        how = "the same domain" if mode is AlignmentMode.STRICT else "the same organizational domain"
        below.add(f"{name}={mode.value}: aligned is {how}")
    if record.public_suffix is not PublicSuffix.UNKNOWN:
        below.add(f"psd={record.public_suffix.value}")


_CONSENT = {
    Consent.INTERNAL: "of the same organization",
    Consent.AUTHORIZED: "of another organization, which wants them",
    Consent.NOT_AUTHORIZED: "of another organization, which does not say that it wants them",
    Consent.OTHER_HOST: "of another organization, which names a third one: nobody gets any",
    Consent.NAME_TOO_LONG: "of another organization, which cannot say that it wants them",
    Consent.UNKNOWN: "the DNS could not tell",
    Consent.UNUSABLE: "not one mail address",
}


def _reports(below: Node, title: str, several: tuple[Destination, ...]) -> None:
    if not several:
        return
    reports = below.add(title)
    for each in several:
        told = reports.add(f"{each.uri}: {_CONSENT[each.consent]}")
        for record in each.records:
            told.add(f"record at {each.name}: {shown_record(record)}")
        if each.name is not None and not each.records:
            told.add(f"no record at {each.name}" if each.failure is None else wording.text(each.failure))
        if each.consent is Consent.AUTHORIZED and each.uri.lower() not in {
            f"mailto:{to}".lower() for to in each.send_to
        }:
            told.add(f"they are sent to {', '.join(each.send_to)}")


def _key(root: Node, found: KeyFound) -> None:
    below = root.add(f"DKIM key {found.name}")
    if found.answer.outcome is not AnswerOutcome.RECORDS:
        below.add(wording.text(found.answer.reason) or found.answer.outcome.value)
    for each in found.keys:
        if isinstance(each, Unreadable):
            below.add(wording.text(each.reason))
        else:
            below.add(key_text(each), Severity.GOOD)
