"""SPF records, read strictly by the ABNF of RFC 7208 section 12 into values.

The whole record is checked before anything in it is evaluated: a syntax error anywhere is a permerror (4.6), even
behind a mechanism that would have matched.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from dmarc_milter.common.memo import Memo
from dmarc_milter.common.reason import Unreadable, UnreadableError
from dmarc_milter.spf import macro
from dmarc_milter.spf.macro import MacroString
from dmarc_milter.spf.reasons import SpfReason

MAX_RECORD = 16_384
"""Octets. A longer record is a syntax error: no domain needs it, and the time to read it is an attacker's to spend."""

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)


class Qualifier(Enum):
    """What a matching mechanism means (RFC 7208 4.6.2)."""

    PASS = "+"  # noqa: S105 - an SPF result
    FAIL = "-"
    SOFTFAIL = "~"
    NEUTRAL = "?"


@dataclass(frozen=True, slots=True)
class All:
    """``all``: always matches (5.1)."""


@dataclass(frozen=True, slots=True)
class Include:
    """``include``: matches where another domain's record passes (5.2)."""

    domain: MacroString


@dataclass(frozen=True, slots=True)
class A:
    """``a``: matches the addresses of a name (5.3)."""

    domain: MacroString | None
    ip4_length: int = 32
    ip6_length: int = 128


@dataclass(frozen=True, slots=True)
class MX:
    """``mx``: matches the addresses of a domain's mail exchanges (5.4)."""

    domain: MacroString | None
    ip4_length: int = 32
    ip6_length: int = 128


@dataclass(frozen=True, slots=True)
class PTR:
    """``ptr``: matches the client's validated name; not to be used (5.5)."""

    domain: MacroString | None


@dataclass(frozen=True, slots=True)
class IP:
    """``ip4`` and ``ip6``: match a network (5.6)."""

    network: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Exists:
    """``exists``: matches where a name has any A record (5.7)."""

    domain: MacroString


