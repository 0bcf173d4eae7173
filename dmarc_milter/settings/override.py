"""[[override]]"""

from dataclasses import dataclass
from typing import Annotated, Literal

from dmarc_milter.settings.addresses import IpNetwork
from dmarc_milter.settings.constraints import Example, Pattern

SpfResultName = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]


@dataclass(frozen=True, slots=True)
class OverrideSection:
    """Rules of your own, which are applied before anything else decides. The first rule that matches counts. A rule
    matches if each of its conditions matches. A condition matches if one of its values does. "example.com" is that
    domain alone, ".example.com" it and everything below."""

    name: Annotated[str, Pattern(r"[A-Za-z0-9_.-]{1,64}", 'like "partner-gateway"'), Example("partner-gateway")]
    """The name of the rule in log and metrics. A rule whose count stays at 0 there never matches."""

    action: Annotated[Literal["accept", "quarantine", "reject", "tempfail"], Example("accept")]
    """"accept", "quarantine", "reject" or "tempfail"."""

    reason: Annotated[str, Example("their gateway breaks signatures, ticket 4711")] = ""
    """A note for people that says why this rule exists."""

    client: tuple[IpNetwork, ...] = ()
    """Networks of the client; behind trusted relays, of the client of the outermost one."""

    reverse_name: Annotated[tuple[str, ...], Example((".outbound.partner.example",))] = ()
    """A name of the client that resolves back to its address."""

    from_domain: Annotated[tuple[str, ...], Example(("partner.example",))] = ()
    """The From domain. If From is malformed, the rule is applied to each domain that From shows."""

    spf_domain: tuple[str, ...] = ()
    """The domain for which SPF passed."""

    dkim_domain: tuple[str, ...] = ()
    """The domain of a signature that passed."""

    arc_sealer: tuple[str, ...] = ()
    """The domain of the last seal of a valid ARC chain."""

    list_id: tuple[str, ...] = ()
    """List-Id. Anybody can write it, so add a condition on something that was authenticated."""

    recipient_domain: tuple[str, ...] = ()
    """The domains of all recipients."""

    helo: Annotated[tuple[str, ...], Example((".dynamic.example.net",))] = ()
    """What the client called itself. Anybody can say anything."""

    mail_from_domain: Annotated[tuple[str, ...], Example(("bounces.example.net",))] = ()
    """The domain of MAIL FROM, whether or not it is authenticated."""

    spf: Annotated[tuple[SpfResultName, ...], Example(("fail",))] = ()
    """The result of SPF for MAIL FROM (for HELO where the reverse-path is null): "pass", "fail", "softfail",
    "neutral", "none", "temperror" or "permerror". RFC 9989 7.1 advises against refusing on SPF alone: forwarding
    breaks SPF, but DKIM may still pass. So add another condition, for example dmarc = ["none"]."""

    helo_spf: tuple[SpfResultName, ...] = ()
    """The result of SPF for HELO. It is checked only if a rule has this condition."""

    dkim: tuple[Literal["pass", "fail", "none", "temperror"], ...] = ()
    """The combined result of all signatures: "pass" if one passes, else "temperror" if the DNS failed for one, else
    "fail". Without a signature, it is "none"."""

    dmarc: Annotated[tuple[Literal["pass", "fail", "none", "temperror", "permerror"], ...], Example(("fail",))] = ()
    """The result of DMARC: "pass", "fail", "none" (no policy is published), "temperror" or "permerror"."""

    policy: Annotated[tuple[Literal["none", "quarantine", "reject"], ...], Example(("none",))] = ()
    """The policy of the Domain Owner, after t=y: "none", "quarantine" or "reject". With dmarc = ["fail"] and policy
    = ["none"], a rule is about failing mail of domains that only monitor."""

    @property
    def has_conditions(self) -> bool:
        """Whether the rule names any condition: one without would decide on all mail."""
        return any(
            (
                self.client,
                self.reverse_name,
                self.from_domain,
                self.spf_domain,
                self.dkim_domain,
                self.arc_sealer,
                self.list_id,
                self.recipient_domain,
                self.helo,
                self.mail_from_domain,
                self.spf,
                self.helo_spf,
                self.dkim,
                self.dmarc,
                self.policy,
            )
        )
