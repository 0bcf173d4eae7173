"""Who is refused in mode enforce, or would be, and what would spare the honest ones (pure).

Messages are grouped by Author Domain and by what authenticated them, each by its own best identifier: one network may
send for many. Strangers choose how many groups there are, so the smallest give way, and what they held is summed up.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.origin import SENT_ON
from dmarc_milter.journal.particulars import Particulars

MAX_GROUPS = 5_000
"""Groups that are told of; twice as many are counted before the smaller half gives way."""


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
    _pieces: list[Particulars] = field(default_factory=list)
    """Each of a time of its own."""

    @property
    def key(self) -> "Key":
        """What tells it apart."""
        return self.author_domain, self.method, self.identifier

    def remember(self, particulars: Particulars) -> None:
        """Of messages at a time of their own, which are counted already."""
        self._pieces.append(particulars)

    @property
    def particulars(self) -> Particulars:
        """What is remembered of its messages."""
        found, *later = sorted(self._pieces, key=lambda each: each.first)
        for each in later:
            found.join(each)
        self._pieces = [found]
        return found

    @property
    def wanted(self) -> "Counter[str]":
        """What enforce does or would have done with how many."""
        return _by(self.particulars.decided, 1)

    @property
    def modes(self) -> "Counter[str]":
        """How many were judged in which mode."""
        return _by(self.particulars.decided, 0)

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


def _by(decided: "Counter[tuple[str, str]]", place: int) -> "Counter[str]":
    found: Counter[str] = Counter()
    for key, count in decided.items():
        found[key[place]] += count
    return found


Key = tuple[str, Method, str]
"""The Author Domain of a group, its method, its identifier."""


@dataclass(frozen=True)
class Refused:
    """All messages that are refused, quarantined or deferred, or would be."""

    groups: tuple[Group, ...]
    """The largest, those with the most messages first."""
    totals: "Counter[tuple[str, str]]"
    """By mode and by what enforce does with them: every one is counted here."""
    others: int
    """Messages of other groups."""
    rules: tuple[str, ...]
    """Those of other groups, too, each once."""

    @property
    def messages(self) -> int:
        """How many messages these are."""
        return sum(self.totals.values())


class Refusals:
    """Collects what is refused, quarantined or deferred, or would be; other messages are passed over."""

    def __init__(self) -> None:
        self._groups: dict[Key, Group] = {}
        self._totals: Counter[tuple[str, str]] = Counter()

    def add(self, row: Row) -> None:
        """One message more."""
        if row["wanted"] == "accept":
            return
        self._totals[row["mode"], row["wanted"]] += 1
        self.count_group(_key(row), 1, row["kind"] == SENT_ON)

    def count(self, totals: "Counter[tuple[str, str]]") -> None:
        """Messages by mode and by what enforce does with them, those of groups that gave way, too."""
        self._totals.update(totals)

    def count_group(self, key: Key, messages: int, sent_on: int) -> None:
        """Messages that are counted in :meth:`count`, and whose particulars may come later."""
        group = self._group(key)
        group.count += messages
        group.sent_on += sent_on

    def _group(self, key: Key) -> Group:
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= 2 * MAX_GROUPS:
                self._drop_smaller_half()
            group = self._groups[key] = Group(*key)
        return group

    def _drop_smaller_half(self) -> None:
        """One that has many messages yet to come begins anew; what is lost to its count is in what is summed up."""
        ranked = sorted(self._groups.items(), key=lambda item: item[1].count)
        for key, _ in ranked[: len(ranked) // 2]:
            del self._groups[key]

    def found(self, limit: int | None = None) -> Refused:
        """All of it so far: of groups the largest, at most `limit`."""
        ranked = sorted(self._groups.values(), key=lambda each: (-each.count, each.author_domain, each.identifier))
        groups = tuple(ranked[:MAX_GROUPS][:limit])
        others = sum(self._totals.values()) - sum(each.count for each in groups)
        rules = dict.fromkeys(each.rule for each in ranked[:MAX_GROUPS])
        return Refused(groups, self._totals, others, tuple(each for each in rules if each))


def remember(groups: Collection[Group], rows: Iterable[Row]) -> None:
    """What is to be remembered of their messages among these, which are of a time of their own, oldest first."""
    found: dict[Key, Particulars] = {each.key: Particulars() for each in groups}
    for row in rows:
        if row["wanted"] != "accept" and (its := found.get(_key(row))):
            its.add(row)
    for group in groups:
        if found[group.key].decided:
            group.remember(found[group.key])


def _key(row: Row) -> Key:
    return (row["author_domain"] or "", *best_identifier(row))


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
