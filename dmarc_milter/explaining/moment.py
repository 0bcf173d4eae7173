"""At which time a message is judged: signatures expire (RFC 6376 3.5), and the filter judged when it came in."""

from dataclasses import dataclass
from datetime import UTC, datetime

from dmarc_milter.dkim.signature import CLOCK_SKEW
from dmarc_milter.message.date import received_at


@dataclass(frozen=True, slots=True)
class JudgedAt:
    """A time, and where it is from."""

    seconds: float
    """Since 1970."""
    source: str
    is_now: bool = False
    """Whether it is the clock's, because nothing else is known."""


def as_given(seconds: float) -> JudgedAt:
    """What the person said."""
    return JudgedAt(seconds, "as given")


def of_field(value: bytes | None, where: str, now: float) -> JudgedAt:
    """The time at which the host that wrote the Received field `value` had the message; `where` names the field.

    Without such a field, or where its date cannot be read or has not come yet, it is `now`, and the source says why.
    """
    if value is None:
        return JudgedAt(now, "there is no Received field", is_now=True)
    seconds = received_at(value)
    if seconds is None:
        return JudgedAt(now, f"{where} has no date that can be read", is_now=True)
    if seconds > now + CLOCK_SKEW:
        return JudgedAt(now, f"{where} has a date in the future, {written(seconds)}", is_now=True)
    return JudgedAt(seconds, where)


def written(seconds: float) -> str:
    """As RFC 3339 has it, in UTC: ``2026-11-24T10:00:05Z``."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def told(at: JudgedAt) -> str:
    """For people. A time that is the clock's says nothing of the message, so only why it was taken is told."""
    return source(at) if at.is_now else f"{written(at.seconds)} ({source(at)})"


def source(at: JudgedAt) -> str:
    """Where it is from, for programs too: ``Received field 2``, or ``now: there is no Received field``."""
    return f"now: {at.source}" if at.is_now else at.source
