"""What check_host() gives: a result of RFC 7208 2.6 with its reason, and the steps that led there."""

from dataclasses import dataclass
from enum import Enum

from dmarc_milter.common.reason import Reason
from dmarc_milter.spf.macro import MacroString, MacroValues


class SpfResult(Enum):
    """The results of check_host() (RFC 7208 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - an SPF result
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the explanation of a fail is published: ask with :func:`dmarc_milter.spf.explanation.explain`."""

    domain: MacroString
    values: MacroValues


@dataclass(frozen=True, slots=True)
class Check:
    """What check_host() found."""

    result: SpfResult
    reason: Reason
    """The term that matched, or what was wrong: a code of :class:`~dmarc_milter.spf.reasons.SpfReason`."""
    explanation: Explanation | None = None
    dns_terms: int = 0
    void_lookups: int = 0
    is_senders_failure: bool = False
    """Of a temperror: it is the DNS of a name that the sender chose (by HELO, say), not of the domain's owner."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an evaluation, for whoever wants to know why."""

    depth: int
    """0 for the domain's own record, one more within each include."""
    domain: str
    """Whose record."""
    term: str
    """The term as written, or ``record`` for the look-up of the record itself."""
    target: str
    """The domain that the term's domain-spec expanded to, or empty."""
    note: Reason
    """What was found."""
    dns_terms: int
    void_lookups: int
