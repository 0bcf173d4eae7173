"""What to do about a message: a pure function from a verdict and the settings to a disposition, first match decides."""

from dataclasses import dataclass, replace
from enum import Enum

from dmarc_milter.arc.chain import ArcStatus
from dmarc_milter.arc.results import MethodResult
from dmarc_milter.common.network import Network, contains
from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.evaluation import DmarcEvaluation, DmarcResult
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.dns.name import DomainPattern, to_identifier
from dmarc_milter.judging.override import Override, authenticated_domains
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.verdict import Action, Disposition, OverrideType, Verdict
from dmarc_milter.message.mailing_list import ListPattern
from dmarc_milter.message.reasons import ReceivedReason, Unusable


class Mode(Enum):
    """Whether messages are refused at all."""

    MONITOR = "monitor"
    ENFORCE = "enforce"


class Quarantine(Enum):
    """What p=quarantine comes to."""

    HEADER = "header"
    """Deliver; the header says so."""
    HOLD = "hold"
    """The MTA's quarantine."""
    REJECT = "reject"


class OnTemporaryError(Enum):
    """What is done where the DNS could not tell (RFC 9989 5.3.6)."""

    BY_POLICY = "by-policy"
    """Tempfail where a known policy asks for quarantine or reject, else accept."""
    ACCEPT = "accept"
    TEMPFAIL = "tempfail"


class OnUnusableFrom(Enum):
    """What is done with a message that has no single Author Domain, and shows none either (RFC 9989 11.5)."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class OnMailingList(Enum):
    """What becomes of a failing message of a trusted list; never more than the Domain Owner asked for."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What a decision needs of the settings."""

    mode: Mode = Mode.MONITOR
    quarantine: Quarantine = Quarantine.HEADER
    temperror: OnTemporaryError = OnTemporaryError.BY_POLICY
    unusable_from: OnUnusableFrom = OnUnusableFrom.REJECT
    overrides: tuple[Override, ...] = ()
    trusted_sealers: tuple[DomainPattern, ...] = ()
    trusted_lists: tuple[ListPattern, ...] = ()
    mailing_list: OnMailingList = OnMailingList.QUARANTINE


_ACTIONS = {Policy.NONE: Action.ACCEPT, Policy.QUARANTINE: Action.QUARANTINE, Policy.REJECT: Action.REJECT}
_SEVERITY = {Action.ACCEPT: 0, Action.QUARANTINE: 1, Action.TEMPFAIL: 2, Action.REJECT: 3}


def unjudged(
    client_address: bytes | None, *, is_local: bool, authenticated: str | None, trusted_networks: tuple[Network, ...]
) -> Reason | None:
    """Why a session's messages are not judged at all, or None where they are: mail of our own users is not.

    `client_address` is 4 or 16 octets. `is_local` is mail that came in without a network connection, `authenticated`
    the MTA's macro {auth_authen}.
    """
    if is_local:
        return PolicyReason.LOCAL_SUBMISSION()
    if authenticated:
        return PolicyReason.AUTHENTICATED_SENDER()
    if contains(trusted_networks, client_address):
        return PolicyReason.TRUSTED_NETWORK()
    return None


def decide(verdict: Verdict, settings: PolicySettings) -> Disposition:
    """What to do (RFC 9989 5.4, 7.2). First match decides: the operator's rules, indirect mail, the Domain Owner.

    In mode monitor everything is accepted, and `enforced_action` says what enforce would have done.
    """
    enforced = _enforced(verdict, settings)
    if settings.mode is Mode.ENFORCE or enforced.enforced_action is Action.ACCEPT:
        return enforced
    return replace(enforced, action=Action.ACCEPT)


def _enforced(verdict: Verdict, settings: PolicySettings) -> Disposition:
    """The strictest outcome of the domains that From shows: none of them may get another one out of a rule."""
    shown = verdict.author.apparent or (verdict.author.domain,)
    found = [_by_rule_or_verdict(verdict, settings, each) for each in shown]
    return max(found, key=lambda each: _SEVERITY[each.enforced_action])


def _by_rule_or_verdict(verdict: Verdict, settings: PolicySettings, author_domain: str | None) -> Disposition:
    """First match decides: the operator's rules, then what the message itself comes to."""
    rule = next((each for each in settings.overrides if each.matches(verdict, author_domain)), None)
    if rule is not None:
        return _by_rule(rule, verdict, settings)
    return _by_verdict(verdict, settings)


