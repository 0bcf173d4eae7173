"""Why something is done with a message, by whom it was decided, and what was left undone.

Parameters: ``because`` the reason below, ``comment`` what overrode the policy (a reason), ``domain`` whose policy it
is.
Sections are those of RFC 9989.
"""

from dmarc_milter.common.reason import ReasonCode


class PolicyReason(ReasonCode):
    """The reason of a :class:`~dmarc_milter.judging.verdict.Disposition`, and its comment."""

    # It was not judged: mail of our own users
    LOCAL_SUBMISSION = "local-submission"
    AUTHENTICATED_SENDER = "authenticated-sender"
    TRUSTED_NETWORK = "trusted-network"

    # It could not be judged
    HEADER_TOO_LARGE = "header-too-large"
    TOO_MANY_FORGED_FIELDS = "too-many-forged-fields"
    """RFC 8601 5: they could not be deleted."""
    FORGED_FIELDS_STAY = "forged-fields-stay"
    """The MTA does not let us delete any."""
    UNFINISHED_HEADER = "unfinished-header"
    """The MTA ended the message before its header."""
    ERROR = "error"
    """Of the filter itself."""

    # DMARC decided (5.4, 7.2)
    DMARC_PASS = "dmarc-pass"  # noqa: S105 - a DMARC result
    DMARC_NONE = "dmarc-none"
    DMARC_PERMERROR = "dmarc-permerror"
    """All of them: `because`."""
    DMARC_FAIL = "dmarc-fail"
    """`because`, `domain`, `policy` that applies."""
    DMARC_TEMPERROR = "dmarc-temperror"
    """5.3.6, a setting decided: `because`."""
    TEMPERROR_WITH_POLICY = "temperror-with-policy"
    """5.3.6, the policy decided: `because`, `domain`, `policy`."""
    TEMPERROR_WITHOUT_POLICY = "temperror-without-policy"
    """5.3.6, there is none: `because`."""
    UNUSABLE_FROM = "unusable-from"
    """5.3.1, 11.5, there is no Author Domain: `because`."""

    # Something overrode the policy (RFC 9990): `because` is what would have been, `comment` one of those below
    TEST_MODE = "test-mode"
    """4.7, t=y"""
    TRUSTED_FORWARDER = "trusted-forwarder"
    MAILING_LIST = "mailing-list"
    UNREAD_RELAY = "unread-relay"
    """What a trusted relay wrote cannot be read, so SPF is unknown: not refused."""
    RULE = "rule"
    """An [[override]] of the settings: `rule`, its `text` or nothing, `because`."""

    # What the MTA is told of a message that it is to keep
    HELD = "held"
    """`domain`, the Author Domain, if there is one."""

    # Comments
    ONE_LEVEL_BELOW = "one-level-below"
    """4.7: `published`, and the `policy` that it becomes."""
    SEALER_SAW_PASS = "sealer-saw-pass"  # noqa: S105 - a DMARC result
    """RFC 8617 9: `sealer`."""
    LIST_IS_TRUSTED = "list-is-trusted"
    """`list_id`, and the `domain` that was authenticated."""
    RELAY_IS_UNREAD = "relay-is-unread"
    RULE_SAYS = "rule-says"
    """`rule`, its `text` or nothing."""
