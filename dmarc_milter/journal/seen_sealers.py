"""The ARC sealers that vouch for mail that fails DMARC: what trusting each would spare, and what it spares (pure)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dmarc_milter.columns.origin import SENT_ON
from dmarc_milter.dns.name import DomainPattern

MAX_SEALERS = 10_000
MAX_NAMES = 100
"""Domains that are remembered of one sealer: whoever seals chooses them."""


class Sealed(NamedTuple):
    """A message for which a valid chain vouches."""

    chain: tuple[str, ...]
    """Those that have to be trusted, the newest first: the last of them saw dmarc=pass."""
    author_domain: str | None
    kind: str
    is_spared: bool
    """Whether it was accepted for its seals; else it was not, or would not be in mode enforce."""


@dataclass
class SeenSealer:
    """The messages that are spared only if this domain is trusted."""

    name: str
    messages: int = 0
    """Those that are not accepted."""
    sent_on: int = 0
    """Of these, how many have a header that the Author Domain signed, and another body: no sealer can make that up."""
    beside: "Counter[str]" = field(default_factory=Counter)
    """Who has to be trusted, too, for how many of them."""
    authors: "Counter[str]" = field(default_factory=Counter)
    """Their Author Domains."""
    spared: int = 0
    """Those that were accepted, because it is trusted."""

    def add(self, sealed: Sealed) -> None:
        """One message more."""
        if sealed.is_spared:
            self.spared += 1
            return
        self.messages += 1
        self.sent_on += sealed.kind == SENT_ON
        _count(self.beside, {*sealed.chain} - {self.name})
        _count(self.authors, [sealed.author_domain] if sealed.author_domain else [])

    def is_trusted(self, trusted: Sequence[DomainPattern]) -> bool:
        """Whether the settings name it."""
        return any(pattern.matches(self.name) for pattern in trusted)


def _count(counted: "Counter[str]", names: Iterable[str]) -> None:
    for name in sorted(names):
        if name in counted or len(counted) < MAX_NAMES:
            counted[name] += 1


def seen(messages: Iterable[Sealed]) -> list[SeenSealer]:
    """Each sealer, those first that would spare or spared most."""
    found: dict[str, SeenSealer] = {}
    for sealed in messages:
        for name in dict.fromkeys(sealed.chain):
            if name in found or len(found) < MAX_SEALERS:
                found.setdefault(name, SeenSealer(name)).add(sealed)
    return sorted(found.values(), key=lambda each: (-each.messages, -each.spared, each.name))


def of_no_use(found: Iterable[SeenSealer], trusted: Sequence[DomainPattern]) -> list[str]:
    """What the settings trust, and what spared nothing."""
    useful = [each.name for each in found if each.spared]
    return [_written(pattern) for pattern in trusted if not any(map(pattern.matches, useful))]


def setting(found: Iterable[SeenSealer], trusted: Sequence[DomainPattern]) -> str | None:
    """The line for ``[policy.indirect]`` with those that would spare something; None where there are no new ones."""
    new = sorted(each.name for each in found if each.messages and not each.is_trusted(trusted))
    quoted = ", ".join(f'"{each}"' for each in (*map(_written, trusted), *new))
    return f"trusted_sealers = [{quoted}]" if new else None


def _written(pattern: DomainPattern) -> str:
    return f".{pattern.domain}" if pattern.with_subdomains else pattern.domain
