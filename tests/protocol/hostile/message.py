"""What a sender who means harm says: messages, and the groups they belong to.

Names hold the number of the message (``-m17``). Those below .example belong to the victims and behave; those below
.test belong to the attacker, and behave as names.py has it.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Fields = tuple[tuple[bytes, bytes], ...]
"""Names, and values that begin with the blank behind the colon; folds are CRLF."""

REFUSED, DEFERRED, ACCEPTED = "refused", "deferred", "let in"
HARMLESS = frozenset({REFUSED, DEFERRED})
ANY = frozenset({REFUSED, DEFERRED, ACCEPTED})


class Cost(NamedTuple):
    """CPU seconds that the filter may spend: for the message, and for each MB of it."""

    seconds: float
    per_megabyte: float


USUAL = Cost(1.0, 0.3)
ONLY_READ = Cost(0.5, 0.1)
"""For fields that no signature names."""


@dataclass(frozen=True)
class Message:
    """One message with its envelope, and what may become of it."""

    fields: Fields
    mail_from: bytes
    helo: bytes
    client: str
    body: bytes = b"Hello\r\n"
    expected: frozenset[str] = frozenset({REFUSED})
    cost: Cost = USUAL
    pauses: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the sender waits before `header`, `body` or `end`."""
    deleted: int | None = None
    """How many fields have to be removed from it, where it is accepted."""
    says: str = ""
    """What our field has to say, where it is accepted."""

    @property
    def octets(self) -> int:
        return sum(len(name) + len(value) for name, value in self.fields) + len(self.body)


Attack = Callable[[int], Message]
"""From the number of a message to the message."""


@dataclass(frozen=True)
class Group:
    """Attacks of one kind."""

    name: str
    point: int
    """The part of the rule that it is about: the numbers are those of docs/security.md's table of attacks."""
    attacks: Mapping[str, Attack]
    is_costly: bool = False
    """Played one after the other, and the CPU that each takes is measured; the others are played together."""
    settings: str = ""
    """Added to the default settings under [policy], mode enforce; then the group has a filter of its own."""


def bank(number: int, kind: str = "bank") -> str:
    """A victim: it publishes p=reject."""
    return f"{kind}-m{number}.example"


def crook(number: int, kind: str = "plain") -> str:
    """A domain of the attacker."""
    return f"{kind}-m{number}.test"


def client(number: int) -> str:
    """An address of the attacker, which all its SPF records name."""
    return f"198.18.{number % 256}.{number // 256}"


def from_(author: str, name: str = "Bank") -> tuple[bytes, bytes]:
    return b"From", f" {name} <info@{author}>".encode()


def spoof(
    number: int,
    *,
    victim: str = "",
    mail_from: str | None = None,
    helo: str = "",
    before: Iterable[tuple[bytes, bytes]] = (),
    behind: Iterable[tuple[bytes, bytes]] = (),
    **more: object,
) -> Message:
    """A plain spoof, with fields before and behind From."""
    path = f"a@{crook(number)}" if mail_from is None else mail_from
    fields = (*before, from_(victim or bank(number)), (b"Subject", b" x"), *behind)
    return Message(
        fields,
        path.encode("utf-8", "surrogateescape"),
        (helo or f"mail.{crook(number)}").encode("utf-8", "surrogateescape"),
        client(number),
        **more,  # type: ignore[arg-type]
    )


def shown_as(number: int, *values: bytes, **more: object) -> Message:
    """A spoof whose From fields have the values `values`; ``BANK`` and ``CROOK`` stand for the two domains."""
    names = (bank(number).encode(), crook(number).encode())
    written = [value.replace(b"BANK", names[0]).replace(b"CROOK", names[1]) for value in values]
    message = spoof(number, **more)  # type: ignore[arg-type]
    others = tuple(each for each in message.fields if each[0] != b"From")
    return Message(
        (*((b"From", b" " + each) for each in written), *others),
        message.mail_from,
        message.helo,
        message.client,
        expected=message.expected,
        cost=message.cost,
    )


def honest(number: int, **more: object) -> Message:
    """Mail of a domain with p=reject, sent by whom its SPF record names."""
    good = bank(number, "good")
    fields = (*more.pop("before", ()), from_(good, "Good"), (b"Subject", b" x"))  # type: ignore[misc]
    more.setdefault("expected", frozenset({ACCEPTED}))
    more.setdefault("says", f"dmarc=pass (p=reject dis=none) header.from={good}")
    return Message(fields, f"a@{good}".encode(), f"mail.{good}".encode(), client(number), **more)  # type: ignore[arg-type]


def junk_signature(
    domain: str, *, selector: str = "s", names: str = "from", canonical: str = "relaxed/relaxed", more: str = ""
) -> tuple[bytes, bytes]:
    """A signature that has every tag, and fits nothing."""
    b = base64.b64encode(b"\x5a" * 128).decode()
    bh = base64.b64encode(b"\xa5" * 32).decode()
    tags = f" v=1; a=rsa-sha256; c={canonical}; d={domain}; s={selector}; h={names}; {more}bh={bh}; b={b}"
    return b"DKIM-Signature", tags.encode("utf-8", "surrogateescape")


def junk_sets(
    count: int, domain: str, *, names: str = "from", results: bytes = b" mx.test; dmarc=pass"
) -> list[tuple[bytes, bytes]]:
    """ARC sets of sound structure that fit nothing."""
    fields = []
    for i in range(count, 0, -1):
        b = base64.b64encode(b"\x5a" * 128).decode()
        bh = base64.b64encode(b"\xa5" * 32).decode()
        chain_value = "none" if i == 1 else "pass"
        common = f" i={i}; a=rsa-sha256; d={domain}; s=s; "
        message = f"{common}c=relaxed/relaxed; h={names}; bh={bh}; b={b}"
        fields.append((b"ARC-Seal", f"{common}cv={chain_value}; b={b}".encode()))
        fields.append((b"ARC-Message-Signature", message.encode()))
        fields.append((b"ARC-Authentication-Results", f" i={i};".encode() + results))
    return fields


def table(make: Callable[[int, str], Message], values: Sequence[str]) -> dict[str, Attack]:
    """One attack for each value, which is its name too."""
    return {each: lambda number, each=each: make(number, each) for each in values}  # type: ignore[misc]
