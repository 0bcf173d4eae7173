"""Rules of the operator that come before anything else: [[override]] of the settings (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmarc_milter.arc.chain import ArcStatus
from dmarc_milter.common import network
from dmarc_milter.common.network import Network, contains
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dns.name import DomainPattern, to_identifier
from dmarc_milter.judging.pattern import domain_patterns
from dmarc_milter.judging.verdict import Action, Verdict
from dmarc_milter.settings.override import OverrideSection
from dmarc_milter.spf.check import SpfResult


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
    helo: tuple[DomainPattern, ...] = ()
    """What the client called itself: anybody can say anything."""
    mail_from_domain: tuple[DomainPattern, ...] = ()
    """The domain of MAIL FROM, authenticated or not."""
    spf: tuple[str, ...] = ()
    helo_spf: tuple[str, ...] = ()
    """Results of check_host() (RFC 7208 2.6)."""
    dkim: tuple[str, ...] = ()
    """What all signatures come to, see :func:`dkim_result`."""
    dmarc: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    """The policy that applies, after t=y."""

    def matches(self, verdict: Verdict, author_domain: str | None) -> bool:
        """Whether every condition holds for a message, with `author_domain` as the domain of From."""
        if self.client and not contains(self.client, verdict.client_address):
            return False
        recipients = verdict.recipient_domains
        return self._fits_results(verdict) and (
            _any(self.reverse_name, verdict.reverse_names)
            and _any(self.from_domain, _present(author_domain))
            and _any(self.spf_domain, _spf_domains(verdict))
            and _any(self.dkim_domain, _dkim_domains(verdict))
            and _any(self.arc_sealer, _sealers(verdict))
            and _any(self.list_id, _present(verdict.mailing_list.list_id if verdict.mailing_list else None))
            # One recipient of another domain would get what the rule was not written for.
            and (not self.recipient_domain or bool(recipients))
            and all(_any(self.recipient_domain, (each,)) for each in recipients)
            and _any(self.helo, _present(to_identifier(verdict.helo)))
            and _any(self.mail_from_domain, _present(to_identifier(verdict.envelope.mail_from.rpartition("@")[2])))
        )

    def _fits_results(self, verdict: Verdict) -> bool:
        policy, helo = verdict.dmarc.policy, verdict.helo_spf
        return (
            _is_one(self.spf, verdict.spf.check.result.value)
            and _is_one(self.helo_spf, helo.result.value if helo is not None else None)
            and _is_one(self.dkim, dkim_result(verdict) if self.dkim else None)
            and _is_one(self.dmarc, verdict.dmarc.result.value)
            and _is_one(self.policy, policy.value if policy is not None else None)
        )


def _is_one(wanted: tuple[str, ...], found: str | None) -> bool:
    return not wanted or found in wanted


def dkim_result(verdict: Verdict) -> str:
    """What all come to: pass where one passes, else temperror where the DNS failed for one, else fail; or none."""
    found = {each.result for each in verdict.signatures}
    if DkimResult.PASS in found:
        return "pass"
    if DkimResult.TEMPERROR in found:
        return "temperror"
    return "fail" if found else "none"


def overrides(sections: Sequence[OverrideSection]) -> tuple[Override, ...]:
    """The rules of the settings. Raises ConfigError."""
    return tuple(_override(section, f"override[{index}]") for index, section in enumerate(sections))


def _override(section: OverrideSection, name: str) -> Override:
    return Override(
        name=section.name,
        action=Action(section.action),
        reason=section.reason,
        client=tuple(map(network.of, section.client)),
        reverse_name=domain_patterns(section.reverse_name, f"{name}.reverse_name"),
        from_domain=domain_patterns(section.from_domain, f"{name}.from_domain"),
        spf_domain=domain_patterns(section.spf_domain, f"{name}.spf_domain"),
        dkim_domain=domain_patterns(section.dkim_domain, f"{name}.dkim_domain"),
        arc_sealer=domain_patterns(section.arc_sealer, f"{name}.arc_sealer"),
        list_id=domain_patterns(section.list_id, f"{name}.list_id"),
        recipient_domain=domain_patterns(section.recipient_domain, f"{name}.recipient_domain"),
        helo=domain_patterns(section.helo, f"{name}.helo"),
        mail_from_domain=domain_patterns(section.mail_from_domain, f"{name}.mail_from_domain"),
        spf=section.spf,
        helo_spf=section.helo_spf,
        dkim=section.dkim,
        dmarc=section.dmarc,
        policy=section.policy,
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
