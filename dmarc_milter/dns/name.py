"""Domain names as this program holds them: ``str``, lower case, A-labels, no dot at the end.

Two strictnesses are needed. An *identifier* (Author Domain, ``d=``, MAIL FROM) is compared, shown to people and put
into headers, so it must be made of letters, digits, hyphens and underscores. A name that is only asked for in the DNS
(an SPF macro may put anything into one) merely has to fit into a packet.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import idna

MAX_NAME = 253
"""Octets of a name in text form without the last dot (RFC 1035 2.3.4: 255 on the wire)."""

MAX_LABEL = 63
"""Octets of one label (RFC 1035 2.3.4)."""

_IDENTIFIER = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_DECOMPOSED = 2
"""A character may be written as a letter and an accent: so many times the characters of an A-label are looked at."""
_IDEOGRAPHIC_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


def to_identifier(domain: str) -> str | None:
    """The A-label form (RFC 5890 2.3.2.1) of `domain` in lower case, or None where it is no domain name.

    One dot at the end is dropped. U-labels are converted by IDNA 2008 with the mapping of UTS 46, which is what mail
    programs show; a name that IDNA refuses is refused here, never repaired.
    """
    return _usual_identifier(domain) if len(domain) <= MAX_NAME else _identifier(domain)


def _identifier(domain: str) -> str | None:
    name = domain[:-1] if domain.endswith(".") else domain
    if not name.isascii():
        converted = _to_a_labels(name)
        if converted is None:
            return None
        name = converted
    name = name.lower()
    if len(name) > MAX_NAME or _IDENTIFIER.fullmatch(name) is None:
        return None
    return name


_usual_identifier = lru_cache(maxsize=2_048)(_identifier)
"""At most 4 MB: a key has up to 253 characters of four octets, a result up to 253 octets."""


def _to_a_labels(name: str) -> str | None:
    if len(name) > _DECOMPOSED * MAX_NAME:
        return None
    parts = name.translate(_IDEOGRAPHIC_DOTS).split(".")
    if any(len(label) > _DECOMPOSED * MAX_LABEL for label in parts):
        # Versions of idna before 3.7 take time that grows with the square of a label.
        return None
    try:
        # Label by label, since a service label (_dmarc, selector._domainkey) is no valid IDNA label.
        return ".".join(
            label
            if label.isascii()
            else idna.encode(label, uts46=True, transitional=False, std3_rules=True).decode("ascii")
            for label in parts
        )
    except (idna.IDNAError, UnicodeError):
        return None


def labels(name: str) -> list[bytes] | None:
    """The labels of `name` as octets, or None where it cannot be asked for: an empty or an overlong label or name."""
    octets = name.encode("utf-8", "surrogateescape")
    if not octets or len(octets) > MAX_NAME:
        return None
    parts = octets.split(b".")
    if any(not 1 <= len(part) <= MAX_LABEL for part in parts):
        return None
    return parts


def is_at_or_below(name: str, ancestor: str) -> bool:
    """Whether `name` is `ancestor` or a subdomain of it."""
    return name == ancestor or name.endswith("." + ancestor)


class DomainPattern(NamedTuple):
    """A domain in a setting: ``example.com`` alone, or ``.example.com`` for it and everything below."""

    domain: str
    with_subdomains: bool

    def matches(self, name: str) -> bool:
        """Whether `name` (A-labels, lower case) is the domain, or lies below it where the pattern says so."""
        return name == self.domain or (self.with_subdomains and is_at_or_below(name, self.domain))


def domain_pattern(text: str) -> DomainPattern | None:
    """Read a pattern; None where it holds no domain name."""
    domain = to_identifier(text.removeprefix("."))
    return None if domain is None else DomainPattern(domain, text.startswith("."))
