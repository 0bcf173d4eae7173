"""Who is refused in mode enforce, or would be, and what would spare the honest ones (pure).

Messages are grouped by Author Domain and by what authenticated them, each by its own best identifier: one network may
send for many. Strangers choose how many groups there are, so the smallest give way, and what they held is summed up.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.origin import SENT_ON

_NETWORK_BITS = 48
MAX_GROUPS = 5_000
"""Groups that are told of; twice as many are counted before the smaller half gives way."""
MAX_NAMES = 50
"""Networks, lists, sealers and reasons that are remembered of a group, each."""
MAX_EXAMPLES = 3


class Method(Enum):
    """What authenticated a message."""

    DKIM = "dkim"
    SPF = "spf"
    NOBODY = "nobody"


@dataclass
class Group:
    """The messages of one Author Domain that one identifier authenticated."""

    author_domain: str
    """Empty where From has none."""
    method: Method
    identifier: str
    """A domain; empty for nobody's."""
    count: int = 0
    sent_on: int = 0
    """How many somebody sent on, as far as is known: the Author Domain signed, and the body was changed after it."""
    wanted: "Counter[str]" = field(default_factory=Counter)
    modes: "Counter[str]" = field(default_factory=Counter)
    reasons: "Counter[str]" = field(default_factory=Counter)
    networks: "Counter[str]" = field(default_factory=Counter)
    lists: "Counter[str]" = field(default_factory=Counter)
    sealers: "Counter[tuple[str, ...]]" = field(default_factory=Counter)
    """Of ARC: those that have to be trusted, the newest first, for the last of them saw dmarc=pass."""
    examples: list[str] = field(default_factory=list)
    """Queue ids of the newest."""
    first: float = 0.0
    last: float = 0.0

    def add(self, row: Row) -> None:
        """One message more, not older than those before."""
        self.first = self.first or row["time"]
        self.last = row["time"]
        self.count += 1
        self.sent_on += row["kind"] == SENT_ON
        self.wanted[row["wanted"]] += 1
        self.modes[row["mode"]] += 1
        _count(self.reasons, row["dmarc_reason"] or row["reason"])
        _count(self.networks, network_of(row["outer_client"] or row["client"]))
        _count(self.lists, row["list_id"])
        _count(self.sealers, tuple(row["arc_vouching"] or ()))
        self.examples = [*self.examples[1 - MAX_EXAMPLES :], row["queue_id"]]

    @property
    def condition(self) -> str | None:
        """The condition of a rule that fits these messages and that nobody else can meet; None if there is none."""
        return None if self.method is Method.NOBODY else f'{self.method.value}_domain = ["{self.identifier}"]'

    @property
    def is_known_forwarder(self) -> bool:
        """Whether it sent on what the Author Domain had signed. Whoever writes in another's name never shows that."""
        return self.method is not Method.NOBODY and self.sent_on > 0

    @property
    def rule(self) -> str | None:
        """A rule for the settings, to be read by a person before it is used; None where it could let a phisher in."""
        if self.condition is None or not self.author_domain or not self.is_known_forwarder:
            return None
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{self.author_domain}-by-{self.identifier}")[:64]
        return (
            f'[[override]]\nname = "{name}"\nfrom_domain = ["{self.author_domain}"]\n{self.condition}\n'
            f'action = "accept"\nreason = "sent on by {self.identifier}: seen {self.count} times"\n'
        )


def _count(counted: "Counter[Any]", name: Any) -> None:
    if name and (name in counted or len(counted) < MAX_NAMES):
        counted[name] += 1


@dataclass(frozen=True)
class Refused:
    """All messages that are refused, quarantined or deferred, or would be."""

    groups: tuple[Group, ...]
    """The largest first."""
    totals: "Counter[tuple[str, str]]"
    """By mode and by what enforce does with them: every one is counted here."""
    others: int = 0
    """Messages of groups that gave way."""

    @property
    def messages(self) -> int:
        """How many messages these are."""
        return sum(self.totals.values())


class Refusals:
    """Collects what is refused, quarantined or deferred, or would be; other messages are passed over."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, Method, str], Group] = {}
        self._totals: Counter[tuple[str, str]] = Counter()
        self._others = 0

    def add(self, row: Row) -> None:
        """One message more, not older than those before."""
        if row["wanted"] == "accept":
            return
        self._totals[row["mode"], row["wanted"]] += 1
        key = (row["author_domain"] or "", *best_identifier(row))
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= 2 * MAX_GROUPS:
                self._drop_smaller_half()
            group = self._groups[key] = Group(*key)
        group.add(row)

    def _drop_smaller_half(self) -> None:
        """One that has many messages yet to come begins anew; what is lost to its count is in what is summed up."""
        ranked = sorted(self._groups.items(), key=lambda item: item[1].count)
        for key, group in ranked[: len(ranked) // 2]:
            del self._groups[key]
            self._others += group.count

    def found(self) -> Refused:
        """All of it so far."""
        ranked = sorted(self._groups.values(), key=lambda each: (-each.count, each.author_domain, each.identifier))
        others = self._others + sum(each.count for each in ranked[MAX_GROUPS:])
        return Refused(tuple(ranked[:MAX_GROUPS]), self._totals, others)


def best_identifier(row: Row) -> tuple[Method, str]:
    """What authenticated one message: its list's own domain, else a signature, else MAIL FROM, else nobody."""
    signed = [each["domain"] for each in row["dkim"] or () if each["result"] == "pass" and each["domain"]]
    spf = row["spf_domain"] if row["spf"] == "pass" else None
    list_id = row["list_id"]
    for domain in signed:
        if list_id and (list_id == domain or list_id.endswith(f".{domain}")):
            return Method.DKIM, domain
    if signed:
        return Method.DKIM, signed[0]
    return (Method.SPF, spf) if spf else (Method.NOBODY, "")


def network_of(address: str | None) -> str:
    """The /24 or /48 of an address, as text; ``local`` without one."""
    if address is None:
        return "local"
    if ":" not in address:
        # As it is asked for each of very many messages: the octets but the last.
        return f"{address.rpartition('.')[0]}.0/24"
    found = ipaddress.IPv6Address(address)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))


def sealers_setting(found: Iterable[Group], trusted: Iterable[str]) -> str | None:
    """The line for ``[policy.indirect]`` with the sealers that saw dmarc=pass; None where there are no new ones."""
    named = list(trusted)
    seen = sorted({sealer for group in found for chain in group.sealers for sealer in chain} - set(named))
    quoted = ", ".join(f'"{each}"' for each in (*named, *seen))
    return f"trusted_sealers = [{quoted}]" if seen else None
