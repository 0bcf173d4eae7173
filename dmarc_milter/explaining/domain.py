"""`check --domain`: what a domain publishes, and what is wrong with it."""

import time
from typing import Any

from dmarc_milter import wording
from dmarc_milter.api import Dns
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.common.terminal import Severity
from dmarc_milter.dkim import key
from dmarc_milter.dmarc import record as dmarc_record
from dmarc_milter.dmarc.evaluation import Discovery, discover
from dmarc_milter.dmarc.record import AlignmentMode, DmarcRecord, Policy, PublicSuffix
from dmarc_milter.dmarc.tree_walk import TreeWalks, query_name
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, Resolver, text_records
from dmarc_milter.dns.name import is_at_or_below, to_identifier
from dmarc_milter.explaining.tree import Node, add_spf_steps, add_walk
from dmarc_milter.spf.evaluation import Check, SpfResult, Step, check_host
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_VOID_LOOKUPS

DEADLINE = 30.0
"""Seconds that all questions about a domain may take."""
NOBODY = bytes(4)
"""0.0.0.0 sends no mail: with it every term of a record is evaluated."""


class Report:
    """The tree, and whether anything in it is wrong."""

    def __init__(self, domain: str) -> None:
        self.root = Node(domain)
        self.faults: list[str] = []
        self.answers: dict[Question, Answer[Any]] = {}
        """Every question that was asked."""

    def fault(self, below: Node, text: str) -> None:
        """Something that should be mended."""
        below.add(text, Severity.BAD)
        self.faults.append(text)


async def report(resolver: Resolver, domain: str, selectors: list[str]) -> Report:
    """SPF, DMARC and the DKIM keys of `selectors`."""
    found = Report(domain)
    await _spf(found, resolver, domain)
    await _dmarc(found, resolver, domain)
    for selector in selectors:
        await _dkim(found, resolver, f"{selector}._domainkey.{domain}")
    return found


async def _spf(found: Report, resolver: Resolver, domain: str) -> None:
    steps: list[Step] = []
    check = await check_host(resolver, NOBODY, domain, f"postmaster@{domain}", domain, trace=steps)
    below = found.root.add(_spf_summary(check))
    add_spf_steps(below, steps, matches=False)
    below.add(f"look-ups: {check.dns_terms} of at most {MAX_DNS_TERMS}")
    below.add(f"look-ups that found nothing: {check.void_lookups} of at most {MAX_VOID_LOOKUPS}")
    authorised = [step.term for step in steps if step.term.startswith(("ip4:", "ip6:", "+ip4:", "+ip6:"))]
    if authorised:
        below.add(f"authorised by address: {', '.join(dict.fromkeys(authorised))}")
    if check.result is SpfResult.PERMERROR:
        found.fault(below, f"receivers treat this record as an error, and SPF as failed: {wording.text(check.reason)}")
    elif check.result is SpfResult.NONE:
        found.fault(below, "without a record, SPF says nothing about mail of this domain")
    elif check.result is SpfResult.PASS:
        found.fault(below, "this record lets anybody send (+all)")
    elif check.result is SpfResult.NEUTRAL:
        below.add("the record ends without an opinion: -all or ~all would be one", Severity.DOUBTFUL)


def _spf_summary(check: Check) -> str:
    unusable = {SpfResult.NONE: "no record", SpfResult.PERMERROR: "cannot be used", SpfResult.TEMPERROR: "DNS failed"}
    return f"SPF: {unusable.get(check.result, 'a valid record; everybody else gets ' + check.result.value)}"


async def _dmarc(found: Report, resolver: Resolver, domain: str) -> None:
    walks = TreeWalks(resolver)
    walk = await walks.walk(domain)
    discovery = await discover(resolver, domain, walks)
    below = found.root.add(_dmarc_summary(discovery))
    add_walk(below, walk)
    if discovery.failure is not None:
        found.fault(below, f"the DNS could not tell: {wording.text(discovery.failure)}")
    elif discovery.record is None:
        found.fault(below, f'anybody can write mail in its name; begin with "v=DMARC1; p=none" at {query_name(domain)}')
    else:
        _tags(found, below, discovery.record, is_inherited=discovery.is_inherited)
        await _reports(found, below, resolver, discovery)


