"""The DMARC mechanism (RFC 9989 5.3): from the Author Domain and what SPF and DKIM found to pass or fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import AlignmentMode, DmarcRecord, Policy
from dmarc_milter.dmarc.tree_walk import TreeWalks, Walk, may_share_organizational_domain
from dmarc_milter.dns.answer import AnswerOutcome, RecordType, Resolver, addresses
from dmarc_milter.dns.name import is_at_or_below


class DmarcResult(Enum):
    """The results of DMARC (RFC 9989 9.2)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a DMARC result
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Mechanism(Enum):
    """The Authentication Mechanisms under DMARC (4.3)."""

    SPF = "spf"
    DKIM = "dkim"


class Authenticated(Enum):
    """What a mechanism said about an identifier, as far as DMARC asks."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """The DNS could not tell: it might have been authenticated."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM judged; Authenticated Identifiers are those with YES (3.2.1)."""

    mechanism: Mechanism
    domain: str
    authenticated: Authenticated


@dataclass(frozen=True, slots=True)
class Alignment:
    """Whether an identifier is aligned with the Author Domain (4.4), and why."""

    identifier: Identifier
    is_aligned: bool | None
    """None where it was not looked into, or the DNS could not tell."""
    why: Reason


@dataclass(frozen=True, slots=True)
class Discovery:
    """The policy that applies to an Author Domain (4.10.1)."""

    author_domain: str
    policy_domain: str | None = None
    """Where the record was found."""
    record: DmarcRecord | None = None
    failure: Reason | None = None
    """Why the DNS could not tell."""

    @property
    def is_inherited(self) -> bool:
        """Whether the record is not at the Author Domain itself: sp or np may apply."""
        return self.policy_domain != self.author_domain


@dataclass(frozen=True, slots=True)
class DmarcEvaluation:
    """What DMARC found."""

    result: DmarcResult
    reason: Reason
    """What decided: a code of :class:`~dmarc_milter.dmarc.reasons.DmarcReason`."""
    author_domain: str | None = None
    discovery: Discovery | None = None
    published_policy: Policy | None = None
    """p, sp or np, whichever applies; None where no record does."""
    policy: Policy | None = None
    """The same after t=y (4.7): the policy to be applied to a failing message."""
    alignments: tuple[Alignment, ...] = ()
    walks: tuple[Walk, ...] = ()
    """The DNS Tree Walks that were needed: names asked, records found."""

    @property
    def aligned(self) -> tuple[Identifier, ...]:
        """The Authenticated Identifiers that are aligned."""
        return tuple(
            each.identifier
            for each in self.alignments
            if each.is_aligned and each.identifier.authenticated is Authenticated.YES
        )

    @property
    def is_test(self) -> bool:
        """Whether t=y made the policy milder."""
        return self.policy is not self.published_policy


async def discover(resolver: Resolver, author_domain: str, walks: TreeWalks | None = None) -> Discovery:
    """DMARC Policy Discovery (RFC 9989 4.10.1) for an Author Domain in A-labels, lower case.

    Without a record, `policy_domain` and `record` of what comes back are None; `failure` says so where the DNS could
    not tell.
    """
    walks = walks or TreeWalks(resolver)
    record, failure = await walks.record_at(author_domain)
    if failure is not None:
        return Discovery(author_domain, failure=failure)
    if record is not None:
        return Discovery(author_domain, author_domain, record)
    walk = await walks.walk(author_domain)
    if walk.failure is not None:
        return Discovery(author_domain, failure=walk.failure)
    organizational_domain = walk.organizational_domain
    record = walk.record_at(organizational_domain)
    if record is not None:
        return Discovery(author_domain, organizational_domain, record)
    suffix = walk.public_suffix
    if suffix is not None:
        return Discovery(author_domain, suffix.domain, suffix.record)
    return Discovery(author_domain)