def _by_rule(rule: Override, verdict: Verdict, settings: PolicySettings) -> Disposition:
    """It counts as an override only where it changed the outcome (RFC 9990)."""
    usual = _by_verdict(verdict, settings)
    action = _as_set(rule.action, settings)
    comment = PolicyReason.RULE_SAYS(rule=rule.name, text=rule.reason)
    reason = PolicyReason.RULE(rule=rule.name, text=rule.reason, because=usual.reason)
    override = OverrideType.LOCAL_POLICY if action is not usual.enforced_action else None
    return Disposition(action, action, reason, override, comment, rule.name)


def _by_verdict(verdict: Verdict, settings: PolicySettings) -> Disposition:
    """A malformed From that shows domains is judged by DMARC: it was applied to each of them."""
    author = verdict.author
    if author.unusable is not None and (author.unusable.is_always_refused or not author.apparent):
        return _without_author(author.unusable, settings)
    evaluation = verdict.dmarc
    if evaluation.result is DmarcResult.TEMPERROR:
        return _on_temporary_error(evaluation, settings)
    if evaluation.result is DmarcResult.FAIL:
        asked = _by_domain_owner(evaluation, settings)
        return asked if asked.action is Action.ACCEPT else _indirect(verdict, settings, asked)
    reason = _WITHOUT_POLICY[evaluation.result](because=evaluation.reason)
    return Disposition(Action.ACCEPT, Action.ACCEPT, reason)


_WITHOUT_POLICY = {
    DmarcResult.PASS: PolicyReason.DMARC_PASS,
    DmarcResult.NONE: PolicyReason.DMARC_NONE,
    DmarcResult.PERMERROR: PolicyReason.DMARC_PERMERROR,
}


def _indirect(verdict: Verdict, settings: PolicySettings, asked: Disposition) -> Disposition:
    """Mail that a forwarder or a list we believe sent on (RFC 9989 5.4, 7.2 to 7.4)."""
    sealer = vouching_sealer(verdict, settings.trusted_sealers)
    if sealer is not None:
        comment = PolicyReason.SEALER_SAW_PASS(sealer=sealer)
        reason = PolicyReason.TRUSTED_FORWARDER(because=asked.reason, comment=comment)
        return _milder(
            asked, Disposition(Action.ACCEPT, Action.ACCEPT, reason, OverrideType.TRUSTED_FORWARDER, comment)
        )
    operator = _list_operator(verdict, settings.trusted_lists)
    if operator is None or verdict.mailing_list is None:
        return _if_client_is_known(verdict, asked)
    action = _as_set(Action(settings.mailing_list.value), settings)
    comment = PolicyReason.LIST_IS_TRUSTED(list_id=verdict.mailing_list.list_id, domain=operator)
    reason = PolicyReason.MAILING_LIST(because=asked.reason, comment=comment)
    return _milder(asked, Disposition(action, action, reason, OverrideType.MAILING_LIST, comment))


def _if_client_is_known(verdict: Verdict, asked: Disposition) -> Disposition:
    """`asked`, but no refusal where SPF is unknown by the fault of a relay that the operator named."""
    reason = verdict.relayed.reason if verdict.relayed is not None else None
    if reason is None or reason.code is not ReceivedReason.UNREADABLE_RECEIVED:
        return asked
    comment = PolicyReason.RELAY_IS_UNREAD()
    told = PolicyReason.UNREAD_RELAY(because=asked.reason, comment=comment)
    other = Disposition(Action.QUARANTINE, Action.QUARANTINE, told, OverrideType.LOCAL_POLICY, comment)
    return _milder(asked, other)


def _list_operator(verdict: Verdict, trusted: tuple[ListPattern, ...]) -> str | None:
    """The authenticated domain for whose lists an exception is made, or None: anybody can write List-Id."""
    found = verdict.mailing_list
    if found is None or not found.has_address:
        return None
    domains = authenticated_domains(verdict)
    return next((each for each in domains if any(pattern.covers(found, each) for pattern in trusted)), None)


