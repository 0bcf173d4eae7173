"""The settings as judging takes them: patterns compiled, networks packed, templates parsed, each of them once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dmarc_milter.common import network
from dmarc_milter.common.network import Network
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.source import Source
from dmarc_milter.judging.evaluation import EvaluationContext, EvaluationSettings
from dmarc_milter.judging.override import overrides
from dmarc_milter.judging.pattern import domain_patterns, list_patterns
from dmarc_milter.judging.policy import (
    Mode,
    OnMailingList,
    OnTemporaryError,
    OnUnusableFrom,
    PolicySettings,
    Quarantine,
)
from dmarc_milter.judging.reply import ReplySettings
from dmarc_milter.message.authserv_id import comparable
from dmarc_milter.message.mailing_list import ListPattern
from dmarc_milter.settings.config import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """What the transactions of a process share."""

    settings: Settings
    context: EvaluationContext
    decision: PolicySettings
    replies: ReplySettings
    trusted_networks: tuple[Network, ...]
    """Of own hosts and users."""
    other_ids: frozenset[str]
    """Ids beside our own under which only hosts of ours write."""
    wants_recipients: bool
    """Whether a rule asks for them."""
    failure_domains: tuple[DomainPattern, ...] = ()
    """Policy domains that may get failure reports."""

    @classmethod
    def of(cls, settings: Settings, runner: Runner, source: Source, clock: Callable[[], float] = time.time) -> "Site":
        """Built of the settings; DNS and time come in from outside. Raises ConfigError."""
        return cls(
            settings,
            EvaluationContext(runner, source, evaluation_settings(settings), clock),
            policy_settings(settings),
            ReplySettings.of(settings.policy.reply),
            tuple(map(network.of, settings.policy.trusted_networks)),
            frozenset(map(comparable, settings.milter.strip_authserv_ids)),
            any(rule.recipient_domain for rule in settings.override),
            failure_domains(settings),
        )


def check(settings: Settings) -> None:
    """Raises ConfigError where no site can be built of `settings`."""
    policy_settings(settings)
    ReplySettings.of(settings.policy.reply)
    failure_domains(settings)


def failure_domains(settings: Settings) -> tuple[DomainPattern, ...]:
    """None while reports are off. Raises ConfigError."""
    report = settings.report
    return domain_patterns(report.failure.domains, "report.failure.domains") if report.enabled else ()


def evaluation_settings(settings: Settings) -> EvaluationSettings:
    """What an evaluation needs."""
    return EvaluationSettings(
        settings.dns.deadline,
        settings.dkim.max_signatures,
        settings.dkim.allow_partial_body,
        tuple(map(network.of, settings.policy.trusted_relays)),
        any(rule.reverse_name for rule in settings.override),
        any(rule.helo_spf for rule in settings.override),
    )


def policy_settings(settings: Settings) -> PolicySettings:
    """What policy.decide needs. Raises ConfigError."""
    policy, indirect = settings.policy, settings.policy.indirect
    return PolicySettings(
        Mode(policy.mode),
        Quarantine(policy.quarantine),
        OnTemporaryError(policy.temperror),
        OnUnusableFrom(policy.unusable_from),
        overrides(settings.override),
        trusted_sealers(settings),
        trusted_lists(settings),
        OnMailingList(indirect.mailing_list),
    )


def trusted_sealers(settings: Settings) -> tuple[DomainPattern, ...]:
    """The ARC sealers that are trusted. Raises ConfigError."""
    return domain_patterns(settings.policy.indirect.trusted_sealers, "policy.indirect.trusted_sealers")


def trusted_lists(settings: Settings) -> tuple[ListPattern, ...]:
    """The mailing lists that are trusted. Raises ConfigError."""
    return list_patterns(settings.policy.indirect.trusted_lists, "policy.indirect.trusted_lists")