async def evaluate(resolver: Resolver, author_domain: str, identifiers: Sequence[Identifier]) -> DmarcEvaluation:
    """DMARC for one message with one Author Domain (RFC 9989 5.3): pass, fail, none or temperror.

    `identifiers` are the domains that SPF and DKIM judged, not only those that they authenticated: one that the DNS
    could not tell of makes a temperror of what else would be a fail.
    """
    walks = TreeWalks(resolver)
    discovery = await discover(resolver, author_domain, walks)
    if discovery.failure is not None:
        return DmarcEvaluation(DmarcResult.TEMPERROR, discovery.failure, author_domain, discovery, walks=walks.walked)
    record = discovery.record
    if record is None or record.policy is None:
        return DmarcEvaluation(DmarcResult.NONE, _why_none(discovery), author_domain, discovery, walks=walks.walked)
    alignments = await _alignments(walks, discovery, record, identifiers)
    result, reason = _outcome(alignments)
    published, unknown = await _published_policy(resolver, discovery, record)
    if unknown is not None and result is DmarcResult.FAIL:
        result, reason = DmarcResult.TEMPERROR, unknown
    policy = published.one_level_below if record.is_test else published
    return DmarcEvaluation(result, reason, author_domain, discovery, published, policy, alignments, walks.walked)


def _why_none(discovery: Discovery) -> Reason:
    if discovery.policy_domain is None:
        return DmarcReason.NO_RECORD()
    return DmarcReason.NO_VALID_POLICY(domain=discovery.policy_domain)


async def _published_policy(
    resolver: Resolver, discovery: Discovery, record: DmarcRecord
) -> tuple[Policy, Reason | None]:
    """Which of p, sp and np applies (4.10.1); with why the DNS could not tell whether the Author Domain exists."""
    assert record.policy is not None
    if not discovery.is_inherited:
        return record.policy, None
    existing = record.subdomain_policy or record.policy
    if record.nonexistent_policy is None or record.nonexistent_policy is existing:
        return existing, None
    # 3.2.13: a name does not exist where a query for it, of whatever type, gives NXDOMAIN.
    answer = await addresses(resolver, discovery.author_domain, RecordType.A)
    if answer.failed:
        stricter = max(existing, record.nonexistent_policy, key=list(Policy).index)
        return stricter, DmarcReason.DNS_FAILED(type="A", name=discovery.author_domain, because=answer.failure)
    return (record.nonexistent_policy if answer.outcome is AnswerOutcome.NO_SUCH_NAME else existing), None


async def _alignments(
    walks: TreeWalks, discovery: Discovery, record: DmarcRecord, identifiers: Sequence[Identifier]
) -> tuple[Alignment, ...]:
    """Identifier Alignment Evaluation (4.10.2). What needs no question comes first: it may be enough."""
    author_domain = discovery.author_domain
    modes = {Mechanism.SPF: record.spf_alignment, Mechanism.DKIM: record.dkim_alignment}
    results = [_without_walk(author_domain, each, modes[each.mechanism]) for each in identifiers]
    if any(each.is_aligned and each.identifier.authenticated is Authenticated.YES for each in results):
        return tuple(results)
    passes = False
    for index, each in enumerate(results):
        if each.is_aligned is None and not passes:
            results[index] = await _by_walk(walks, author_domain, each.identifier)
            passes = bool(results[index].is_aligned) and each.identifier.authenticated is Authenticated.YES
    return tuple(results)


async def alignment(walks: TreeWalks, author_domain: str, identifier: Identifier, mode: AlignmentMode) -> Alignment:
    """Whether one identifier is aligned, whatever else is: a report tells it of each mechanism (RFC 9990 3.1.1.9).

    `is_aligned` is None where the DNS could not tell.
    """
    found = _without_walk(author_domain, identifier, mode)
    return found if found.is_aligned is not None else await _by_walk(walks, author_domain, identifier)


_IDENTICAL, _STRICT = DmarcReason.IDENTICAL(), DmarcReason.STRICT()
_NOT_AUTHENTICATED, _NOT_LOOKED_INTO = DmarcReason.NOT_AUTHENTICATED(), DmarcReason.NOT_LOOKED_INTO()


def _without_walk(author_domain: str, identifier: Identifier, mode: AlignmentMode) -> Alignment:
    if identifier.domain == author_domain:
        return Alignment(identifier, True, _IDENTICAL)
    if identifier.authenticated is Authenticated.NO:
        return Alignment(identifier, False, _NOT_AUTHENTICATED)
    if mode is AlignmentMode.STRICT:
        return Alignment(identifier, False, _STRICT)
    if not may_share_organizational_domain(identifier.domain, author_domain):
        return Alignment(identifier, False, DmarcReason.NO_COMMON_DOMAIN(domain=author_domain))
    return Alignment(identifier, None, _NOT_LOOKED_INTO)


