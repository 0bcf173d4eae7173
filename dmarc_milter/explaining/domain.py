"""`check --domain`: what a domain publishes, asked for. What is wrong with it: `domain_notes`; told: `domain_tree`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmarc_milter.api import Dns
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dkim import key
from dmarc_milter.dkim.key import Key
from dmarc_milter.dmarc.evaluation import Discovery, DmarcEvaluation, evaluate
from dmarc_milter.dmarc.report_destination import Destination, ReportTag, destination
from dmarc_milter.dmarc.tree_walk import TreeWalks, Walk, questions
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType, Resolver, text_records
from dmarc_milter.spf.check import Check, Step
from dmarc_milter.spf.evaluation import check_host
from dmarc_milter.spf.loop import Loop, loop

DEADLINE = 30.0
"""Seconds that all questions about a domain may take."""
NOBODY = bytes(4)
"""0.0.0.0 sends no mail: with it every term of a record is evaluated."""


@dataclass(frozen=True, slots=True)
class SpfFound:
    """The SPF record of the domain."""

    check: Check
    steps: tuple[Step, ...]
    loop: Loop | None
    """Records that lead to each other in a circle."""


@dataclass(frozen=True, slots=True)
class DmarcFound:
    """The policy for the domain, and who gets its reports."""

    evaluation: DmarcEvaluation
    walk: Walk
    aggregate: tuple[Destination, ...]
    failure: tuple[Destination, ...]

    @property
    def discovery(self) -> Discovery:
        """The policy that applies. There is one to look at: an Author Domain was given."""
        found = self.evaluation.discovery
        assert found is not None  # There is an Author Domain.
        return found


@dataclass(frozen=True, slots=True)
class KeyFound:
    """What is at the name of a DKIM key."""

    selector: str
    name: str
    answer: Answer[bytes]
    keys: tuple[Key | Unreadable, ...]


@dataclass(frozen=True, slots=True)
class DomainFound:
    """What a domain publishes."""

    domain: str
    own: Answer[bytes]
    """Its TXT records: whether the name exists at all."""
    spf: SpfFound
    dmarc: DmarcFound
    keys: tuple[KeyFound, ...]
    answers: Mapping[Question, Answer[Any]]
    """Every question that was asked."""

    @property
    def exists(self) -> bool | None:
        """Whether there is such a name; None where the DNS could not tell."""
        return None if self.own.failed else self.own.outcome is not AnswerOutcome.NO_SUCH_NAME


async def look_into(
    resolver: Resolver, domain: str, selectors: list[str], answers: Mapping[Question, Answer[Any]]
) -> DomainFound:
    """SPF, DMARC and the DKIM keys of `selectors`; `answers` is where `resolver` keeps what was answered."""
    # All at once: with a DNS that does not answer, each would take its whole patience.
    names = [domain, *(f"{selector}._domainkey.{domain}" for selector in selectors)]
    resolver.prefetch([*questions(domain), *(Question(name, RecordType.TXT) for name in names)])
    own = await text_records(resolver, domain)
    spf = await _spf(resolver, domain)
    dmarc = await _dmarc(resolver, domain)
    keys = [await _key(resolver, domain, selector) for selector in selectors]
    return DomainFound(domain, own, spf, dmarc, tuple(keys), answers)


async def _spf(resolver: Resolver, domain: str) -> SpfFound:
    steps: list[Step] = []
    check = await check_host(resolver, NOBODY, domain, f"postmaster@{domain}", domain, trace=steps)
    return SpfFound(check, tuple(steps), loop(steps))


async def _dmarc(resolver: Resolver, domain: str) -> DmarcFound:
    walks = TreeWalks(resolver)
    walk = await walks.walk(domain)
    evaluation = await evaluate(resolver, domain, ())
    discovery = evaluation.discovery
    if discovery is None or discovery.record is None or discovery.policy_domain is None:
        return DmarcFound(evaluation, walk, (), ())
    aggregate, failure = [
        [
            await destination(resolver, walks, discovery.policy_domain, uri, tag)
            for uri in dict.fromkeys(tag.addresses(discovery.record))
        ]
        for tag in ReportTag
    ]
    return DmarcFound(evaluation, walk, tuple(aggregate), tuple(failure))


async def _key(resolver: Resolver, domain: str, selector: str) -> KeyFound:
    name = f"{selector}._domainkey.{domain}"
    answer = await text_records(resolver, name)
    return KeyFound(selector, name, answer, tuple(key.parse(record) for record in answer.records))


def run(dns: Dns, domain: str, selectors: list[str]) -> DomainFound:
    """The same, waited for."""
    asked = dns.questions()
    resolver = asked.resolver(time.monotonic() + DEADLINE)
    return dns.runner.start(look_into(resolver, domain, selectors, asked.used)).result()
