"""Reasons in words: the only place where text for people is made of them, for whoever shows it.

Each protocol's module has a table, ``WORDINGS``: what is said for each code of its enumeration. `_TABLES` names the
tables. A new code needs its line there; ``tests/unit/test_reason_codes.py`` looks for it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dmarc_milter.common.reason import Reason, ReasonCode, Value
from dmarc_milter.common.text import plain
from dmarc_milter.wording import arc, dkim, dmarc, dns, judging, message, spf
from dmarc_milter.wording.table import Sentence, Wording, Wordings, sentences

if TYPE_CHECKING:
    # Whoever asks has it already; who only wants words does not load what judges mail.
    from dmarc_milter.judging.verdict import Disposition

_TABLES: tuple[Wordings, ...] = (
    dns.WORDINGS,
    message.WORDINGS,
    spf.WORDINGS,
    dkim.WORDINGS,
    arc.WORDINGS,
    dmarc.WORDINGS,
    judging.WORDINGS,
)
WORDINGS: dict[ReasonCode, Wording] = {code: wording for table in _TABLES for code, wording in table.items()}
SENTENCES = {code: sentences(wording) for code, wording in WORDINGS.items()}
"""What is looked up: templates are taken apart once."""


def text(reason: Reason | None) -> str:
    """`reason` in words, without a full stop; empty where there is no reason.

    What others wrote is printable ASCII in it, without quotes and backslashes, and cut to its length.
    """
    if reason is None:
        return ""
    values = dict(reason.parameters)
    said: list[str] = []
    for literal, name, limit in _chosen(SENTENCES[reason.code], values):
        said.append(literal)
        if name:
            said.append(_shown(values[name], limit))
    return "".join(said)


def _chosen(several: tuple[Sentence, ...], values: Mapping[str, Value]) -> Sentence:
    """The first that can be filled; the last can always be."""
    if len(several) == 1:
        return several[0]
    return next((each for each in several if all(piece.can_be_filled(values) for piece in each)), several[-1])


def decision(disposition: "Disposition") -> str:
    """Why this is done with a message, in words."""
    said = text(disposition.reason)
    return said if disposition.action is disposition.enforced_action else f"mode monitor: {said}"


def code(reason: Reason | None) -> str | None:
    """The code as JSON carries it; None where there is no reason."""
    return None if reason is None else reason.code.value


def _shown(value: Value, limit: int) -> str:
    """A parameter in its place; what has no limit is the operator's own."""
    if isinstance(value, str):
        return plain(value, limit) if limit else value
    if isinstance(value, Reason):
        return text(value)
    if isinstance(value, int):
        return str(value)
    return "; ".join(map(text, value))
