"""The values that one message's evaluation hands on to policy, header, log and metrics."""

from dataclasses import dataclass
from enum import Enum

from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.common.reason import Reason
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc import evaluation as dmarc_evaluation
from dmarc_milter.message.author import Author
from dmarc_milter.message.mailing_list import MailingList
from dmarc_milter.message.received import Relayed
from dmarc_milter.spf.check import Check


class SpfIdentity(Enum):
    """Which identity SPF was asked about (RFC 7208 2.3, 2.4)."""

    MAIL_FROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the SMTP conversation said before the message."""

    client_address: bytes | None
    """4 or 16 octets; None where mail came in without a network connection."""
    helo: str
    mail_from: str
    """The reverse-path without brackets; empty where it is null."""


@dataclass(frozen=True, slots=True)
class SpfFinding:
    """SPF for this message."""

    check: Check
    identity: SpfIdentity
    domain: str | None
    """The domain checked, or None where it is no domain name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found out about one message."""

    envelope: Envelope
    spf: SpfFinding
    signatures: tuple[SignatureResult, ...]
    signatures_left_out: int
    arc: Chain
    author: Author
    dmarc: dmarc_evaluation.DmarcEvaluation
    relayed: Relayed | None = None
    """What the Received fields say, where a trusted relay brought the message."""
    reverse_names: tuple[str, ...] = ()
    """The client's names that resolve back to its address; looked up only where a rule asks for them."""
    mailing_list: MailingList | None = None
    recipient_domains: tuple[str, ...] = ()
    """Known only where a rule asks for them."""
    is_dmarc_report: bool = False
    """Whether it says of itself that it is an aggregate report (RFC 9990 3.5.2)."""
    helo_spf: Check | None = None
    """SPF for HELO; asked for only where a rule wants it."""

    @property
    def client_address(self) -> bytes | None:
        """Who handed the message to us, or to the outermost of our trusted relays; None where that is unknown."""
        if self.relayed is None:
            return self.envelope.client_address
        return self.relayed.client.address if self.relayed.client else None

    @property
    def helo(self) -> str:
        """What that client called itself."""
        return self.relayed.client.helo if self.relayed and self.relayed.client else self.envelope.helo

    @property
    def has_arc(self) -> bool:
        """Whether the message has a chain, valid or not."""
        return self.arc.status is not ArcStatus.NONE


class Action(Enum):
    """What can be done with a message."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    TEMPFAIL = "tempfail"


class OverrideType(Enum):
    """Why the outcome is not what the Domain Owner's policy says (RFC 9990, PolicyOverrideType)."""

    LOCAL_POLICY = "local_policy"
    MAILING_LIST = "mailing_list"
    OTHER = "other"
    POLICY_TEST_MODE = "policy_test_mode"
    TRUSTED_FORWARDER = "trusted_forwarder"


@dataclass(frozen=True, slots=True)
class Disposition:
    """What is done with a message, and why."""

    action: Action
    """What is done."""
    enforced_action: Action
    """What would be done if the filter did not only watch (mode monitor)."""
    reason: Reason
    """A code of :class:`~dmarc_milter.judging.reasons.PolicyReason`."""
    override: OverrideType | None = None
    comment: Reason | None = None
    """What overrode the policy."""
    rule: str | None = None
    """The name of the [[override]] that decided."""
