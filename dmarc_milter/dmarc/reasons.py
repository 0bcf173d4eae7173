"""Why DMARC has a result, why an identifier is aligned or not, and what is wrong in a record.

Sections are those of RFC 9989. Parameters: ``domain`` that a sentence is about, ``mechanism`` spf or dkim, ``tag`` and
``value`` as they are written in a record, ``because`` the reason or reasons below.
"""

from dmarc_milter.common.reason import ReasonCode


class DmarcReason(ReasonCode):
    """The reason of a :class:`~dmarc_milter.dmarc.evaluation.DmarcEvaluation`, and those below it."""

    # pass (5.3.5)
    ALIGNED = "aligned"
    """`mechanism`, `domain`, `because`: how (see below)."""

    # fail (5.3.5)
    NOTHING_AUTHENTICATED = "nothing-authenticated"
    NOT_ALIGNED = "not-aligned"
    """`because`: for each Authenticated Identifier, why it is not."""
    IDENTIFIER = "identifier"
    """One of those: `mechanism`, `domain`, `because`."""

    # none (4.10.1)
    NO_RECORD = "no-record"
    NO_VALID_POLICY = "no-valid-policy"
    """`domain` whose record it is."""

    # temperror (5.3.6)
    DNS_FAILED = "dns-failed"
    """`type` and `name` of the question, `because`."""
    AUTHENTICATION_UNKNOWN = "authentication-unknown"
    """Of an aligned identifier: `mechanism`, `domain`."""
    ALIGNMENT_UNKNOWN = "alignment-unknown"
    """`mechanism`, `domain`, `because`."""

    # permerror (5.3.1)
    UNUSABLE_FROM = "unusable-from"
    """`because`: why there is no Author Domain."""

    # Identifier Alignment (4.4, 4.10.2)
    IDENTICAL = "identical"
    SAME_ORGANIZATIONAL_DOMAIN = "same-organizational-domain"
    """`domain`"""
    NOT_AUTHENTICATED = "not-authenticated"
    STRICT = "strict"
    """Not identical, which strict alignment asks for."""
    NO_COMMON_DOMAIN = "no-common-domain"
    """`domain`: the Author Domain."""
    OUTSIDE = "outside"
    """Neither at nor below the Author Domain's Organizational Domain: `domain`."""
    OTHER_ORGANIZATIONAL_DOMAIN = "other-organizational-domain"
    """`found`, and `domain`: the Author Domain's."""
    NOT_LOOKED_INTO = "not-looked-into"
    """Another identifier was enough."""

    # What is wrong in a record (4.7, 4.8)
    NO_TAG = "no-tag"
    """`value`"""
    REPEATED_TAG = "repeated-tag"
    """`tag`"""
    HISTORIC_TAG = "historic-tag"
    """RFC 7489 knew it: `tag`."""
    INVALID_POLICY = "invalid-policy"
    """`tag`, `value`"""
    INVALID_VALUE = "invalid-value"
    """`tag`, `value`, and which there are: `values`."""
    INVALID_URI = "invalid-uri"
    """`tag`, `value`"""
    INVALID_OPTIONS = "invalid-options"
    """Of fo=: `value`."""
