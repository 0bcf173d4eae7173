"""The mailing lists whose mail fails DMARC, and which of them the settings trust (pure)."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dmarc_milter.columns.column import Row
from dmarc_milter.message.mailing_list import ListPattern, MailingList

MAX_LISTS = 10_000
MAX_NAMES = 100
"""Domains that are remembered of one list: whoever writes its List-Id chooses them."""


@dataclass
class SeenList:
    """The failing messages with one List-Id."""

    list_id: str
    messages: int = 0
    wanted: "Counter[str]" = field(default_factory=Counter)
    """What mode enforce would have done with them."""
    authenticated: "Counter[str]" = field(default_factory=Counter)
    """Domains that SPF or DKIM authenticated, and for how many of the messages."""
    authors: "Counter[str]" = field(default_factory=Counter)
    """Author Domains."""

    def add(self, row: Row) -> None:
        """One message more."""
        self.messages += 1
        self.wanted[row["wanted"]] += 1
        _count(self.authenticated, dict.fromkeys(authenticated_domains(row), 1))
        _count(self.authors, {row["author_domain"]: 1})

    def join(self, text: str) -> None:
        """Messages more: what :meth:`text` made of them."""
        kept = json.loads(text)
        self.messages += kept["messages"]
        self.wanted.update(kept["wanted"])
        _count(self.authenticated, kept["authenticated"])
        _count(self.authors, kept["authors"])

    def text(self) -> str:
        """To be kept."""
        return json.dumps({name: getattr(self, name) for name in ("messages", "wanted", "authenticated", "authors")})

    @property
    def authenticated_as(self) -> str | None:
        """The domain by which the list would be named: a list's own before another, then the most frequent."""
        found = MailingList(self.list_id, has_address=True)
        ranked = sorted(self.authenticated, key=lambda each: (-self.authenticated[each], each))
        return next((each for each in ranked if found.is_run_by(each)), ranked[0] if ranked else None)

    def is_trusted(self, trusted: Sequence[ListPattern]) -> bool:
        """Whether the settings name it."""
        found = MailingList(self.list_id, has_address=True)
        return any(pattern.covers(found, domain) for pattern in trusted for domain in self.authenticated)


def authenticated_domains(row: Row) -> set[str]:
    """Every domain that SPF or DKIM authenticated for one message."""
    signed = {each["domain"] for each in row["dkim"] or () if each["result"] == "pass"}
    return signed | ({row["spf_domain"]} if row["spf"] == "pass" else set())


def _count(counted: "Counter[str]", messages: Mapping[str | None, int]) -> None:
    for name, count in messages.items():
        if name is not None and (name in counted or len(counted) < MAX_NAMES):
            counted[name] += count


class SeenLists:
    """Collects the lists whose mail fails under a policy of quarantine or reject; other mail is passed over."""

    def __init__(self) -> None:
        self._found: dict[str, SeenList] = {}

    def add(self, row: Row) -> None:
        """One message more."""
        if is_failing_list_mail(row) and (found := self._list(row["list_id"])):
            found.add(row)

    def join(self, list_id: str, text: str) -> None:
        """Messages more of one list: what :meth:`SeenList.text` made of them."""
        if found := self._list(list_id):
            found.join(text)

    def _list(self, list_id: str) -> SeenList | None:
        if list_id not in self._found and len(self._found) >= MAX_LISTS:
            return None
        return self._found.setdefault(list_id, SeenList(list_id))

    def ranked(self) -> list[SeenList]:
        """Those with the most messages first."""
        return sorted(self._found.values(), key=lambda each: (-each.messages, each.list_id))


def is_failing_list_mail(row: Row) -> bool:
    """Only mail that counts as a list's; where older records do not tell, it does."""
    is_list_mail = row["list_id"] is not None and row["list_has_address"] is not False
    return is_list_mail and row["dmarc"] == "fail" and row["policy"] in ("quarantine", "reject")


def setting(found: Iterable[SeenList], trusted: Sequence[ListPattern]) -> str | None:
    """The line for ``[policy.indirect]`` that names what is trusted and what was seen; None where nothing was seen.

    Without ``*``: to name lists is to do without it.
    """
    named = [pattern for pattern in trusted if pattern.domain is not None]
    untrusted = [each.authenticated_as for each in found if not each.is_trusted(named)]
    seen = sorted({domain for domain in untrusted if domain is not None})
    quoted = (f'"{each}"' for each in (*map(str, named), *seen))
    return f"trusted_lists = [{', '.join(quoted)}]" if seen else None
