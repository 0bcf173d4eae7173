"""What to do about a message: a pure function from a verdict and the settings to a disposition, first match decides."""

from dataclasses import dataclass
from enum import Enum

from dmarc_milter.dmarc.evaluation import Evaluation, Result
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.message.author import Unusable
from dmarc_milter.verdict import Action, Disposition, OverrideType, Verdict


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

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"


class OnUnusableFrom(Enum):
    """What is done with a message that has no single Author Domain (RFC 9989 11.5)."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """[policy] of the settings, as far as a decision needs it."""

    mode: Mode = Mode.MONITOR
    quarantine: Quarantine = Quarantine.HEADER
    temperror: OnTemporaryError = OnTemporaryError.ACCEPT
    unusable_from: OnUnusableFrom | None = None
    """None: reject several From fields or domains, accept the rest."""


_ACTIONS = {Policy.NONE: Action.ACCEPT, Policy.QUARANTINE: Action.QUARANTINE, Policy.REJECT: Action.REJECT}


def decide(verdict: Verdict, settings: PolicySettings) -> Disposition:
    """What to do. In mode monitor everything is accepted, and `wanted` says what enforce would have done."""
    wanted = _wanted(verdict, settings)
    if settings.mode is Mode.ENFORCE or wanted.wanted is Action.ACCEPT:
        return wanted
    return Disposition(Action.ACCEPT, wanted.wanted, f"mode monitor: {wanted.reason}", wanted.override, wanted.comment)


def _wanted(verdict: Verdict, settings: PolicySettings) -> Disposition:
    if verdict.author.unusable is not None:
        return _without_author(verdict.author.unusable, settings)
    evaluation = verdict.dmarc
    if evaluation.result is Result.TEMPERROR:
        return _on_temporary_error(evaluation, settings)
    if evaluation.result is Result.FAIL:
        return _by_domain_owner(evaluation, settings)
    reason = f"dmarc={evaluation.result.value}: {evaluation.reason}"
    return Disposition(Action.ACCEPT, Action.ACCEPT, reason)


def _without_author(unusable: Unusable, settings: PolicySettings) -> Disposition:
    configured = settings.unusable_from
    if configured is None:
        configured = OnUnusableFrom.REJECT if unusable.names_several else OnUnusableFrom.ACCEPT
    action = Action(configured.value)
    if action is Action.QUARANTINE:
        action = _quarantine(settings)
    return Disposition(action, action, unusable.value)


def _on_temporary_error(evaluation: Evaluation, settings: PolicySettings) -> Disposition:
    action = Action(settings.temperror.value)
    return Disposition(action, action, f"dmarc=temperror: {evaluation.reason}")


def _by_domain_owner(evaluation: Evaluation, settings: PolicySettings) -> Disposition:
    """The Domain Owner's policy, after t=y (RFC 9989 4.7, 5.4)."""
    assert evaluation.policy is not None
    assert evaluation.published_policy is not None
    action = _ACTIONS[evaluation.policy]
    if action is Action.QUARANTINE:
        action = _quarantine(settings)
    where = evaluation.discovery.policy_domain if evaluation.discovery else None
    reason = f"dmarc=fail: {evaluation.reason}; policy of {where} is {evaluation.policy.value}"
    if not evaluation.is_test:
        return Disposition(action, action, reason)
    comment = f"t=y: {evaluation.published_policy.value} becomes {evaluation.policy.value}"
    return Disposition(action, action, f"{reason} ({comment})", OverrideType.POLICY_TEST_MODE, comment)


def _quarantine(settings: PolicySettings) -> Action:
    return Action.REJECT if settings.quarantine is Quarantine.REJECT else Action.QUARANTINE


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: code, enhanced status code (RFC 3463) and text, all of them safe to send."""

    code: str
    enhanced: str
    text: str


def reply(verdict: Verdict, disposition: Disposition) -> Reply | None:
    """The SMTP reply to a message that is not accepted."""
    domain = verdict.author.domain
    if disposition.action is Action.TEMPFAIL:
        return Reply("451", "4.7.24", f"Temporary DNS failure while checking DMARC for {domain}, try again later")
    if disposition.action is not Action.REJECT:
        return None
    if domain is None:
        unusable = verdict.author.unusable
        why = unusable.value if unusable else "no author"
        return Reply("550", "5.7.1", f"Email rejected per DMARC policy: {why}")
    return Reply("550", "5.7.1", f"Email rejected per DMARC policy for {domain}")
