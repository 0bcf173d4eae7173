"""Many messages: a line for each, and what came of them."""

import textwrap
from collections import Counter
from collections.abc import Iterator

from dmarc_milter.common.text import printable
from dmarc_milter.explaining.judged import NOT_DECIDED, Judged
from dmarc_milter.judging.verdict import Action

MAX_NAME = 1_000
"""Characters of the name of a message: a folder may hold any."""
MAX_DOMAINS = 20
"""Of the summary."""
_INDENT = " " * 4
_CELLS = (("DMARC", 11), ("enforce", 10), ("SPF", 9), ("DKIM", 9), ("ARC", 4), ("From", 18))
"""Headings and widths; the message stands behind them."""


def heading(width: int) -> str:
    """Above the lines."""
    return _with_name(_row([name for name, _ in _CELLS], width), "message", width)


def line(judged: Judged, width: int) -> str:
    """One message. A name that has no room beside the results stands below them, whole: somebody will open it."""
    verdict = judged.found.verdict
    signatures = verdict.signatures if verdict is not None else ()
    cells = _row(
        [
            judged.result,
            _action(judged),
            judged.spf,
            ",".join(dict.fromkeys(each.result.value for each in signatures)) or "none",
            verdict.arc.status.value if verdict is not None and verdict.has_arc else "-",
            judged.author_domain or "-",
        ],
        width,
    )
    return _with_name(cells, printable(judged.name, MAX_NAME), width)


def _with_name(cells: str, name: str, width: int) -> str:
    return cells + name if len(cells) + len(name) <= width else f"{cells.rstrip()}\n{_INDENT}{name}"


def _action(judged: Judged) -> str:
    if judged.is_undecided and judged.found.disposition.enforced_action is not Action.ACCEPT:
        return "?"
    spared = "*" if judged.found.disposition.override is not None else ""
    return judged.found.disposition.enforced_action.value + spared


def _row(cells: list[str], width: int) -> str:
    """The cells that have room, from the left."""
    row = ""
    for cell, (_, room) in zip(cells, _CELLS, strict=True):
        if len(row) + room > width:
            break
        row += printable(cell, room).ljust(room) + " "
    return row


class Summary:
    """What came of many messages."""

    def __init__(self) -> None:
        self.messages = 0
        self._undecided = 0
        self._as_of_now = 0
        self._results: Counter[str] = Counter()
        self._arc: Counter[str] = Counter()
        self._wanted: Counter[str] = Counter()
        self._overrides: Counter[str] = Counter()
        self._refused_by_domain: Counter[str] = Counter()

    def add(self, judged: Judged) -> None:
        """One more."""
        disposition = judged.found.disposition
        self.messages += 1
        self._results[judged.result] += 1
        self._as_of_now += judged.derived.at.is_now
        if judged.found.verdict is not None and judged.found.verdict.has_arc:
            self._arc[judged.found.verdict.arc.status.value] += 1
        if disposition.override is not None:
            self._overrides[disposition.override.value] += 1
        is_refused = disposition.enforced_action is not Action.ACCEPT
        self._undecided += judged.is_undecided
        self._wanted[NOT_DECIDED if judged.is_undecided and is_refused else disposition.enforced_action.value] += 1
        if is_refused and not judged.is_undecided:
            self._refused_by_domain[judged.author_domain or "(no usable From)"] += 1

    def lines(self, width: int) -> Iterator[str]:
        """In lines of at most `width` characters, but for names of domains."""
        if not self.messages:
            yield "no messages"
            return
        yield from _wrapped(f"{self.messages} messages: {_counts(self._results)}", width)
        if self._arc:
            yield from _wrapped(f"ARC chains: {_counts(self._arc)}", width)
        yield from _wrapped(f"what enforce would do: {_counts(self._wanted)}", width)
        for domain, count in self._refused_by_domain.most_common(MAX_DOMAINS):
            yield f"  {count:6} {domain}"
        left = len(self._refused_by_domain) - MAX_DOMAINS
        if left > 0:
            yield f"         and {left} more domains"
        if self._overrides:
            yield from _wrapped(f"* overridden: {_counts(self._overrides)}", width)
        if self._undecided:
            said = "not decided: no client could be read, so SPF was not judged; name one with --ip"
            yield from _wrapped(said, width)
        if self._as_of_now:
            said = f"judged as of now: {self._as_of_now}, whose time of receipt is unknown; give it with --at"
            yield from _wrapped(said, width)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counter.most_common())


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
