"""The form of a table of wordings."""

import string
from collections.abc import Mapping
from typing import NamedTuple

from dmarc_milter.common.reason import ReasonCode, Value

MAX_VALUE = 255
"""Characters of a text in a sentence, unless its place says how many: ``{tag:40}``."""
OWN = "own"
"""``{comment:own}``: the operator wrote it in the settings, and it is shown as it is."""

Template = str
"""A sentence with parameters in braces. A reason among them is put into words; several are joined by ``;``."""

Wording = Template | tuple[Template, ...]
"""A template, or several: the first counts whose parameters are all there and not empty."""

Wordings = Mapping[ReasonCode, Wording]


class Piece(NamedTuple):
    """A part of a template."""

    literal: str
    name: str
    """Of the parameter behind the literal text; empty where there is none."""
    limit: int
    """Characters of it, if it is a text; 0 for the operator's own."""

    def can_be_filled(self, values: Mapping[str, Value]) -> bool:
        """Whether there is something to be put into it."""
        return not self.name or bool(values.get(self.name))


Sentence = tuple[Piece, ...]


def sentences(wording: Wording) -> tuple[Sentence, ...]:
    """The templates of `wording`, taken apart."""
    return tuple(map(_sentence, (wording,) if isinstance(wording, str) else wording))


def _sentence(template: Template) -> Sentence:
    return tuple(
        Piece(literal, name or "", 0 if length == OWN else int(length or MAX_VALUE))
        for literal, name, length, _ in string.Formatter().parse(template)
    )