async def _by_walk(walks: TreeWalks, author_domain: str, identifier: Identifier) -> Alignment:
    """Relaxed alignment: the same Organizational Domain, found by a walk for each of the two (3.2.10.1).

    That of an identifier is at or above it (4.10.2). So one that is not below the Author Domain's is not aligned, and
    nothing is asked about it: a stranger's DNS is no part of the answer.
    """
    own = await walks.walk(author_domain)
    if own.failure is not None:
        return Alignment(identifier, None, own.failure)
    organizational_domain = own.organizational_domain
    if not is_at_or_below(identifier.domain, organizational_domain):
        return Alignment(identifier, False, DmarcReason.OUTSIDE(domain=organizational_domain))
    other = await walks.walk(identifier.domain)
    if other.failure is not None:
        return Alignment(identifier, None, other.failure)
    if other.organizational_domain == organizational_domain:
        return Alignment(identifier, True, DmarcReason.SAME_ORGANIZATIONAL_DOMAIN(domain=organizational_domain))
    found = other.organizational_domain
    why = DmarcReason.OTHER_ORGANIZATIONAL_DOMAIN(found=found, domain=organizational_domain)
    return Alignment(identifier, False, why)


def _outcome(alignments: tuple[Alignment, ...]) -> tuple[DmarcResult, Reason]:
    """Pass or fail (5.3.5), or neither where an answer of the DNS is missing that might have made it pass (5.3.6)."""
    unknown: Alignment | None = None
    for each in alignments:
        if each.is_aligned and each.identifier.authenticated is Authenticated.YES:
            mechanism, domain = each.identifier.mechanism.value, each.identifier.domain
            return DmarcResult.PASS, DmarcReason.ALIGNED(mechanism=mechanism, domain=domain, because=each.why)
        if each.is_aligned is not False and each.identifier.authenticated is not Authenticated.NO:
            unknown = unknown or each
    if unknown is None:
        return DmarcResult.FAIL, _why_not(alignments)
    mechanism, domain = unknown.identifier.mechanism.value, unknown.identifier.domain
    if unknown.is_aligned:
        return DmarcResult.TEMPERROR, DmarcReason.AUTHENTICATION_UNKNOWN(mechanism=mechanism, domain=domain)
    reason = DmarcReason.ALIGNMENT_UNKNOWN(mechanism=mechanism, domain=domain, because=unknown.why)
    return DmarcResult.TEMPERROR, reason


def _why_not(alignments: tuple[Alignment, ...]) -> Reason:
    authenticated = [each for each in alignments if each.identifier.authenticated is Authenticated.YES]
    if not authenticated:
        return DmarcReason.NOTHING_AUTHENTICATED()
    return DmarcReason.NOT_ALIGNED(because=tuple(map(_of_identifier, authenticated)))


def _of_identifier(found: Alignment) -> Reason:
    identifier = found.identifier
    return DmarcReason.IDENTIFIER(mechanism=identifier.mechanism.value, domain=identifier.domain, because=found.why)


_FAILING = {Policy.NONE: 2, Policy.QUARANTINE: 4, Policy.REJECT: 6}
_UNKNOWN = {Policy.NONE: 3, Policy.QUARANTINE: 5, Policy.REJECT: 5}
"""Put off (by policy) is stricter than delivered with a mark."""


def strictest(evaluations: Sequence[DmarcEvaluation]) -> DmarcEvaluation:
    """Of a message that shows several authors, the evaluation that asks for most (RFC 9989 11.5).

    The strictest policy among those that fail; then what the DNS could not tell; a pass only where all pass.
    """
    return max(evaluations, key=_severity)


def _severity(evaluation: DmarcEvaluation) -> int:
    policy = evaluation.policy or Policy.NONE
    if evaluation.result is DmarcResult.FAIL:
        return _FAILING[policy]
    if evaluation.result is DmarcResult.TEMPERROR:
        return _UNKNOWN[policy]
    return 0 if evaluation.result is DmarcResult.PASS else 1


def not_applicable(reason: Reason) -> DmarcEvaluation:
    """A permerror, for a message without exactly one Author Domain: DMARC cannot validate it (RFC 9989 5.3.1)."""
    return DmarcEvaluation(DmarcResult.PERMERROR, reason)
