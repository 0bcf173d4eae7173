"""The form of a table of wordings."""

import string
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from dmarc_milter.common.reason import Reason, ReasonCode

MAX_VALUE = 255
"""Characters of a text in a sentence, unless its place says how many: ``{tag:40}``."""
OWN = "own"
"""``{comment:own}``: the operator wrote it in the settings, and it is shown as it is."""

Template = str
"""A sentence with parameters in braces. A reason among them is put into words; several are joined by ``;``."""

Wording = Template | Callable[[Reason], Template]
"""A template; or a function that chooses one, where that depends on the parameters."""

Wordings = Mapping[ReasonCode, Wording]


class Piece(NamedTuple):
    """A part of a template."""

    literal: str
    name: str
    """Of the parameter behind the literal text; empty where there is none."""
    limit: int
    """Characters of it, if it is a text; 0 for the operator's own."""


@cache
def pieces(template: Template) -> tuple[Piece, ...]:
    """`template` taken apart, once: there are no others than those of the tables."""
    return tuple(
        Piece(literal, name or "", 0 if length == OWN else int(length or MAX_VALUE))
        for literal, name, length, _ in string.Formatter().parse(template)
    )
