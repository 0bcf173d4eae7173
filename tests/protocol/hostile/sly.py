"""Attacks of who has read the code: what one part of it remembers or shares out is used against another."""

from tests.protocol.hostile.message import (
    HARMLESS,
    REFUSED,
    Group,
    Message,
    bank,
    crook,
    junk_signature,
    shown_as,
    spoof,
)


def borrowed_failure(number: int) -> Message:
    """SPF of the attacker asks for the victim's policy record just before its own time is over, and gets no answer.

    DMARC asks the same question later, and has time: that SPF had none is no answer.
    """
    victim = bank(number, "distant")
    return spoof(number, victim=victim, mail_from=f"a@{crook(number, 'borrow')}", pauses={"header": 16.0})


def _two_failures(number: int, first: str, second: str) -> Message:
    """Two apparent authors: the DNS of the one fails, of the other the policy is known and its key fails."""
    victim = bank(number, "keyfail")
    shown = f"<a@{first} <info@{second}".encode()
    message = shown_as(number, shown)
    return Message(
        (junk_signature(victim), *message.fields),
        message.mail_from,
        message.helo,
        message.client,
        expected=HARMLESS,
    )


def failing_stranger_first(number: int) -> Message:
    return _two_failures(number, crook(number, "servfail"), bank(number, "keyfail"))


def failing_stranger_last(number: int) -> Message:
    return _two_failures(number, bank(number, "keyfail"), crook(number, "servfail"))


def slow_reverse_names(number: int) -> Message:
    """The client's own reverse names use up the time of the victim's SPF record."""
    victim = bank(number, "reverse")
    plain = spoof(number, victim=victim, mail_from=f"a@{victim}")
    client = plain.client.replace("198.18.", "198.19.")
    return Message(plain.fields, plain.mail_from, plain.helo, client, expected=frozenset({REFUSED}))


def crowded_out(number: int) -> Message:
    """SPF has as much open as a message may have, so the victim's key is not asked early; then the body is late."""
    victim = bank(number)
    return spoof(
        number,
        victim=victim,
        mail_from=f"a@{crook(number, 'flood')}",
        before=[junk_signature(victim)],
        pauses={"header": 0.5, "body": 17.0},
    )


def drips(number: int) -> Message:
    """Ten answers of 64 KB that come octet by octet."""
    return spoof(number, mail_from=f"a@{crook(number, 'drips')}")


GROUPS = [
    Group(
        "failures that another part remembers",
        2,
        {
            "of SPF": borrowed_failure,
            "of a key that was not asked early": crowded_out,
            "of an apparent author, first": failing_stranger_first,
            "of an apparent author, last": failing_stranger_last,
        },
    ),
    Group("reverse names that are slow", 1, {"ptr of the victim": slow_reverse_names}),
    Group("answers that come octet by octet", 3, {"ten of 64 KB": drips}, is_costly=True),
]
