"""What is remembered of messages that enforce does not accept, and that belong together (pure).

Strangers choose most of the names, so that a few of each kind are remembered.
"""

import ipaddress
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dmarc_milter.columns.column import Row

_NETWORK_BITS = 48
MAX_NAMES = 50
"""Networks, lists, sealers and reasons that are remembered, each."""
MAX_EXAMPLES = 3


@dataclass
class Particulars:
    """Of one message or more."""

    decided: "Counter[tuple[str, str]]" = field(default_factory=Counter)
    """By mode, and by what enforce does or would have done."""
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
        self.decided[row["mode"], row["wanted"]] += 1
        _count(self.reasons, row["dmarc_reason"] or row["reason"])
        _count(self.networks, network_of(row["outer_client"] or row["client"]))
        _count(self.lists, row["list_id"])
        _count(self.sealers, tuple(row["arc_vouching"] or ()))
        self.examples = [*self.examples[1 - MAX_EXAMPLES :], row["queue_id"]]

    def join(self, later: "Particulars") -> None:
        """Those of messages that are not older."""
        self.first = self.first or later.first
        self.last = later.last
        self.decided.update(later.decided)
        for name in _COUNTED:
            counted = getattr(self, name)
            for each, count in getattr(later, name).items():
                _count(counted, each, count)
        self.examples = [*self.examples, *later.examples][-MAX_EXAMPLES:]

    def text(self) -> str:
        """To be kept."""
        counted: dict[str, Any] = {name: list(getattr(self, name).items()) for name in ("decided", *_COUNTED)}
        return json.dumps({**counted, "examples": self.examples, "first": self.first, "last": self.last})

    @classmethod
    def of(cls, text: str) -> "Particulars":
        """What :meth:`text` made."""
        kept = json.loads(text)
        found = cls(examples=kept["examples"], first=kept["first"], last=kept["last"])
        for name in ("decided", *_COUNTED):
            for each, count in kept[name]:
                getattr(found, name)[tuple(each) if isinstance(each, list) else each] = count
        return found


_COUNTED = ("reasons", "networks", "lists", "sealers")


def _count(counted: "Counter[Any]", name: Any, messages: int = 1) -> None:
    if name and (name in counted or len(counted) < MAX_NAMES):
        counted[name] += messages


def network_of(address: str | None) -> str:
    """The /24 or /48 of an address, as text; ``local`` without one."""
    if address is None:
        return "local"
    if ":" not in address:
        # As it is asked for each of very many messages: the octets but the last.
        return f"{address.rpartition('.')[0]}.0/24"
    found = ipaddress.IPv6Address(address)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
