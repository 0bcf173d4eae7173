"""Why SPF has a result, why a record is none, and what each term came to. Sections are those of RFC 7208.

Parameters: ``domain`` whose record it is, ``term`` as it is written there, ``name`` of a look-up, ``because`` the
reason below, ``limit`` a bound, ``position`` an octet of the record.
"""

from dmarc_milter.common.reason import ReasonCode


class SpfReason(ReasonCode):
    """The reason of a :class:`~dmarc_milter.spf.check.Check`, and those below it."""

    # What decided
    TERM_MATCHED = "term-matched"
    """4.6.2: `term`, `domain`."""
    NO_TERM_MATCHED = "no-term-matched"
    """4.7: `domain`."""

    # No result: none (2.6.1)
    NO_DOMAIN = "no-domain"
    """4.3: nothing that could have a record."""
    NO_RECORD = "no-record"
    """4.5: `domain`."""
    NO_CLIENT = "no-client"
    """Nobody is known who could be authorized: mail of this host."""
    UNKNOWN_CLIENT = "unknown-client"
    """A trusted relay does not tell who handed it the message: `because`."""

    # temperror (2.6.6)
    DNS_FAILED = "dns-failed"
    """4.4, 5: `type` and `name` of the question, `because`."""

    # permerror (2.6.7)
    SEVERAL_RECORDS = "several-records"
    """4.5: `domain`, `count`."""
    UNREADABLE_RECORD = "unreadable-record"
    """4.6: `domain`, `because` (one of those below), `position`."""
    INCLUDE_FAILED = "include-failed"
    """5.2, an include comes to none: `term`, `domain`, `because`."""
    REDIRECT_FAILED = "redirect-failed"
    """6.1, the same of redirect=: `domain`, `because`."""
    TOO_MANY_TERMS = "too-many-terms"
    """4.6.4, that ask the DNS: `limit`."""
    TOO_MANY_VOID_LOOKUPS = "too-many-void-lookups"
    """4.6.4: `limit`, `term`."""
    TOO_MANY_EXCHANGES = "too-many-exchanges"
    """4.6.4, 5.4: `domain` that has them, `limit`."""
    MACRO_VALUE_TOO_LONG = "macro-value-too-long"
    """`letter`, whose value is longer than RFC 5321 4.5.3.1 allows."""

    # A record cannot be read (4.6, 12)
    RECORD_TOO_LONG = "record-too-long"
    """`limit`"""
    NOT_ASCII = "not-ascii"
    """3.1"""
    REPEATED_MODIFIER = "repeated-modifier"
    """6: `modifier`, redirect or exp."""
    NO_TERM = "no-term"
    """4.6.1: `term`, which is no mechanism and no modifier."""
    UNKNOWN_MECHANISM = "unknown-mechanism"
    """4.6.1: `mechanism`."""
    ARGUMENT_OF_ALL = "argument-of-all"
    """5.1"""
    MISSING_DOMAIN = "missing-domain"
    """5.2, 5.7, 7.1: `mechanism` has none."""
    EMPTY_DOMAIN = "empty-domain"
    """7.1: there is nothing behind the colon or the equals sign."""
    NO_TOP_LABEL = "no-top-label"
    """7.1: a domain-spec ends in something else."""
    PREFIX_TOO_LONG = "prefix-too-long"
    """5.3, 5.4, 5.6, longer than an address: `family`, `limit`."""
    NO_NETWORK = "no-network"
    """5.6: neither an address nor a network."""
    NO_ADDRESS = "no-address"
    """5.6"""

    # A macro-string cannot be read (7.1, 7.2)
    UNREADABLE_MACRO = "unreadable-macro"
    INVALID_CHARACTER = "invalid-character"
    UNKNOWN_LETTER = "unknown-letter"
    """`letter`"""
    EXPLANATION_LETTER = "explanation-letter"
    """`letter`, which is for explanations only."""
    ZERO_PARTS = "zero-parts"

    # Notes of a trace
    MATCH = "match"
    NO_MATCH = "no-match"
    RECORD = "record"
    """4.5: `record`, its text."""
    INCLUDES = "includes"
    """5.2, the evaluation of the target begins."""
    INCLUDED = "included"
    """5.2, it has ended: `result` there, and `because`, match or no match."""
    REDIRECTS = "redirects"
    """6.1"""
