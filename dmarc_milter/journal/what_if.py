"""Who would have been refused if the mode had been enforce, and which rules would spare the honest ones (pure)."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dmarc_milter.columns.column import Row

_NETWORK_BITS = {4: 24, 6: 48}
MAX_GROUPS = 10_000


@dataclass
class Group:
    """The messages of one Author Domain from one network."""

    author_domain: str
    network: str
    count: int = 0
    wanted: "Counter[str]" = field(default_factory=Counter)
    reasons: "Counter[str]" = field(default_factory=Counter)
    dkim_domains: "Counter[str]" = field(default_factory=Counter)
    spf_domains: "Counter[str]" = field(default_factory=Counter)
    lists: "Counter[str]" = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0

    def add(self, row: Row) -> None:
        """One message more."""
        self.first = self.first or row["time"]
        self.last = row["time"]
        self.count += 1
        self.wanted[row["wanted"]] += 1
        self.reasons[row["dmarc_reason"] or row["reason"]] += 1
        self.dkim_domains.update({each["domain"] for each in row["dkim"] or () if each["result"] == "pass"})
        if row["spf"] == "pass":
            self.spf_domains[row["spf_domain"]] += 1
        if row["list_id"]:
            self.lists[row["list_id"]] += 1

    @property
    def authenticated_as(self) -> str | None:
        """A domain that all messages prove to be from, by DKIM or else by SPF."""
        return self._in_all(self.dkim_domains) or self._in_all(self.spf_domains)

    def _in_all(self, counted: "Counter[str]") -> str | None:
        return next((domain for domain, count in counted.most_common(1) if count == self.count), None)

    @property
    def condition(self) -> str | None:
        """The condition of a rule that fits these messages and that nobody else can meet; None if there is none."""
        for name, counted in (("dkim_domain", self.dkim_domains), ("spf_domain", self.spf_domains)):
            domain = self._in_all(counted)
            if domain is not None:
                return f'{name} = ["{domain}"]'
        return None

    @property
    def rule(self) -> str | None:
        """A rule for the settings, to be read by a person before it is used."""
        condition = self.condition
        if condition is None or not self.author_domain:
            return None
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{self.author_domain}-by-{self.authenticated_as}")[:64]
        return (
            f'[[override]]\nname = "{name}"\nfrom_domain = ["{self.author_domain}"]\n{condition}\n'
            f'action = "accept"\nreason = "seen {self.count} times in mode monitor"\n'
        )


def groups(rows: Iterable[Row]) -> list[Group]:
    """The groups, the largest first."""
    found: dict[tuple[str, str], Group] = {}
    for row in rows:
        key = (row["author_domain"] or "", network_of(row["outer_client"] or row["client"]))
        group = found.get(key)
        if group is None:
            if len(found) >= MAX_GROUPS:
                continue
            group = found[key] = Group(*key)
        group.add(row)
    return sorted(found.values(), key=lambda each: (-each.count, each.author_domain, each.network))


def network_of(address: str | None) -> str:
    """The /24 or /48 of an address."""
    if address is None:
        return "local"
    found = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((found, _NETWORK_BITS[found.version]), strict=False))
