"""What a look at the service found."""

from dataclasses import dataclass
from enum import Enum


class Standing(Enum):
    """Whether somebody has to do something about it."""

    ATTENTION = "attention"
    UNKNOWN = "unknown"
    """It cannot be told; the text says why."""
    NOTE = "note"
    """Worth knowing, and no fault."""
    GOOD = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """In a word: service, workers, MTA, DNS, journal, reload, settings, mail."""
    standing: Standing
    text: str
    """A sentence or two, printable, without a full stop."""
    how_to_fix: str = ""
    """What to do about it, where something is to be done."""


def good(subject: str, text: str) -> Finding:
    """All is well with it."""
    return Finding(subject, Standing.GOOD, text)


def attention(subject: str, text: str, how_to_fix: str = "") -> Finding:
    """Somebody has to look at it."""
    return Finding(subject, Standing.ATTENTION, text, how_to_fix)


def note(subject: str, text: str, how_to_fix: str = "") -> Finding:
    """Worth knowing, and no fault."""
    return Finding(subject, Standing.NOTE, text, how_to_fix)


def unknown(subject: str, text: str) -> Finding:
    """It cannot be told."""
    return Finding(subject, Standing.UNKNOWN, text)
