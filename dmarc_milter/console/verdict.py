"""Whether somebody has to look, in a line: from the figures of a summary alone (pure)."""

from collections.abc import Iterator
from typing import NamedTuple

from dmarc_milter.journal.figures import Figure, Summary

LEAST = 50
"""Fewer messages are chance."""


class Remark(NamedTuple):
    """Something that needs a look."""

    text: str
    """Without a full stop."""
    values: dict[str, str]
    """Which messages are meant; empty: none are."""
    before: int = 0
    """How many there were in the period before, where that is to be told."""
    asks_health: bool = False
    """Whether Health says more."""


def remarks(found: Summary) -> Iterator[Remark]:
    """What is not as it was, the most urgent first; none where all is well."""
    dmarc = found.results["dmarc"]
    judged = sum(each.now for each in dmarc.values())
    # What is a permerror is the sender's own fault (RFC 9989 5.3.1).
    errors = dmarc.get("temperror", Figure()).now
    if judged and errors >= LEAST and errors / judged >= 0.01:
        text = (
            f"The DNS did not answer for {errors:,} messages ({errors / judged:.1%}), by an attack or by our resolver"
        )
        yield Remark(text, {"dmarc": "temperror"}, asks_health=True)
    for name, figure, values in (
        ("fails DMARC", dmarc.get("fail", Figure()), {"dmarc": "fail"}),
        ("is refused", found.done.get("reject", Figure()), {"action": "reject"}),
        ("is deferred", found.done.get("tempfail", Figure()), {"action": "tempfail"}),
    ):
        if figure.now >= LEAST and figure.before and figure.now >= 2 * figure.before:
            yield Remark(f"Much more mail {name}: {figure.now:,} messages", values, figure.before)
    new = [each for each in found.domains if each.name and each.messages.now >= LEAST and not each.messages.before]
    if new and found.all.before:
        names = ", ".join(str(each.name) for each in new[:3])
        verb = "fails and did" if len(new) == 1 else "fail and did"
        yield Remark(f"{names} {verb} not fail before", {"from": str(new[0].name), "failing": "1"})
    if not found.is_complete:
        yield Remark("Records of an older version are still being counted: these figures are too low", {})
