"""Reasons as values: why something came out as it did.

Each protocol has one enumeration of codes (``spf/reasons.py``, ``dkim/reasons.py``, ...). A reason is a code with its
parameters. Programs compare codes; they never search in text. Text for people is made at the edge, by ``wording``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReasonCode(Enum):
    """The base of each protocol's enumeration.

    A member's value is the code as JSON, the journal and the metrics carry it: in lower case, words joined by hyphens.
    It is public: it is never used again for another meaning. Calling a member gives a :class:`Reason`.
    """

    # There is one object per member; Enum's own hash, that of the name, is computed in Python at each look-up.
    __hash__ = object.__hash__

    def __call__(self, **parameters: Value) -> Reason:
        """The reason with this code, and what it is about: names, tags, numbers, or the reason below it."""
        return Reason(self, tuple(parameters.items()))


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and its parameters, in the order in which they were given."""

    code: ReasonCode
    parameters: tuple[tuple[str, Value], ...] = ()
    """Texts are as the sender wrote them: whoever shows them makes them harmless first."""

    def __getitem__(self, name: str) -> Value:
        """The parameter of this name. Raises KeyError."""
        return dict(self.parameters)[name]

    def __str__(self) -> str:
        """For logs of developers and for tests; people are shown ``wording.text``."""
        return " ".join([self.code.value, *(f"{name}={value}" for name, value in self.parameters)])


Value = str | int | Reason | tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a parser returns for input that it cannot read: a value, never an exception."""

    reason: Reason
    position: int | None = None
    """Where, in octets or characters from the start of the input, if the parser knows."""


class UnreadableError(Exception):
    """Inside of a parser, from the rule that is broken up to the function that returns :class:`Unreadable`."""

    def __init__(self, reason: Reason, position: int | None = None) -> None:
        super().__init__(str(reason))
        self.unreadable = Unreadable(reason, position)
