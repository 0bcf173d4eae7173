"""The Author Domain (RFC 9989 3.2.2, 5.3.1): the one domain of the RFC 5322 From header field, or why there is none.

What is read here is written by whoever wants to be believed, and what counts is what a person will see. A field that
RFC 5322 allows, its obsolete forms included, has the domain that it says. What readers would make of any other field is
not known: each domain that one of them may show is an apparent author.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dmarc_milter.common.memo import Memo
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.message.apparent import apparent_domains
from dmarc_milter.message.lexer import text_of
from dmarc_milter.message.mailboxes import Fault, domains
from dmarc_milter.message.reasons import Unusable

MAX_FIELD = 128 << 10
"""Octets of a From field that are read."""

MAX_MALFORMED = 16 << 10
"""Octets of a From field whose apparent authors are looked for."""


_REASONS = {
    Fault.NO_DOMAIN: Unusable.NO_DOMAIN,
    Fault.ADDRESS_LITERAL: Unusable.ADDRESS_LITERAL,
    Fault.SEVERAL_ADDRESSES: Unusable.MALFORMED,
    Fault.CONTROL_CHARACTER: Unusable.CONTROL_CHARACTER,
    Fault.MALFORMED: Unusable.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class Author:
    """The Author Domain, or the reason why there is none."""

    domain: str | None = None
    """The one domain of a field that can be read, as A-labels."""
    unusable: Unusable | None = None
    """Why there is no domain."""
    apparent: tuple[str, ...] = ()
    """Apparent authors: the domains that readers may show of a field that cannot be read; A-labels, distinct, in their
    order, at most ``apparent.MAX_APPARENT``."""

    @property
    def authors(self) -> tuple[str, ...]:
        """The domains to which DMARC is applied: the Author Domain, or each apparent author."""
        return self.apparent if self.domain is None else (self.domain,)


def author(from_fields: Sequence[bytes]) -> Author:
    """The Author Domain of a message (RFC 9989 5.3.1) whose From fields have the values `from_fields`, as octets.

    There is always a value: without exactly one field that can be read and names one domain, it says why not.
    """
    if len(from_fields) != 1:
        return Author(unusable=Unusable.SEVERAL_FIELDS if from_fields else Unusable.NO_FIELD)
    value = from_fields[0]
    if len(value) > MAX_FIELD:
        return Author(unusable=Unusable.TOO_LONG)
    return _read_once(value)


def _read(value: bytes) -> Author:
    """The author of the only From field."""
    written = domains(text_of(value))
    if written is Fault.TOO_MANY:
        return Author(unusable=Unusable.TOO_LONG)
    return _malformed(value, written) if isinstance(written, Fault) else _readable(value, written)


def _kept_octets(value: bytes, read: Author) -> int:
    """What a field and its author take in memory, rounded up."""
    return 500 + len(value) + sum(100 + len(each) for each in read.authors)


_read_once = Memo(_read, _kept_octets, max_octets=1 << 20, max_key=512)
"""Senders write the same From field again and again."""


def _readable(value: bytes, written: list[str]) -> Author:
    """The author of a field that names the domains `written`."""
    found: set[str] = set()
    for domain in dict.fromkeys(written):
        identifier = None if domain.endswith(".") else to_identifier(domain)
        if identifier is None:
            return _without_domain(value, Unusable.INVALID_DOMAIN)
        found.add(identifier)
        if len(found) > 1:
            return Author(unusable=Unusable.SEVERAL_DOMAINS)
    return Author(domain=found.pop()) if found else _without_domain(value, Unusable.NO_MAILBOX)


def _malformed(value: bytes, fault: Fault) -> Author:
    found = _without_domain(value, _REASONS[fault])
    names_several = fault is Fault.SEVERAL_ADDRESSES and len(found.apparent) > 1
    return Author(unusable=Unusable.SEVERAL_DOMAINS) if names_several else found


def _without_domain(value: bytes, why: Unusable) -> Author:
    if len(value) > MAX_MALFORMED:
        return Author(unusable=Unusable.TOO_LONG)
    apparent = apparent_domains(value)
    return Author(unusable=Unusable.TOO_MANY_AUTHORS) if apparent is None else Author(None, why, apparent)