Mechanism = All | Include | A | MX | PTR | IP | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism with its qualifier, and the words in which it was written."""

    qualifier: Qualifier
    mechanism: Mechanism
    text: str


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record without errors. Unknown modifiers were checked and dropped (6)."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None


def is_spf(text: bytes) -> bool:
    """Whether a TXT record claims to be an SPF record: ``v=spf1``, then a space or nothing (RFC 7208 4.5)."""
    return _VERSION.match(text) is not None


def parse(text: bytes) -> SpfRecord | Unreadable:
    """Read a TXT record for which :func:`is_spf` holds, strictly by RFC 7208 12; else what is wrong, and where."""
    return _parse_once(text)


def _parse(text: bytes) -> SpfRecord | Unreadable:
    if len(text) > MAX_RECORD:
        return Unreadable(SpfReason.RECORD_TOO_LONG(limit=MAX_RECORD), MAX_RECORD)
    try:
        return _record(text.decode("ascii"))
    except UnicodeDecodeError as error:
        return Unreadable(SpfReason.NOT_ASCII(), error.start)
    except UnreadableError as error:
        return error.unreadable


def _kept_octets(text: bytes, parsed: SpfRecord | Unreadable) -> int:
    """By measurement: what a text and what was read from it take in memory."""
    terms = len(parsed.directives) if isinstance(parsed, SpfRecord) else 0
    return 600 + 12 * len(text) + 100 * (terms + text.count(b"%{"))


_parse_once = Memo(_parse, _kept_octets, max_octets=8 << 20, max_key=MAX_RECORD)


_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.\-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9_.\-]*)(.*)", re.DOTALL)
_TERM = re.compile(r"[^ ]+")


def _record(text: str) -> SpfRecord:
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in _TERM.finditer(text, len("v=spf1")):
        word, position = term.group(), term.start()
        if modifier := _MODIFIER.fullmatch(word):
            name, value = modifier.group(1).lower(), modifier.group(2)
            _read_modifier(name, value, position + modifier.start(2), modifiers)
        else:
            directives.append(_directive(word, position))
    return SpfRecord(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def _read_modifier(name: str, value: str, position: int, modifiers: dict[str, MacroString]) -> None:
    if name not in ("redirect", "exp"):
        _macro_string(value, position)
        return
    if name in modifiers:
        raise UnreadableError(SpfReason.REPEATED_MODIFIER(modifier=name), position)
    modifiers[name] = _domain_spec(value, position)


def _directive(word: str, position: int) -> Directive:
    match = _MECHANISM.fullmatch(word)
    if match is None:
        raise UnreadableError(SpfReason.NO_TERM(term=word), position)
    qualifier, name, rest = match.groups()
    reader = _READERS.get(name.lower())
    if reader is None:
        raise UnreadableError(SpfReason.UNKNOWN_MECHANISM(mechanism=name), position)
    return Directive(Qualifier(qualifier or "+"), reader(rest, position + match.start(3)), word)


def _all(rest: str, position: int) -> Mechanism:
    if rest:
        raise UnreadableError(SpfReason.ARGUMENT_OF_ALL(), position)
    return All()


def _include(rest: str, position: int) -> Mechanism:
    return Include(_required_domain("include", rest, position))


def _exists(rest: str, position: int) -> Mechanism:
    return Exists(_required_domain("exists", rest, position))


def _ptr(rest: str, position: int) -> Mechanism:
    return PTR(_required_domain("ptr", rest, position) if rest else None)


def _a(rest: str, position: int) -> Mechanism:
    return A(*_domain_and_lengths(rest, position))


def _mx(rest: str, position: int) -> Mechanism:
    return MX(*_domain_and_lengths(rest, position))


_DUAL_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")


def _domain_and_lengths(rest: str, position: int) -> tuple[MacroString | None, int, int]:
    """``[ ":" domain-spec ] [ dual-cidr-length ]``, told apart from the right: a domain-spec may contain slashes."""
    cidr = _DUAL_CIDR.search(rest)
    assert cidr is not None  # matches the empty string at the end
    ip4_length = int(cidr.group(1) or 32)
    ip6_length = int(cidr.group(2) or 128)
    if ip4_length > 32:
        raise UnreadableError(SpfReason.PREFIX_TOO_LONG(family="IPv4", limit=32), position + cidr.start())
    if ip6_length > 128:
        raise UnreadableError(SpfReason.PREFIX_TOO_LONG(family="IPv6", limit=128), position + cidr.start())
    written = rest[: cidr.start()]
    domain = _required_domain("the mechanism", written, position) if written else None
    return domain, ip4_length, ip6_length


_IP4 = re.compile(r":((?:[0-9]{1,3}\.){3}[0-9]{1,3})(?:/(0|[1-9][0-9]?))?")
_IP6 = re.compile(r":([0-9A-Fa-f:.]{2,45})(?:/(0|[1-9][0-9]{0,2}))?")


def _ip4(rest: str, position: int) -> Mechanism:
    return _network(_IP4.fullmatch(rest), 32, position)


def _ip6(rest: str, position: int) -> Mechanism:
    return _network(_IP6.fullmatch(rest), 128, position)


def _network(match: re.Match[str] | None, bits: int, position: int) -> IP:
    if match is None:
        raise UnreadableError(SpfReason.NO_NETWORK(), position)
    length = int(match.group(2) or bits)
    if length > bits:
        family = "IPv4" if bits == 32 else "IPv6"
        raise UnreadableError(SpfReason.PREFIX_TOO_LONG(family=family, limit=bits), position + match.start(2))
    try:
        address = ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address
        return IP(address(match.group(1)).packed, length)
    except ValueError:
        raise UnreadableError(SpfReason.NO_ADDRESS(), position) from None


_READERS = {
    "all": _all,
    "include": _include,
    "a": _a,
    "mx": _mx,
    "ptr": _ptr,
    "ip4": _ip4,
    "ip6": _ip6,
    "exists": _exists,
}


def _required_domain(name: str, rest: str, position: int) -> MacroString:
    if not rest.startswith(":"):
        raise UnreadableError(SpfReason.MISSING_DOMAIN(mechanism=name), position)
    return _domain_spec(rest[1:], position + 1)


_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


def _ends_in_top_label(text: str) -> bool:
    """``"." toplabel [ "." ]`` (7.1): letters, digits and hyphens, but not digits alone."""
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot) and _LABEL.fullmatch(label) is not None and not label.isdigit()


def _domain_spec(text: str, position: int) -> MacroString:
    """domain-spec: a macro-string that ends in a dot and a top label, or in a macro (RFC 7208 7.1)."""
    string = _macro_string(text, position)
    if not string:
        raise UnreadableError(SpfReason.EMPTY_DOMAIN(), position)
    end = string[-1]
    if isinstance(end, str) and end not in macro.ESCAPED and not _ends_in_top_label(end):
        raise UnreadableError(SpfReason.NO_TOP_LABEL(), position)
    return string


def _macro_string(text: str, position: int) -> MacroString:
    string = macro.parse(text)
    if isinstance(string, Unreadable):
        raise UnreadableError(string.reason, position + (string.position or 0))
    return string
