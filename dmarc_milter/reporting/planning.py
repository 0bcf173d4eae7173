"""Whether a domain gets a report, and where it goes: decided before anything is written (RFC 9990 3.5 and 4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dmarc_milter import wording
from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.evaluation import Authenticated, Identifier, Mechanism, alignment
from dmarc_milter.dmarc.record import AlignmentMode, DmarcRecord
from dmarc_milter.dmarc.report_destination import Consent, Destination, ReportTag, destination
from dmarc_milter.dmarc.tree_walk import TreeWalks
from dmarc_milter.dns.answer import Resolver
from dmarc_milter.dns.name import DomainPattern


class LeftOut(StrEnum):
    """Why a domain gets no report at all."""

    EXCLUDED = "excluded"
    TOO_FEW = "too-few-messages"
    NOTHING_ALIGNED = "nothing-aligned"
    ONLY_REPORTS = "only-reports"


class Refusal(StrEnum):
    """Why an address gets none."""

    UNUSABLE = "unusable"
    NOT_AUTHORIZED = "not-authorized"
    OTHER_HOST = "other-host"
    NAME_TOO_LONG = "name-too-long"
    OWN = "own"
    EXCLUDED = "excluded"
    SUPPRESSED = "suppressed"
    TOO_MANY = "too-many"


_WHY = {
    Refusal.UNUSABLE: "no mailto: address, or not one alone",
    Refusal.NOT_AUTHORIZED: "its host does not publish that it wants reports about this domain",
    Refusal.OTHER_HOST: "its host wants them at another host, so neither gets any",
    Refusal.NAME_TOO_LONG: "the name at which its host would have to publish that is too long for the DNS",
    Refusal.OWN: "the address that our own reports come from",
    Refusal.EXCLUDED: "excluded by report.exclude_addresses",
    Refusal.SUPPRESSED: "suppressed: it refused reports, or you said so",
    Refusal.TOO_MANY: "beyond report.max_addresses",
}
_CONSENTS = {
    Consent.UNUSABLE: Refusal.UNUSABLE,
    Consent.NOT_AUTHORIZED: Refusal.NOT_AUTHORIZED,
    Consent.OTHER_HOST: Refusal.OTHER_HOST,
    Consent.NAME_TOO_LONG: Refusal.NAME_TOO_LONG,
}


class Refused(NamedTuple):
    """An address, or a URI that is none, and why it gets no report."""

    address: str
    code: Refusal

    @property
    def why(self) -> str:
        """In words."""
        return _WHY[self.code]


@dataclass(frozen=True, slots=True)
class PolicyDay:
    """One policy of a domain on one day, and the messages that were counted under it."""

    policy_domain: str
    policy: str
    record: DmarcRecord
    messages: int
    aligned: int
    """Messages that some mechanism gave an aligned pass."""
    reports: int
    """Messages that were aggregate reports themselves."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator, and what came back, say of who gets reports."""

    minimum_messages: int = 1
    only_aligned: bool = False
    max_addresses: int = 5
    excluded_domains: Sequence[DomainPattern] = ()
    excluded_addresses: frozenset[str] = frozenset()
    """In lower case; ``@host`` for all of a host."""
    own_addresses: frozenset[str] = frozenset()
    """In lower case."""
    suppressed: Mapping[str, object] = field(default_factory=dict)
    """By address in lower case."""

    def left_out(self, policies: Sequence[PolicyDay]) -> LeftOut | None:
        """Of all policies of one domain and day."""
        domain = policies[0].policy_domain
        messages = sum(each.messages for each in policies)
        if any(each.matches(domain) for each in self.excluded_domains):
            return LeftOut.EXCLUDED
        if messages == sum(each.reports for each in policies):
            return LeftOut.ONLY_REPORTS
        if messages < self.minimum_messages:
            return LeftOut.TOO_FEW
        if self.only_aligned and not any(each.aligned for each in policies):
            return LeftOut.NOTHING_ALIGNED
        return None

    def refusal(self, address: str) -> Refusal | None:
        """Why this address is not written to."""
        known = address.lower()
        if known in self.own_addresses:
            return Refusal.OWN
        if known in self.excluded_addresses or known[known.rindex("@") :] in self.excluded_addresses:
            return Refusal.EXCLUDED
        return Refusal.SUPPRESSED if known in self.suppressed else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one policy of a day."""

    policy: PolicyDay
    to: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    left_out: LeftOut | None = None
    failure: Reason | None = None
    """Why the DNS could not tell where it may go: to be tried later."""

    @property
    def is_made(self) -> bool:
        """Whether there is a report to be made, and somebody who gets it."""
        return bool(self.to) and self.left_out is None and self.failure is None


async def plan(resolver: Resolver, walks: TreeWalks, policies: Sequence[PolicyDay], rules: Rules) -> list[Plan]:
    """For all policies of one domain and day; those whose record asks for no reports are left away."""
    wanted = [each for each in policies if each.record.report_addresses]
    left_out = rules.left_out(policies) if wanted else None
    if left_out is not None:
        return [Plan(each, left_out=left_out) for each in wanted]
    return [await _plan(resolver, walks, each, rules) for each in wanted]


async def _plan(resolver: Resolver, walks: TreeWalks, policy: PolicyDay, rules: Rules) -> Plan:
    found = [
        await destination(resolver, walks, policy.policy_domain, uri, ReportTag.AGGREGATE)
        for uri in policy.record.report_addresses
    ]
    failure = next((each.failure for each in found if each.failure is not None), None)
    to, refused = chosen(found, rules)
    return Plan(policy, to, refused, failure=failure)


def chosen(found: Iterable[Destination], rules: Rules) -> tuple[tuple[str, ...], tuple[Refused, ...]]:
    """Who gets it, in the order of the record, each address once; and who does not."""
    to: dict[str, str] = {}
    refused: list[Refused] = []
    for each in found:
        if each.consent in _CONSENTS:
            refused.append(Refused(_address(each.uri), _CONSENTS[each.consent]))
        for address in each.send_to:
            why = rules.refusal(address)
            if why is None and address.lower() not in to and len(to) >= rules.max_addresses:
                why = Refusal.TOO_MANY
            if why is None:
                to.setdefault(address.lower(), address)
            else:
                refused.append(Refused(address, why))
    return tuple(to.values()), tuple(refused)


def _address(uri: str) -> str:
    scheme, _, rest = uri.partition(":")
    return rest.partition("?")[0] if scheme.lower() == "mailto" else uri


class Pair(NamedTuple):
    """Two domains of which a report has to know whether they are aligned."""

    author_domain: str
    mechanism: Mechanism
    domain: str
    mode: AlignmentMode


async def look_into(walks: TreeWalks, pairs: Iterable[Pair]) -> dict[Pair, bool] | Reason:
    """Whether each pair is aligned; why the DNS could not tell of one of them."""
    found = {}
    for pair in pairs:
        identifier = Identifier(pair.mechanism, pair.domain, Authenticated.YES)
        told = await alignment(walks, pair.author_domain, identifier, pair.mode)
        if told.is_aligned is None:
            return told.why
        found[pair] = told.is_aligned
    return found


def in_words(plan: Plan) -> str:
    """What becomes of it, for people."""
    if plan.failure is not None:
        return f"later: {wording.text(plan.failure)}"
    if plan.left_out is not None:
        return f"left out: {plan.left_out.value.replace('-', ' ')}"
    return "to " + ", ".join(plan.to) if plan.to else "nobody may get it"
