"""Why a message has no Author Domain, and why it is not known who handed it to a trusted relay."""

from dmarc_milter.common.reason import ReasonCode


class Unusable(ReasonCode):
    """What is wrong with the From field of a message (RFC 9989 5.3.1)."""

    NO_FIELD = "no-field"
    """RFC 5322 3.6: one is required."""
    SEVERAL_FIELDS = "several-fields"
    """RFC 5322 3.6: more than one."""
    SEVERAL_DOMAINS = "several-domains"
    """RFC 9989 11.5: authors of different domains."""
    NO_MAILBOX = "no-mailbox"
    NO_DOMAIN = "no-domain"
    """A mailbox has none."""
    ADDRESS_LITERAL = "address-literal"
    """RFC 5322 3.4.1: an address of a host stands for the domain."""
    INVALID_DOMAIN = "invalid-domain"
    """What stands for the domain cannot be one."""
    CONTROL_CHARACTER = "control-character"
    MALFORMED = "malformed"
    """RFC 5322 3.4 does not allow it in any other way."""
    TOO_MANY_AUTHORS = "too-many-authors"
    """It is malformed, and shows more domains than are judged."""
    TOO_LONG = "too-long"

    @property
    def is_always_refused(self) -> bool:
        """Whether no setting accepts it: what the field shows could not be looked at within the bounds."""
        return self is Unusable.TOO_MANY_AUTHORS or self is Unusable.TOO_LONG


class ReceivedReason(ReasonCode):
    """Why the Received fields (RFC 5321 4.4) name no client outside of the trusted relays."""

    UNREADABLE_RECEIVED = "unreadable-received"
    """It has the form of no program that is known here: `position`, counted from the topmost field, which is 1."""
    AMBIGUOUS_RECEIVED = "ambiguous-received"
    """A known program wrote it, and its client's words may name another client: `position`."""
    TOO_MANY_RELAYS = "too-many-relays"
    """`limit`"""
    NO_OUTSIDE_CLIENT = "no-outside-client"
