"""Counts of what was compared, and the differences themselves, within a bound."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from dmarc_milter.comparing.cause import Cause
from dmarc_milter.comparing.facts import Compared, Method, Missing, Uncomparable

MAX_DIFFERENCES = 10_000
"""Differences that are kept; what is beyond is counted."""


MAX_DETAIL = 300
"""Characters of the reason that is kept of each."""
MAX_ROWS = 1_000
"""Rows of the table: whoever can write under an old id can make up results."""
OTHER = "other"


class Difference(NamedTuple):
    """A difference and the message that has it."""

    message: str
    compared: Compared


class Row(NamedTuple):
    """A row of the table."""

    method: Method
    old: str
    new: str
    messages: int
    differs: bool


class Tally:
    """Of all messages."""

    def __init__(self) -> None:
        self.messages = 0
        self.live = 0
        """Messages with the fields of both."""
        self.judged_again = 0
        self.refused = 0
        """Refusals of the old chain, out of the MTA's log."""
        self.compared = 0
        self.differences: list[Difference] = []
        self.causes: Counter[tuple[Method, Cause]] = Counter()
        self.missing: Counter[tuple[Method | None, Missing]] = Counter()
        self.ids: Counter[str] = Counter()
        """Ids of the old chain."""
        self._rows: Counter[tuple[Method, str, str, bool]] = Counter()

    def add(self, message: str, found: Iterable[Compared | Uncomparable]) -> None:
        """What was compared of one message."""
        for each in found:
            if isinstance(each, Uncomparable):
                self.missing[each.method, each.why] += 1
                continue
            self.compared += 1
            key = (each.method, each.old, each.new, each.differs)
            if key not in self._rows and len(self._rows) >= MAX_ROWS:
                key = (each.method, OTHER, OTHER, each.differs)
            self._rows[key] += 1
            if each.cause is not None:
                self.causes[each.method, each.cause] += 1
                if len(self.differences) < MAX_DIFFERENCES:
                    self.differences.append(Difference(message, replace(each, detail=each.detail[:MAX_DETAIL])))

    @property
    def differing(self) -> int:
        """How many differences there are."""
        return sum(self.causes.values())

    def rows(self, method: Method) -> list[Row]:
        """Those of one method, the most frequent first, what differs last."""
        found = [
            Row(of, old, new, count, differs) for (of, old, new, differs), count in self._rows.items() if of is method
        ]
        return sorted(found, key=lambda row: (row.differs, -row.messages, row.old, row.new))
