"""Stacked bars as shapes of an SVG: no script, and no text in it, which would shrink with the picture (pure)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100.0
_GAP = 0.12
_LEAST = 1.6
"""What is there is seen, however little it is: a line keeps the pieces apart."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar."""

    name: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One stack."""

    start: int
    total: int
    x: float
    width: float
    pieces: tuple[Piece, ...]
    counts: "Counter[str]"


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars beside each other; a bar is 1 wide."""

    bars: tuple[Bar, ...]
    most: int
    """What a bar of the full height stands for."""
    names: tuple[str, ...]
    """What occurs at all."""


def chart(pieces: "Sequence[tuple[int, Counter[str]]]", names: Sequence[str]) -> Chart:
    """`names` from the ground up."""
    most = max((sum(counts.values()) for _, counts in pieces), default=0)
    bars = tuple(_bar(number, start, counts, names, most) for number, (start, counts) in enumerate(pieces))
    return Chart(bars, most, tuple(each for each in names if any(counts[each] for _, counts in pieces)))


def _bar(number: int, start: int, counts: "Counter[str]", names: Sequence[str], most: int) -> Bar:
    found, top = [], HEIGHT
    for name in names:
        if counts[name]:
            height = max(_LEAST, HEIGHT * counts[name] / most)
            top = max(0.0, top - height)
            found.append(Piece(name, round(top, 2), round(height, 2)))
    return Bar(start, sum(counts.values()), number + _GAP / 2, 1 - _GAP, tuple(found), counts)
