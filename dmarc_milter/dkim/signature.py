"""DKIM-Signature fields (RFC 6376 3.5, 6.1.1) and their relative in ARC, read into values or refused with a reason."""

import re
from dataclasses import dataclass
from enum import Enum

from dmarc_milter.common.reason import Unreadable, UnreadableError
from dmarc_milter.dkim import tags
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dns.name import is_at_or_below, to_identifier


class Canonicalization(Enum):
    """The two algorithms of RFC 6376 3.4, for header fields and for the body."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


class Algorithm(Enum):
    """Signature algorithms that count today (RFC 8301 3.1, RFC 8463 3)."""

    RSA_SHA256 = "rsa-sha256"
    ED25519_SHA256 = "ed25519-sha256"

    @property
    def key_type(self) -> str:
        """The value of k= that a key for it has."""
        return "rsa" if self is Algorithm.RSA_SHA256 else "ed25519"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature whose field has no fault."""

    domain: str
    """d=, an A-label name: the DKIM Signing Domain."""
    selector: str
    """s="""
    algorithm: Algorithm
    signature: bytes
    """b=, decoded"""
    body_hash: bytes
    """bh=, decoded"""
    signed_fields: tuple[str, ...]
    """h=, in lower case, in order"""
    header_canonicalization: Canonicalization = Canonicalization.SIMPLE
    body_canonicalization: Canonicalization = Canonicalization.SIMPLE
    body_length: int | None = None
    """l="""
    identity_domain: str = ""
    """The domain of i=, or d= where there is no i=."""
    header_b: str = ""
    """The start of b= in text, which tells signatures of one domain apart (RFC 6008)."""

    @property
    def key_name(self) -> str:
        """Where the key is published (3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a field says of itself, as far as it is safe to show; nothing of it is proven."""

    domain: str | None = None
    """d="""
    selector: str | None = None
    """s="""
    algorithm: str | None = None
    """a="""
    header_b: str | None = None
    """The start of b=."""


CLOCK_SKEW = 300
"""Seconds by which t= and x= may be off (3.5)."""

MAX_SIGNED_FIELDS = 1_000
_MAX_SIGNATURE = 1_536
"""Octets of a signature: of an RSA key of 8192 bits, 1,024."""
_MAX_BODY_HASH = 48
_SHOWN = 8
_ALGORITHM_NAME = re.compile(r"[a-z0-9-]{1,32}")
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_LENGTH = re.compile(rb"[0-9]{1,76}")
_SHOWABLE = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_FIELD_NAMES = re.compile(r"[!-9;-~]+(?::[!-9;-~]+)*")


def parse(value: bytes, now: int) -> Signature | Unreadable:
    """Read the value of a DKIM-Signature field. `now` is the time in seconds since 1970."""
    found = tags.parse(value)
    if isinstance(found, Unreadable):
        return Unreadable(DkimReason.UNREADABLE_SIGNATURE(because=found.reason))
    return _read(found, now, is_arc=False)


def claims(value: bytes) -> Claims:
    """What can be read of the value of a DKIM-Signature field, whatever else is in it."""
    found = tags.parse(value)
    if isinstance(found, Unreadable):
        return Claims()
    algorithm = _text(found.get("a", b"")).lower()
    return Claims(
        to_identifier(_text(found.get("d", b""))),
        to_identifier(_text(found.get("s", b""))),
        algorithm if _ALGORITHM_NAME.fullmatch(algorithm) else None,
        _header_b(found),
    )


def parse_arc(found: dict[str, bytes], now: int) -> Signature | Unreadable:
    """Read the tags of an ARC-Message-Signature: no v=, and i= is the instance (RFC 8617 4.1.2)."""
    return _read(found, now, is_arc=True)


def parse_seal(found: dict[str, bytes], now: int) -> Signature | Unreadable:
    """Read the tags of an ARC-Seal (RFC 8617 4.1.3): no body, no h=, relaxed."""
    try:
        _check_times(found, now)
        domain = _domain(found)
        return Signature(
            domain=domain,
            selector=_selector(found),
            algorithm=_algorithm(found),
            signature=_base64(found, "b", _MAX_SIGNATURE),
            body_hash=b"",
            signed_fields=(),
            header_canonicalization=Canonicalization.RELAXED,
            identity_domain=domain,
        )
    except UnreadableError as error:
        return error.unreadable


def _read(found: dict[str, bytes], now: int, *, is_arc: bool) -> Signature | Unreadable:
    try:
        if not is_arc:
            _check_version(found)
        _check_times(found, now)
        domain, selector = _domain(found), _selector(found)
        header, body = _canonicalizations(found)
        return Signature(
            domain=domain,
            selector=selector,
            algorithm=_algorithm(found),
            signature=_base64(found, "b", _MAX_SIGNATURE),
            body_hash=_base64(found, "bh", _MAX_BODY_HASH),
            signed_fields=_signed_fields(found, needs_from=not is_arc),
            header_canonicalization=header,
            body_canonicalization=body,
            body_length=_body_length(found),
            identity_domain=domain if is_arc else _identity_domain(found, domain),
            header_b=_header_b(found) or "",
        )
    except UnreadableError as error:
        return error.unreadable


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _header_b(found: dict[str, bytes]) -> str | None:
    signature = tags.without_white_space(found.get("b", b""))[:_SHOWN]
    return signature.decode("ascii") if _SHOWABLE.fullmatch(signature) else None


