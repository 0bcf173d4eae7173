"""What a field of the settings may hold, said at the field: ``Annotated[float, Range(0.1, 120)]``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `least` to `most`, both included."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """A string that the regular expression matches as a whole; `wanted` says so to people."""

    regex: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Text:
    """A value that is written as a string."""

    parse: Callable[[str], Any]
    """Raises ValueError."""
    wanted: str
    """What the string looks like, for people."""
    show: Callable[[Any], str] = str
    """The string of a value."""
    is_secret: bool = False
    """Whether the value may hold a password: then no error shows it."""


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """A list that is not empty; one item may be written without the brackets."""


@dataclass(frozen=True, slots=True)
class Example:
    """How a value is written, where the default does not show it. It is no default."""

    value: object
