"""Rules of the operator that come before anything else: [[override]] of the settings (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass

from dmarc_milter.arc.chain import ArcStatus
from dmarc_milter.common.network import Network, contains
from dmarc_milter.dkim.signature import DkimResult
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.judging.verdict import Action, Verdict
from dmarc_milter.spf.evaluation import SpfResult


@dataclass(frozen=True, slots=True)
class Override:
    """One rule. All conditions that are given must hold; each holds where any of its values fits."""

    name: str
    action: Action
    reason: str = ""
    """For people: why there is this rule."""
    client: tuple[Network, ...] = ()
    """The client, or behind trusted relays the client of the outermost one."""
    reverse_name: tuple[DomainPattern, ...] = ()
    """A name of the client that resolves back to its address."""
    from_domain: tuple[DomainPattern, ...] = ()
    """The Author Domain; where From is malformed, each domain that it shows in turn."""
    spf_domain: tuple[DomainPattern, ...] = ()
    """The domain for which SPF passed."""
    dkim_domain: tuple[DomainPattern, ...] = ()
    """The domain of a signature that passed."""
    arc_sealer: tuple[DomainPattern, ...] = ()
    """The domain of the last seal of a valid chain."""
    list_id: tuple[DomainPattern, ...] = ()
    """List-Id: anybody can write it, so ask for something that was authenticated too."""
    recipient_domain: tuple[DomainPattern, ...] = ()
    """The domains of all recipients."""

    @property
    def has_conditions(self) -> bool:
        return bool(self.client or any(patterns for patterns in self._patterns))

    @property
    def _patterns(self) -> tuple[tuple[DomainPattern, ...], ...]:
        return (
            self.reverse_name,
            self.from_domain,
            self.spf_domain,
            self.dkim_domain,
            self.arc_sealer,
            self.list_id,
            self.recipient_domain,
        )

    def matches(self, verdict: Verdict, author_domain: str | None) -> bool:
        """Whether every condition holds for a message, with `author_domain` as the domain of From."""
        if self.client and not contains(self.client, verdict.client_address):
            return False
        recipients = verdict.recipient_domains
        return (
            _any(self.reverse_name, verdict.reverse_names)
            and _any(self.from_domain, _present(author_domain))
            and _any(self.spf_domain, _spf_domains(verdict))
            and _any(self.dkim_domain, _dkim_domains(verdict))
            and _any(self.arc_sealer, _sealers(verdict))
            and _any(self.list_id, _present(verdict.mailing_list.list_id if verdict.mailing_list else None))
            # One recipient of another domain would get what the rule was not written for.
            and (not self.recipient_domain or bool(recipients))
            and all(_any(self.recipient_domain, (each,)) for each in recipients)
        )


def _any(patterns: tuple[DomainPattern, ...], names: Iterable[str]) -> bool:
    return not patterns or any(pattern.matches(name) for name in names for pattern in patterns)


def _present(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()


def _spf_domains(verdict: Verdict) -> tuple[str, ...]:
    return _present(verdict.spf.domain) if verdict.spf.check.result is SpfResult.PASS else ()


def _dkim_domains(verdict: Verdict) -> tuple[str, ...]:
    return tuple(each.domain for each in verdict.signatures if each.result is DkimResult.PASS and each.domain)


def _sealers(verdict: Verdict) -> tuple[str, ...]:
    return verdict.arc.sealers[-1:] if verdict.arc.status is ArcStatus.PASS else ()


def authenticated_domains(verdict: Verdict) -> tuple[str, ...]:
    """Every domain that SPF or DKIM authenticated."""
    return (*_spf_domains(verdict), *_dkim_domains(verdict))
