"""Why an ARC chain fails. Sections are those of RFC 8617.

Parameters: ``field`` the name of a field, ``instance`` its i=, ``because`` the reason below, ``limit`` a bound.
"""

from dmarc_milter.common.reason import ReasonCode


class ArcReason(ReasonCode):
    """The reason of a :class:`~dmarc_milter.arc.chain.Chain`, and those below it."""

    # Its structure (5.2, steps 1 to 3)
    TOO_MANY_SETS = "too-many-sets"
    """4.2.1: `limit`."""
    REPEATED_INSTANCE = "repeated-instance"
    """`field`, `instance`"""
    NO_INSTANCE = "no-instance"
    """`field`"""
    UNREADABLE_FIELD = "unreadable-field"
    """`field`, `because`"""
    INCOMPLETE_SETS = "incomplete-sets"
    CHAIN_VALUE = "chain-value"
    """`instance` of a seal, `value` of its cv=."""
    SIGNS_SEALS = "signs-seals"
    """4.1.2: the message signature of `instance`."""
    SEAL_WITH_FIELDS = "seal-with-fields"
    """4.1.3: the seal of `instance` has h=."""

    # Its signatures (5.2, steps 4 and 6)
    MESSAGE_SIGNATURE = "message-signature"
    """`instance`, `because`, a reason of DKIM."""
    SEAL = "seal"
    """`instance`, `because`, a reason of DKIM or the next."""
    SEAL_DOES_NOT_FIT = "seal-does-not-fit"
    """It is not of the fields, or not by the key."""
