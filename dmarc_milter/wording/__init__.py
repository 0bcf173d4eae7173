"""Reasons in words: the only place where text for people is made of them, for whoever shows it.

Each protocol's module has a table, ``WORDINGS``: what is said for each code of its enumeration. `_TABLES` names the
tables. A new code needs its line there; ``tests/unit/test_reason_codes.py`` looks for it.
"""

from typing import TYPE_CHECKING

from dmarc_milter.common.reason import Reason, ReasonCode, Value
from dmarc_milter.common.text import plain
from dmarc_milter.wording import dmarc, dns, judging, spf
from dmarc_milter.wording.table import Wording, Wordings, pieces

if TYPE_CHECKING:
    # Whoever asks has it already; who only wants words does not load what judges mail.
    from dmarc_milter.judging.verdict import Disposition

_TABLES: tuple[Wordings, ...] = (dns.WORDINGS, spf.WORDINGS, dmarc.WORDINGS, judging.WORDINGS)
WORDINGS: dict[ReasonCode, Wording] = {code: wording for table in _TABLES for code, wording in table.items()}


def text(reason: Reason | None) -> str:
    """`reason` in words, without a full stop; empty where there is no reason.

    What others wrote is printable ASCII in it, without quotes and backslashes, and cut to its length.
    """
    if reason is None:
        return ""
    wording = WORDINGS[reason.code]
    if not reason.parameters and isinstance(wording, str):
        return wording
    values = dict(reason.parameters)
    said: list[str] = []
    for literal, name, limit in pieces(wording if isinstance(wording, str) else wording(reason)):
        said.append(literal)
        if name:
            said.append(_shown(values[name], limit))
    return "".join(said)


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
