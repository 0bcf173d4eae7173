"""The figures of a period, beside those of the period of the same length before it (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` up to `until`, in seconds since 1970."""

    since: float
    until: float

    @property
    def before(self) -> "Period":
        """The one of the same length that ends where this one begins."""
        return Period(2 * self.since - self.until, self.since)


class Figure(NamedTuple):
    """How many messages."""

    now: int = 0
    before: int = 0


Figures = Mapping[str, Figure]


class Domain(NamedTuple):
    """An Author Domain whose mail failed, or was acted on or would have been."""

    name: str | None
    """None: From has no usable domain."""
    messages: Figure
    network: str | None
    """From where most of it came."""
    proves_to_be: str | None
    """The domain that the newest of them were authenticated as most often; None: most often nobody."""


class Network(NamedTuple):
    """An IPv4 /24 or IPv6 /48 from where such mail came."""

    name: str | None
    """None: the client is not known, or local."""
    messages: Figure
    domains: int
    """Author Domains that it used."""


class MailingList(NamedTuple):
    """A List-Id, as messages carry it."""

    name: str
    messages: Figure
    failing: Figure


@dataclass(frozen=True, slots=True)
class Summary:
    """A period in figures."""

    period: Period
    begins: float | None
    """When the journal's first count is from; None: there is none."""
    oldest: float | None
    """When the oldest record is from: counts stay longer, but domains, networks and lists are read from records."""
    is_complete: bool
    """Whether all records of older versions are counted."""
    hosts: tuple[str, ...]
    modes: tuple[str, ...]
    all: Figure
    unjudged: Figure
    """Accepted without being judged."""
    done: Figures
    """By action; what was accepted without being judged is not among it."""
    would_be: Figures
    """By action: what enforce would have done, where it was not done."""
    spared: Figures
    """By the kind of override (RFC 9990)."""
    rules: Figures
    """By the name of the rule that decided."""
    results: Mapping[str, Figures]
    """By method, and by result."""
    hourly: tuple[tuple[int, int], ...]
    """Start of an hour, messages; every hour of the period, from the journal's first one on."""
    domains: tuple[Domain, ...]
    networks: tuple[Network, ...]
    lists: tuple[MailingList, ...]
