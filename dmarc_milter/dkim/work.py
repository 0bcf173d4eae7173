"""The work that the signatures of one message make, DKIM's and ARC's together: each part of it once, all of it bounded.

A signature that would take more counts as one that cannot be verified, never for the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from dmarc_milter.common.reason import Reason
from dmarc_milter.dkim.header import canonical, octets_of, select, without_signature
from dmarc_milter.dkim.key import Key
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.signature import Canonicalization, Signature
from dmarc_milter.message.header import Field, Header

MAX_HASHED = 32 << 20
"""Octets of header fields that are hashed for one message. Sixty signatures of an honest one come to 1 MB."""

MAX_TRIES = 128
"""Keys that are tried for one message: 10 signatures, 50 ARC sets, and some names with several keys."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """Why a signature was not verified: the message had no such work left."""

    reason: Reason


_TOO_MANY_OCTETS = Exceeded(DkimReason.TOO_MUCH_HEADER(limit=MAX_HASHED >> 20))
_TOO_MANY_TRIES = Exceeded(DkimReason.TOO_MANY_KEYS(limit=MAX_TRIES))


class Work:
    """What was done for the signatures of one message, and how much may yet be done."""

    __slots__ = ("_header", "_octets_left", "_relaxed", "_tries_left")

    def __init__(self, header: Header) -> None:
        self._header = header
        self._octets_left = MAX_HASHED
        self._tries_left = MAX_TRIES
        self._relaxed: dict[Field, bytes] = {}

    def canonical(self, field: Field, canonicalization: Canonicalization) -> bytes:
        """One field in canonical form without its CRLF; the relaxed form is made once."""
        if canonicalization is Canonicalization.SIMPLE:
            return canonical(field, canonicalization)
        known = self._relaxed.get(field)
        if known is None:
            known = self._relaxed[field] = canonical(field, canonicalization)
        return known

    def header_hash(self, wanted: Signature, own: Field) -> bytes | Exceeded:
        """SHA-256 over the fields that `wanted` signs and, without CRLF, its `own` field (RFC 6376 3.7)."""
        fields = select(self._header, wanted.signed_fields)
        self._octets_left -= sum(map(octets_of, fields))
        if self._octets_left < 0:
            return _TOO_MANY_OCTETS
        hashed = sha256()
        for field in fields:
            hashed.update(self.canonical(field, wanted.header_canonicalization) + b"\r\n")
        hashed.update(canonical(without_signature(own), wanted.header_canonicalization))
        return hashed.digest()

    def key_of(self, keys: Sequence[Key], signature: bytes, digest: bytes) -> Key | Exceeded | None:
        """The first of `keys` that made `signature` of the SHA-256 `digest`, or None."""
        for key in keys:
            self._tries_left -= 1
            if self._tries_left < 0:
                return _TOO_MANY_TRIES
            if key.verifies(signature, digest):
                return key
        return None