def _milder(asked: Disposition, other: Disposition) -> Disposition:
    """`other` instead of what was asked for, unless that is no milder."""
    return other if _SEVERITY[other.enforced_action] < _SEVERITY[asked.enforced_action] else asked


def vouching_sealer(verdict: Verdict, trusted: tuple[DomainPattern, ...]) -> str | None:
    """The trusted sealer of a valid chain that saw dmarc=pass for the Author Domain, or None.

    From the last seal backwards, and only as long as every sealer is trusted: whoever sealed later may have changed
    the message, and vouches for nothing unless we believe it (RFC 8617 9.4, 9.6).
    """
    chain = vouching_chain(verdict)
    are_trusted = all(any(pattern.matches(sealer) for pattern in trusted) for sealer in chain)
    return chain[-1] if chain and are_trusted else None


def vouching_chain(verdict: Verdict) -> tuple[str, ...]:
    """The sealers to be trusted, newest first, so that the last of them vouches; empty where none saw dmarc=pass."""
    if verdict.arc.status is not ArcStatus.PASS:
        return ()
    sealers = []
    for sealed in reversed(verdict.arc.results):
        sealers.append(sealed.sealer)
        results = sealed.of("dmarc")
        if results and all(_is_pass_for(each, verdict.author.domain) for each in results):
            return tuple(sealers)
    return ()


def _is_pass_for(result: MethodResult, author_domain: str | None) -> bool:
    """Whether a sealer says that it saw this very Author Domain pass: without header.from it may be another's."""
    seen = {to_identifier(value.rpartition("@")[2]) for value in result.values("header.from")}
    return result.result == "pass" and author_domain is not None and seen == {author_domain}


def _without_author(unusable: Unusable, settings: PolicySettings) -> Disposition:
    wanted = OnUnusableFrom.REJECT if unusable.is_always_refused else settings.unusable_from
    action = _as_set(Action(wanted.value), settings)
    return Disposition(action, action, PolicyReason.UNUSABLE_FROM(because=unusable()))


def _on_temporary_error(evaluation: DmarcEvaluation, settings: PolicySettings) -> Disposition:
    if settings.temperror is not OnTemporaryError.BY_POLICY:
        action = Action(settings.temperror.value)
        return Disposition(action, action, PolicyReason.DMARC_TEMPERROR(because=evaluation.reason))
    # Without a policy it is the Author Domain's own DNS that fails, which the sender does not control.
    if evaluation.policy is None:
        reason = PolicyReason.TEMPERROR_WITHOUT_POLICY(because=evaluation.reason)
        return Disposition(Action.ACCEPT, Action.ACCEPT, reason)
    action = Action.ACCEPT if evaluation.policy is Policy.NONE else Action.TEMPFAIL
    domain, policy = _policy_domain(evaluation), evaluation.policy.value
    reason = PolicyReason.TEMPERROR_WITH_POLICY(because=evaluation.reason, domain=domain, policy=policy)
    return Disposition(action, action, reason)


def _policy_domain(evaluation: DmarcEvaluation) -> str:
    found = evaluation.discovery.policy_domain if evaluation.discovery is not None else None
    return found or "unknown"


def _by_domain_owner(evaluation: DmarcEvaluation, settings: PolicySettings) -> Disposition:
    """The Domain Owner's policy, after t=y (RFC 9989 4.7, 5.4)."""
    assert evaluation.policy is not None
    assert evaluation.published_policy is not None
    action = _as_set(_ACTIONS[evaluation.policy], settings)
    domain, policy = _policy_domain(evaluation), evaluation.policy.value
    reason = PolicyReason.DMARC_FAIL(because=evaluation.reason, domain=domain, policy=policy)
    if not evaluation.is_test:
        return Disposition(action, action, reason)
    comment = PolicyReason.ONE_LEVEL_BELOW(published=evaluation.published_policy.value, policy=policy)
    tested = PolicyReason.TEST_MODE(because=reason, comment=comment)
    return Disposition(action, action, tested, OverrideType.POLICY_TEST_MODE, comment)


def _as_set(action: Action, settings: PolicySettings) -> Action:
    """`action`, but for a quarantine that the settings make a refusal."""
    refuses = action is Action.QUARANTINE and settings.quarantine is Quarantine.REJECT
    return Action.REJECT if refuses else action
