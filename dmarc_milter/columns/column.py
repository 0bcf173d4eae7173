"""What a column is, and what a finding is made of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Any, NamedTuple

from dmarc_milter import wording
from dmarc_milter.common.reason import Reason

Row = dict[str, Any]
"""The values of one message by the names of its columns: texts, numbers, booleans, lists, None. Texts are printable."""

MAX_TEXT = 500
"""Characters of a sentence."""


class Kind(Enum):
    """What the values of a column are; None is possible where it is nullable."""

    TEXT = auto()
    NUMBER = auto()
    """With a fraction."""
    COUNT = auto()
    TRUTH = auto()
    JSON = auto()
    """A list."""
    OCTETS = auto()
    """For searches: not told to anybody."""


class Reader(Flag):
    """Who gets a column, beside the log (see :attr:`Column.log`) and whoever tells people (:attr:`Finding.lines`)."""

    JOURNAL = auto()
    """And so `trace --json`."""
    CHECK = auto()
    """`check --json`."""


NOBODY = Reader(0)


@dataclass(frozen=True, slots=True)
class Column:
    """One value that is told of a message."""

    name: str
    """In the journal and in JSON. It is public: it stays."""
    take: Callable[[Any], Any] | None
    """The value, from the record, or for findings of a verdict from that; None: it is made of other columns."""
    length: int | None = None
    """Of a text, at most so many characters; None: in the journal it is of any length, and cut at MAX_TEXT."""
    kind: Kind = Kind.TEXT
    log: str | None = None
    """The key in the line about a message; None: it is not in there."""
    shown: Callable[[Row], str | None] | None = None
    """How the line shows it, None where it does not; where this is not given, the value as it is."""
    readers: Reader = Reader.JOURNAL | Reader.CHECK
    since: int = 1
    """The version of the journal's tables that has it first."""
    is_nullable: bool = True
    is_indexed: bool = False
    derive: Callable[[Row], Any] | None = None
    """The value, from those of the other columns: it is made for rows of older versions, too."""


class Line(NamedTuple):
    """Something that people are told of a message."""

    label: str
    """Empty: it belongs to the line above."""
    text: str
    result: str = ""
    """What decides on the colour: pass, fail, accept, ..."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Columns that belong together."""

    name: str
    columns: tuple[Column, ...]
    lines: Callable[[Row], Iterable[Line]]
    """How people are told; of rows of older versions, too, whose newer columns are None."""
    is_of_verdict: bool = True
    """Whether columns are taken from the verdict. Of a message that was not judged they are None, without lines."""
    codes: Callable[[Row], Iterable[str | None]] = lambda row: ()
    """The codes of reasons that are counted for Prometheus."""


def text_of(take: Callable[[Any], Reason | None]) -> Callable[[Any], str | None]:
    """Takes a reason in words; None where there is none."""
    return lambda source: wording.text(take(source)) or None


def code_of(take: Callable[[Any], Reason | None]) -> Callable[[Any], str | None]:
    """Takes the code of a reason."""
    return lambda source: wording.code(take(source))


def code_column(name: str, take: Callable[[Any], Reason | None]) -> Column:
    """The column of a reason's code."""
    return Column(name, code_of(take), 64, log=name, since=3)