def _dmarc_summary(discovery: Discovery) -> str:
    if discovery.record is None:
        return "DMARC: no record"
    return f"DMARC: the record of {discovery.policy_domain} applies"


_MEANING = {
    Policy.NONE: "failing mail is delivered",
    Policy.QUARANTINE: "failing mail is suspicious",
    Policy.REJECT: "failing mail is to be refused",
}


def _tags(found: Report, below: Node, record: DmarcRecord, *, is_inherited: bool) -> None:
    if record.policy is None:
        found.fault(below, "the record has no valid p=, so it asks for nothing")
    else:
        below.add(f"p={record.policy.value}: {_MEANING[record.policy]}")
    for name, value, whom in (
        ("sp", record.subdomain_policy, "for existing subdomains"),
        ("np", record.nonexistent_policy, "for subdomains that do not exist"),
    ):
        if value is not None:
            below.add(f"{name}={value.value}: {_MEANING[value]}, {whom}")
    for name, mode in (("adkim", record.dkim_alignment), ("aspf", record.spf_alignment)):
        how = "the same domain" if mode is AlignmentMode.STRICT else "the same organizational domain"
        below.add(f"{name}={mode.value}: aligned is {how}")
    if record.is_test:
        below.add("t=y: only testing, every policy counts one step milder", Severity.DOUBTFUL)
    if record.public_suffix is not PublicSuffix.UNKNOWN:
        below.add(f"psd={record.public_suffix.value}")
    if is_inherited:
        below.add("inherited: this domain has no record of its own")
    for error in record.errors:
        found.fault(below, wording.text(error))


async def _reports(found: Report, below: Node, resolver: Resolver, discovery: Discovery) -> None:
    """Who gets reports, and whether those of another organization want them (RFC 9990 4)."""
    record, domain = discovery.record, discovery.policy_domain
    assert record is not None
    assert domain is not None
    if not record.report_addresses:
        below.add("no rua=: nobody is told about failing mail", Severity.DOUBTFUL)
    for address in dict.fromkeys((*record.report_addresses, *record.failure_addresses)):
        scheme, _, rest = address.partition(":")
        target = to_identifier(rest.rpartition("@")[2]) if scheme.lower() == "mailto" else None
        if target is None:
            found.fault(below, f"reports to {address}: not a mail address, nobody sends there")
        elif is_at_or_below(target, domain) or is_at_or_below(domain, target):
            below.add(f"reports to {address}")
        else:
            await _external(found, below, resolver, f"{domain}._report._dmarc.{target}", address)


async def _external(found: Report, below: Node, resolver: Resolver, name: str, address: str) -> None:
    answer = await text_records(resolver, name)
    if any(dmarc_record.is_dmarc(text) for text in answer.records):
        below.add(f"reports to {address}: wanted there ({name})")
    else:
        found.fault(below, f"reports to {address} will not be sent: no record at {name} says that they are wanted")


async def _dkim(found: Report, resolver: Resolver, name: str) -> None:
    answer = await text_records(resolver, name)
    below = found.root.add(f"DKIM key {name}")
    if answer.failed:
        found.fault(below, f"the DNS could not tell: {wording.text(answer.reason)}")
    elif answer.outcome is not AnswerOutcome.RECORDS:
        found.fault(below, "no key is published there")
    for record in answer.records:
        read = key.parse(record)
        if isinstance(read, Unreadable):
            found.fault(below, wording.text(read.reason))
        else:
            below.add(f"{read.key_type}, {read.bits} bits", Severity.GOOD)
            if read.key_type == "rsa" and read.bits < 2048:
                below.add("2048 bits are recommended (RFC 8301)", Severity.DOUBTFUL)
            if read.is_test:
                below.add("t=y: the domain is only testing DKIM", Severity.DOUBTFUL)


def run(dns: Dns, domain: str, selectors: list[str]) -> Report:
    """The report, waited for."""
    questions = dns.questions()
    resolver = questions.resolver(time.monotonic() + DEADLINE)
    found = dns.runner.start(report(resolver, domain, selectors)).result()
    found.answers = questions.used
    return found
