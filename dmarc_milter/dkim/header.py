"""The header hash (RFC 6376 3.4.1, 3.4.2, 3.7, 5.4.2): which fields were signed, and in what form."""

import hashlib
import re
from collections.abc import Iterable, Sequence

from dmarc_milter.dkim.signature import Canonicalization
from dmarc_milter.message.header import Field, Header

_BLANKS = re.compile(rb"[ \t]+")
_OTHER_SPACE = re.compile(rb"[\r\n\v\f]")
"""What Python takes for white space, and RFC 6376 does not."""
_SIGNATURE_TAG = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


def canonical(field: Field, canonicalization: Canonicalization) -> bytes:
    """One field in canonical form, without its CRLF."""
    if canonicalization is Canonicalization.SIMPLE:
        return field.name.encode("utf-8", "surrogateescape") + b":" + field.value
    return field.key.encode("utf-8", "surrogateescape") + b":" + _relaxed(field.value)


def _relaxed(value: bytes) -> bytes:
    """Unfolded, white space reduced to single spaces, none at either end (3.4.2)."""
    value = value.replace(b"\r\n", b"")
    if _OTHER_SPACE.search(value) is None:
        return b" ".join(value.split())
    return _BLANKS.sub(b" ", value).strip(b" ")


def select(header: Header, names: Iterable[str]) -> list[Field]:
    """The fields named, each name taking the last instance not taken yet (5.4.2); names without a field give none."""
    left: dict[str, int] = {}
    selected = []
    for name in names:
        fields = header.all(name)
        count = left.get(name, len(fields))
        if count:
            selected.append(fields[count - 1])
            left[name] = count - 1
    return selected


def without_signature(field: Field) -> Field:
    """The signature's own field with the value of b= deleted (3.5, 3.7)."""
    return field._replace(value=_SIGNATURE_TAG.sub(rb"\1", field.value, count=1))


def header_hash(header: Header, names: Sequence[str], own: Field, canonicalization: Canonicalization) -> bytes:
    """SHA-256 over the signed fields and, without CRLF at its end, the signature's own field."""
    parts = [canonical(field, canonicalization) for field in select(header, names)]
    parts.append(canonical(without_signature(own), canonicalization))
    return hashlib.sha256(b"\r\n".join(parts)).digest()