def _required(found: dict[str, bytes], name: str) -> bytes:
    """3.5, 6.1.1: v, a, b, bh, d, h and s are required."""
    value = found.get(name)
    if not value:
        raise UnreadableError(DkimReason.MISSING_TAG(tag=name))
    return value


def _check_version(found: dict[str, bytes]) -> None:
    """v= is 1, compared as text (3.5)."""
    if _required(found, "v") != b"1":
        raise UnreadableError(DkimReason.UNKNOWN_VERSION())


def _algorithm(found: dict[str, bytes]) -> Algorithm:
    """a= (3.5); rsa-sha1 has permanently failed (RFC 8301 3.1)."""
    name = _text(_required(found, "a")).lower()
    if name == "rsa-sha1":
        raise UnreadableError(DkimReason.RSA_SHA1())
    try:
        return Algorithm(name)
    except ValueError:
        raise UnreadableError(DkimReason.UNKNOWN_ALGORITHM()) from None


def _canonicalizations(found: dict[str, bytes]) -> tuple[Canonicalization, Canonicalization]:
    """c= (3.5): header/body, each simple where it is not written."""
    header, _, body = _text(found.get("c", b"simple/simple")).lower().partition("/")
    try:
        return Canonicalization(header), Canonicalization(body or "simple")
    except ValueError:
        raise UnreadableError(DkimReason.UNKNOWN_CANONICALIZATION()) from None


def _domain(found: dict[str, bytes]) -> str:
    """d= (3.5), U-labels as A-labels (RFC 8616 5)."""
    domain = to_identifier(_text(_required(found, "d")))
    if domain is None:
        raise UnreadableError(DkimReason.NO_DOMAIN())
    return domain


def _selector(found: dict[str, bytes]) -> str:
    """s= (3.1, 3.5)"""
    selector = to_identifier(_text(_required(found, "s")))
    if selector is None:
        raise UnreadableError(DkimReason.NO_SELECTOR())
    if "q" in found and "dns/txt" not in tags.listed(found["q"]):
        raise UnreadableError(DkimReason.UNKNOWN_QUERY())
    return selector


def _identity_domain(found: dict[str, bytes], domain: str) -> str:
    """i= (3.5): its domain is d= or a subdomain of it."""
    if "i" not in found:
        return domain
    _, at, written = _text(found["i"]).rpartition("@")
    identity = to_identifier(written) if at else None
    if identity is None:
        raise UnreadableError(DkimReason.NO_IDENTITY())
    if not is_at_or_below(identity, domain):
        raise UnreadableError(DkimReason.IDENTITY_OUTSIDE())
    return identity


def _signed_fields(found: dict[str, bytes], *, needs_from: bool) -> tuple[str, ...]:
    """h= (3.5, 5.4): a list of field names, From among them."""
    names = tuple(tags.listed(_required(found, "h")))
    if len(names) > MAX_SIGNED_FIELDS or _FIELD_NAMES.fullmatch(":".join(names)) is None:
        raise UnreadableError(DkimReason.UNREADABLE_FIELDS())
    if needs_from and "from" not in names:
        raise UnreadableError(DkimReason.FROM_NOT_SIGNED())
    return names


def _body_length(found: dict[str, bytes]) -> int | None:
    """l= (3.5): decimal, at most 76 digits."""
    if "l" not in found:
        return None
    if _LENGTH.fullmatch(found["l"]) is None:
        raise UnreadableError(DkimReason.NO_LENGTH())
    return int(found["l"])


def _check_times(found: dict[str, bytes], now: int) -> None:
    """t= and x= (3.5): not from the future, not expired, in this order."""
    times = {}
    for name in ("t", "x"):
        if name in found:
            if _TIMESTAMP.fullmatch(found[name]) is None:
                raise UnreadableError(DkimReason.NO_TIME(tag=name))
            times[name] = int(found[name])
    if times.get("t", 0) > now + CLOCK_SKEW:
        raise UnreadableError(DkimReason.SIGNED_IN_FUTURE())
    if "x" in times:
        if times["x"] <= times.get("t", -1):
            raise UnreadableError(DkimReason.EXPIRES_BEFORE_SIGNED())
        if times["x"] < now - CLOCK_SKEW:
            raise UnreadableError(DkimReason.EXPIRED())


def _base64(found: dict[str, bytes], name: str, limit: int) -> bytes:
    octets = tags.base64(_required(found, name))
    if octets is None or len(octets) > limit:
        raise UnreadableError(DkimReason.NO_BASE64(tag=name))
    return octets
