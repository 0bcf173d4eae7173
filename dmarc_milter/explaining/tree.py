"""A tree of lines for a terminal: wrapped to its width, with colours where it has any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dmarc_milter import wording
from dmarc_milter.common.terminal import Severity, hanging
from dmarc_milter.common.text import printable
from dmarc_milter.dmarc.record import is_dmarc
from dmarc_milter.dmarc.tree_walk import Walk, query_name
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.spf.check import Step
from dmarc_milter.spf.loop import loop
from dmarc_milter.spf.reasons import SpfReason

MAX_LINE = 20_000
"""Characters of a line before it is wrapped: an SPF record of 16 KB is shown as it is."""


@dataclass(slots=True)
class Node:
    """A line and what belongs to it."""

    text: str
    severity: Severity = Severity.PLAIN
    children: "list[Node]" = field(default_factory=list)

    def add(self, text: str, severity: Severity = Severity.PLAIN) -> "Node":
        """A line below this one."""
        child = Node(text, severity)
        self.children.append(child)
        return child


@dataclass(frozen=True, slots=True)
class Style:
    """What the output can show."""

    width: int = 100
    is_coloured: bool = False
    is_unicode: bool = True

    @property
    def branches(self) -> tuple[str, str, str, str]:
        """For a child, the last child, what goes on below a child, what goes on below the last."""
        return ("├─ ", "└─ ", "│  ", "   ") if self.is_unicode else ("|- ", "`- ", "|  ", "   ")


def render(root: Node, style: Style) -> str:
    """All lines of the tree."""
    lines = _wrapped(root, "", "", style)
    _render_children(root, "", style, lines)
    return "\n".join(lines)


def _render_children(node: Node, indent: str, style: Style, lines: list[str]) -> None:
    branch, last_branch, go_on, last_go_on = style.branches
    for index, child in enumerate(node.children):
        is_last = index == len(node.children) - 1
        below = indent + (last_go_on if is_last else go_on)
        has_more = go_on if child.children else "   "
        lines += _wrapped(child, indent + (last_branch if is_last else branch), below + has_more, style)
        _render_children(child, below, style, lines)


def _wrapped(node: Node, first: str, others: str, style: Style) -> list[str]:
    text = printable(node.text, MAX_LINE)
    return hanging(text, style.width, first, others, node.severity, is_coloured=style.is_coloured)


_COURSE = (SpfReason.MATCH, SpfReason.NO_MATCH, SpfReason.INCLUDES)
"""What a check of one client comes to, and no part of what a record says."""


def add_spf_steps(below: Node, steps: Sequence[Step], *, matches: bool = True) -> None:
    """The terms of each record below it, the records of includes below their include; a circle once."""
    records: dict[int, Node] = {}
    terms: dict[int, Node] = {}
    circle = loop(steps)
    for step in steps[: circle.end] if circle is not None else steps:
        if step.term == "record":
            above = terms.get(step.depth - 1, below)
            title = f"record of {step.domain}: " if step.note.code is SpfReason.RECORD else ""
            records[step.depth] = above.add(f"{title}{wording.text(step.note)}")
            continue
        if not matches and step.note.code is SpfReason.INCLUDED:
            continue
        target = f" ({step.target})" if step.target and not step.term.endswith(step.target) else ""
        is_told = matches or step.note.code not in _COURSE
        note = f": {wording.text(step.note)}" if is_told else ""
        terms[step.depth] = records.get(step.depth, below).add(f"{step.term}{target}{note}")
    if circle is not None:
        terms.get(steps[circle.end].depth - 1, below).add(f"again {circle.domains[-1]}: a circle", Severity.BAD)


def add_walk(below: Node, walk: Walk, answers: Mapping[Question, Answer[Any]]) -> None:
    """A DNS tree walk: the names asked, and what was found there by `answers`."""
    found = "unknown" if walk.failure is not None else walk.organizational_domain
    walked = below.add(f"tree walk from {walk.start}: organizational domain {found}")
    with_record = {each.domain for each in walk.found}
    for domain in walk.asked:
        name = query_name(domain)
        said = "a record" if domain in with_record else _why_none(answers.get(Question(name, RecordType.TXT)))
        walked.add(f"{name}: {said}")


def _why_none(answer: Answer[Any] | None) -> str:
    if answer is None:
        return "no record"
    if answer.failed:
        return f"the DNS failed ({wording.text(answer.failure)})"
    several = sum(map(is_dmarc, answer.records))
    if several:
        return f"{several} records, which count as none"
    return "no record (NXDOMAIN)" if answer.outcome is AnswerOutcome.NO_SUCH_NAME else "no record"
