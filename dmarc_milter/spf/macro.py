"""Macros: RFC 7208 section 7, read into values once and expanded as often as needed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from dmarc_milter.common.network import address_text
from dmarc_milter.common.reason import Unreadable, UnreadableError
from dmarc_milter.dns.name import MAX_NAME
from dmarc_milter.spf.limits import MAX_DOMAIN, MAX_LOCAL_PART, MAX_PATH
from dmarc_milter.spf.reasons import SpfReason


class Letter(Enum):
    """macro-letter (RFC 7208 7.2)."""

    SENDER = "s"
    LOCAL_PART = "l"
    SENDER_DOMAIN = "o"
    DOMAIN = "d"
    CLIENT_ADDRESS = "i"
    VALIDATED_NAME = "p"
    ADDRESS_FAMILY = "v"
    HELO = "h"
    READABLE_ADDRESS = "c"
    RECEIVER = "r"
    TIMESTAMP = "t"


EXPLANATION_ONLY = frozenset({Letter.READABLE_ADDRESS, Letter.RECEIVER, Letter.TIMESTAMP})
"""Letters that are allowed in explanation text only (RFC 7208 7.2)."""


@dataclass(frozen=True, slots=True)
class Expand:
    """macro-expand: ``%{`` letter, how many right-hand parts (0: all), reversed, delimiters ``}``."""

    letter: Letter
    parts: int = 0
    is_reversed: bool = False
    delimiters: str = "."
    is_escaped: bool = False
    """Written in upper case: URL-escape the result."""


MacroString = tuple[str | Expand, ...]
"""Literal text and macros, in order; ``%%``, ``%_`` and ``%-`` are literal text already."""


_EXPAND = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([.\-+,/_=]*)\}")
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_EXPLANATION_LITERAL = re.compile(r"[\x20-\x24\x26-\x7e]+")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
ESCAPED = frozenset(_ESCAPES.values())
"""What ``%%``, ``%_`` and ``%-`` stand for; each is a part of its own in a MacroString."""

_UNRESERVED = "-._~"
_LETTERS = {letter.value: letter for letter in Letter}


def parse(text: str, *, explanation: bool = False) -> MacroString | Unreadable:
    """Read a macro-string, or explain-string where `explanation` is set. Positions count characters."""
    try:
        return _parse(text, explanation)
    except UnreadableError as error:
        return error.unreadable


def _parse(text: str, explanation: bool) -> MacroString:
    literal = _EXPLANATION_LITERAL if explanation else _LITERAL
    parts: list[str | Expand] = []
    position = 0
    while position < len(text):
        if match := literal.match(text, position):
            parts.append(match.group())
            position = match.end()
        elif escape := _ESCAPES.get(text[position : position + 2]):
            parts.append(escape)
            position += 2
        elif match := _EXPAND.match(text, position):
            parts.append(_expand(match, position, explanation))
            position = match.end()
        else:
            code = SpfReason.UNREADABLE_MACRO if text[position] == "%" else SpfReason.INVALID_CHARACTER
            raise UnreadableError(code(), position)
    return tuple(parts)


def _expand(match: re.Match[str], position: int, explanation: bool) -> Expand:
    written, digits, reverse, delimiters = match.groups()
    letter = _LETTERS.get(written.lower())
    if letter is None:
        raise UnreadableError(SpfReason.UNKNOWN_LETTER(letter=written), position)
    if letter in EXPLANATION_ONLY and not explanation:
        raise UnreadableError(SpfReason.EXPLANATION_LETTER(letter=written), position)
    # More digits than a name can have labels mean the same as that many.
    parts = min(int(digits[:6]), 1000) if digits else 0
    if digits and not digits.strip("0"):
        raise UnreadableError(SpfReason.ZERO_PARTS(), position)
    return Expand(letter, parts, bool(reverse), delimiters or ".", written.isupper())


class MacroValues(NamedTuple):
    """What the letters stand for while one message is checked."""

    sender: str
    """MAIL FROM with ``postmaster@`` supplied, or ``postmaster@`` HELO (RFC 7208 4.3)."""
    client_address: bytes
    helo: str
    domain: str
    """The domain whose record is being evaluated: changes with include and redirect."""
    validated_name: str = "unknown"
    receiver: str = "unknown"
    timestamp: int = 0

    def at(self, domain: str) -> "MacroValues":
        """The same for the record of another domain (include, redirect)."""
        return MacroValues(self.sender, self.client_address, self.helo, domain)

    def value(self, letter: Letter) -> str:
        """What `letter` stands for (RFC 7208 7.2), before it is cut, reversed or escaped."""
        local_part, _, sender_domain = self.sender.rpartition("@")
        match letter:
            case Letter.SENDER:
                return self.sender
            case Letter.LOCAL_PART:
                return local_part
            case Letter.SENDER_DOMAIN:
                return sender_domain
            case Letter.DOMAIN:
                return self.domain
            case Letter.CLIENT_ADDRESS:
                return dotted(self.client_address)
            case Letter.VALIDATED_NAME:
                return self.validated_name
            case Letter.ADDRESS_FAMILY:
                return "in-addr" if len(self.client_address) == 4 else "ip6"
            case Letter.HELO:
                return self.helo
            case Letter.READABLE_ADDRESS:
                return readable(self.client_address)
            case Letter.RECEIVER:
                return self.receiver
            case Letter.TIMESTAMP:
                return str(self.timestamp)


def dotted(address: bytes) -> str:
    """``%{i}``: dotted quad, or the 32 hexadecimal digits of an IPv6 address, dotted (RFC 7208 7.3).

    In upper case, as the OpenSPF suite has it; it shows in explanations only, names are asked for in lower case."""
    if len(address) == 4:
        return ".".join(map(str, address))
    return ".".join(address.hex().upper())


def readable(address: bytes) -> str:
    """``%{c}``: the address as people write it."""
    return address_text(address)


def needs_validated_name(string: MacroString) -> bool:
    """Whether expanding `string` needs the client's validated name, which costs DNS questions."""
    if len(string) == 1 and isinstance(string[0], str):
        return False
    return any(isinstance(part, Expand) and part.letter is Letter.VALIDATED_NAME for part in string)


