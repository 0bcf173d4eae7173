"""Header fields as they are hashed (RFC 6376 3.4.1, 3.4.2, 5.4.2): which ones were signed, and in what form."""

import re
from collections.abc import Iterable

from dmarc_milter.dkim.signature import Canonicalization
from dmarc_milter.message.header import Field, Header

_SIGNATURE_TAG = re.compile(rb"(?:\A|;)[ \t\r\n]*b[ \t\r\n]*=")


def canonical(field: Field, canonicalization: Canonicalization) -> bytes:
    """One field in canonical form (RFC 6376 3.4.1, 3.4.2), without its CRLF."""
    if canonicalization is Canonicalization.SIMPLE:
        return field.name.encode("utf-8", "surrogateescape") + b":" + field.value
    return field.key.encode("utf-8", "surrogateescape") + b":" + _relaxed(field.value)


def _relaxed(value: bytes) -> bytes:
    """Unfolded, runs of blanks reduced to one space, none at either end (3.4.2). Other control characters are text."""
    value = value.replace(b"\r\n", b"").replace(b"\t", b" ").strip(b" ")
    while value.find(b"  ") >= 0:
        # Halves every run: no list of millions of words, as split and join would make it.
        value = value.replace(b"  ", b" ")
    return value


def octets_of(field: Field) -> int:
    """The length of a field as it came, in octets."""
    return len(field.name) + len(field.value)


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
    value = field.value
    tag = _SIGNATURE_TAG.search(value)
    if tag is None:
        return field
    end = value.find(b";", tag.end())
    return Field(field.name, value[: tag.end()] + (value[end:] if end >= 0 else b""))
