"""Why a look-up ended without records.

Parameters: ``number`` is an RCODE, ``error`` what the system says, ``because`` the reason below, ``limit`` a bound of
ours.
"""

from dmarc_milter.common.reason import ReasonCode


class DnsReason(ReasonCode):
    """The reason of an :class:`~dmarc_milter.dns.answer.Answer`, or within it of a packet that cannot be read."""

    # The servers' answer is an error (RFC 1035 4.1.1, RFC 6895 2.3)
    FORMERR = "formerr"
    SERVFAIL = "servfail"
    NOTIMP = "notimp"
    REFUSED = "refused"
    OTHER_RCODE = "other-rcode"
    """`number`"""

    # There is no answer
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """`error`"""
    CONNECTION_CLOSED = "connection-closed"
    """Over TCP, before the answer was whole (RFC 7766 6.2.4)."""
    NO_SERVER = "no-server"
    INCOMPLETE_ANSWER = "incomplete-answer"
    """An alias whose target the server did not follow (RFC 1034 4.3.2)."""
    INVALID_NAME = "invalid-name"
    """The name fits into no packet (RFC 1035 2.3.4), so nobody has it."""

    # There is no room or time for the question
    DEADLINE = "deadline"
    MESSAGE_ENDED = "message-ended"
    TOO_MANY_QUESTIONS = "too-many-questions"
    """Of one message."""
    TOO_MANY_UNDER_WAY = "too-many-under-way"
    """Of all messages."""

    # The answer is no DNS message (RFC 1035 4.1)
    UNREADABLE = "unreadable"
    """`because`: one of those below."""
    CUT_SHORT = "cut-short"
    TOO_MANY_PIECES = "too-many-pieces"
    """`limit` of labels and strings."""
    TOO_MANY_READS = "too-many-reads"
    """Over TCP, it came in more pieces than any network makes of it."""
    OTHER_QUESTION = "other-question"
    ADDRESS_LENGTH = "address-length"
    """RFC 1035 3.4.1, RFC 3596 2.2."""
    NAME_IN_RECORD = "name-in-record"
    """A name ends before its record does, or after it."""
    NAME_BEYOND_MESSAGE = "name-beyond-message"
    NAME_LOOPS = "name-loops"
    """Compression (RFC 1035 4.1.4)."""
    NAME_TOO_LONG = "name-too-long"
    LABEL_KIND = "label-kind"
    """Neither a label nor a pointer (RFC 1035 4.1.4)."""
    EMPTY_TXT = "empty-txt"
    """RFC 1035 3.3.14: one string at least."""
    STRING_BEYOND_RECORD = "string-beyond-record"