_BY_SENDER = frozenset({Letter.HELO, Letter.VALIDATED_NAME, Letter.LOCAL_PART})


def names_senders_host(string: MacroString) -> bool:
    """Whether the sender chooses in whose DNS the expanded name lies: its last labels are HELO, or the like."""
    end = string[-1]
    return isinstance(end, Expand) and end.letter in _BY_SENDER


_LIMITS = {
    Letter.SENDER: MAX_PATH,
    Letter.LOCAL_PART: MAX_LOCAL_PART,
    Letter.SENDER_DOMAIN: MAX_DOMAIN,
    Letter.HELO: MAX_DOMAIN,
}


def too_long(string: MacroString, values: MacroValues) -> Letter | None:
    """The first letter of `string` whose value is longer than RFC 5321 4.5.3.1 allows, or None.

    Such a value is never expanded. RFC 7208 knows no result for it: a term that needs it cannot be interpreted, which
    is what a permerror means (2.6.7), so it neither matches nor lets a later term match.
    """
    if len(string) == 1 and isinstance(string[0], str):
        return None
    letters = {part.letter for part in string if isinstance(part, Expand)}
    limits = ((letter, most) for letter, most in _LIMITS.items() if letter in letters)
    return next((letter for letter, most in limits if _octets(values.value(letter)) > most), None)


def _octets(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def expand(string: MacroString, values: MacroValues, most: int) -> str:
    """The first `most` characters of `string` with its macros replaced (RFC 7208 7.3). More is not built."""
    return "".join(_until(most, (_part(each, values) for each in string)))[:most]


def _part(part: str | Expand, values: MacroValues) -> str:
    return part if isinstance(part, str) else _expanded(part, values)


def _until(most: int, pieces: Iterable[str]) -> Iterator[str]:
    """As many of `pieces` as are needed for `most` characters."""
    length = 0
    for piece in pieces:
        yield piece
        length += len(piece)
        if length >= most:
            return


def _expanded(macro: Expand, values: MacroValues) -> str:
    value = values.value(macro.letter)
    if macro.parts or macro.is_reversed or macro.delimiters != ".":
        pieces: Sequence[str] = _split(value, macro.delimiters)
        if macro.is_reversed:
            pieces = pieces[::-1]
        if macro.parts:
            pieces = pieces[-macro.parts :]
        value = ".".join(pieces)
    return quote(value, safe=_UNRESERVED, errors="surrogateescape") if macro.is_escaped else value


def _split(value: str, delimiters: Iterable[str]) -> list[str]:
    first, *others = delimiters
    for other in others:
        value = value.replace(other, first)
    return value.split(first)


def expand_domain(string: MacroString, values: MacroValues) -> str:
    """A domain-spec expanded into a name to ask for: cut from the left to 253 octets, at a dot (RFC 7208 7.3)."""
    if len(string) == 1 and isinstance(string[0], str):
        return _name(string[0])
    # From the right end, and no more than can be kept: one octet to see the dot before it, one for a dot at the end.
    pieces = list(_until(MAX_NAME + 2, (_part(each, values) for each in reversed(string))))
    return _fitting("".join(reversed(pieces)))


def _fitting(text: str) -> str:
    octets = text.removesuffix(".").lower().encode("utf-8", "surrogateescape")
    if len(octets) > MAX_NAME:
        # Where no dot is in reach, the name does not fit however it is cut: what is left cannot be asked for.
        octets = octets[-MAX_NAME - 1 :]
        octets = octets[octets.find(b".") + 1 :]
    return octets.decode("utf-8", "surrogateescape")


def _name(text: str) -> str:
    return _usual_name(text) if len(text) <= MAX_NAME else _fitting(text)


_usual_name = lru_cache(maxsize=1_024)(_fitting)
"""Most domain-specs hold no macro, and the same ones come again and again. At most 1 MB, by the length of a name."""
