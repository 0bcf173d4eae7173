"""Records that include each other, or redirect to each other, in a circle: no check of them ever ends (4.6.4)."""

from collections.abc import Sequence

from dmarc_milter.spf.evaluation import Step
from dmarc_milter.spf.reasons import SpfReason


def loop(steps: Sequence[Step]) -> tuple[str, ...]:
    """The domains of the first circle in the trace `steps`, the first of them again at the end; empty without one."""
    under_way: list[tuple[int, str]] = []
    previous: Step | None = None
    for step in steps:
        if step.term == "record":
            continues = previous is not None and previous.note.code is SpfReason.REDIRECTS
            # A record at this depth, or below it, has ended: but not the one that redirects here.
            while under_way and under_way[-1][0] >= step.depth + continues:
                under_way.pop()
            domains = [domain for _, domain in under_way]
            if step.domain in domains:
                return (*domains[domains.index(step.domain) :], step.domain)
            under_way.append((step.depth, step.domain))
        previous = step
    return ()
