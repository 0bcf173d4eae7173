"""The values of a DNS look-up: a question, its answer, and the resolver that gives it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from dmarc_milter.common.reason import Reason
from dmarc_milter.dns.reasons import DnsReason


class RecordType(Enum):
    """The types of records that judging mail needs, by their numbers (RFC 1035 3.2.2, RFC 3596 2.1)."""

    A = 1
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28

    # Enum hashes by name in Python; this is the key of every cache, and identity is enough.
    __hash__ = object.__hash__


class AnswerOutcome(Enum):
    """The four ends of a look-up, which SPF, DKIM and DMARC each treat differently."""

    RECORDS = "records"
    NO_DATA = "no data"
    """The name exists, records of this type do not (RFC 2308 2.2)."""
    NO_SUCH_NAME = "no such name"
    """NXDOMAIN: neither the name nor anything below it exists (RFC 8020)."""
    TEMPORARY_FAILURE = "temporary failure"
    """No server answered in time, or the answer was SERVFAIL, REFUSED or not understood."""


_SERVFAIL = DnsReason.SERVFAIL()
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[R_co]):
    """What the DNS said.

    `records` is empty unless `outcome` is RECORDS. A TXT record is its strings joined without a separator (RFC 7208
    3.3, RFC 6376 3.6.2.2, RFC 9989 4.5), as ``bytes``; an address is 4 or 16 ``bytes``; an MX or PTR record is the name
    it points to, a ``str`` (the preference of an MX host plays no part in judging mail).
    """

    outcome: AnswerOutcome
    records: tuple[R_co, ...] = ()
    ttl: float = 0.0
    """Seconds for which the answer may be kept."""
    reason: Reason | None = None
    """Of a failure: a code of :class:`~dmarc_milter.dns.reasons.DnsReason`."""

    @property
    def failed(self) -> bool:
        """Whether it is a temporary failure."""
        return self.outcome is AnswerOutcome.TEMPORARY_FAILURE

    @property
    def failure(self) -> Reason:
        """Of one that failed, why: a failure about which nothing is known is the server's."""
        return self.reason or _SERVFAIL

    @property
    def is_late(self) -> bool:
        """Whether it is not there because the time of whoever asked is over."""
        return self is LATE

    @property
    def is_local(self) -> bool:
        """Whether it is a failure of this host, which says nothing of the name: another try may have room."""
        return self.failed and not self.ttl

    @property
    def is_void(self) -> bool:
        """A void lookup by RFC 7208 4.6.4: no such name, or no records of the type asked for."""
        return self.outcome is AnswerOutcome.NO_SUCH_NAME or self.outcome is AnswerOutcome.NO_DATA


LATE: Answer[Any] = Answer(AnswerOutcome.TEMPORARY_FAILURE, reason=DnsReason.DEADLINE())
"""What is given at a deadline."""


class Question(NamedTuple):
    """A name (lower case, no dot at the end) and the type of records wanted."""

    name: str
    type: RecordType


class Resolver(Protocol):
    """Answers questions; never raises for what the DNS does."""

    async def resolve(self, question: Question) -> Answer[Any]:
        """The answer, as soon as it is there."""

    def peek(self, question: Question) -> Answer[Any] | None:
        """The answer where it is known without asking anyone, else None."""

    def prefetch(self, questions: Sequence[Question], then: "OnAnswer | None" = None) -> None:
        """Start asking, so that a later `resolve` waits less. `then` is called with each answer, on any thread.

        A prefetch is a courtesy: where there is no room for it, nothing is asked, and `then` is never called.
        """


OnAnswer = Callable[[Question, Answer[Any]], None]
"""Whoever wants to know an answer once it is there."""


async def text_records(resolver: Resolver, name: str) -> Answer[bytes]:
    """The TXT records of `name`, each with its strings joined, as octets."""
    return await resolver.resolve(Question(name, RecordType.TXT))


async def addresses(resolver: Resolver, name: str, family: RecordType) -> Answer[bytes]:
    """The addresses of `name`, packed; `family` is A or AAAA."""
    return await resolver.resolve(Question(name, family))


async def mail_exchanges(resolver: Resolver, name: str) -> Answer[str]:
    """The names of the mail exchanges of `name`."""
    return await resolver.resolve(Question(name, RecordType.MX))


async def pointers(resolver: Resolver, name: str) -> Answer[str]:
    """The names to which `name` (in in-addr.arpa or ip6.arpa) points."""
    return await resolver.resolve(Question(name, RecordType.PTR))
