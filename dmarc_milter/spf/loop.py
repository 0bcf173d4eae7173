"""Records that include each other, or redirect to each other, in a circle: no check of them ever ends (4.6.4)."""

from collections.abc import Sequence
from typing import NamedTuple

from dmarc_milter.spf.check import Step
from dmarc_milter.spf.reasons import SpfReason


class Loop(NamedTuple):
    """A circle of records."""

    domains: tuple[str, ...]
    """In their order, the first again at the end."""
    end: int
    """The index of the step in which the first is met again."""


def loop(steps: Sequence[Step]) -> Loop | None:
    """The first circle in the trace `steps`; None without one."""
    under_way: list[tuple[int, str]] = []
    previous: Step | None = None
    for index, step in enumerate(steps):
        if step.term == "record":
            continues = previous is not None and previous.note.code is SpfReason.REDIRECTS
            # A record at this depth, or below it, has ended: but not the one that redirects here.
            while under_way and under_way[-1][0] >= step.depth + continues:
                under_way.pop()
            domains = [domain for _, domain in under_way]
            if step.domain in domains:
                return Loop((*domains[domains.index(step.domain) :], step.domain), index)
            under_way.append((step.depth, step.domain))
        previous = step
    return None
