"""Figures as people read them."""

from collections.abc import Iterable

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """``12 d``, ``3 h``, ``5 min``, ``0.4 s``: in the largest unit that makes at least two of it."""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0.0, seconds):.1f} s"


def ago(moment: float, now: float, *, ending: str = " ago") -> str:
    """How long before `now` it was."""
    return duration(now - moment) + ending


def size(octets: float) -> str:
    """``975 kB``, ``12 MB``, ``3.4 GB``."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if octets >= length:
            return f"{octets / length:.1f} {unit}" if octets < 10 * length else f"{octets / length:.0f} {unit}"
    return f"{octets / 1e3:.0f} kB"


def listed(items: Iterable[object]) -> str:
    """With commas."""
    return ", ".join(map(str, items))
