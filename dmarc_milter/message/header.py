"""Header fields exactly as they came, and the ways to find them."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

MAX_FIELDS = 20_000
MAX_OCTETS = 4 << 20
"""Of one header section. What comes beyond is not looked at, and the message counts as unreadable."""


class Field(NamedTuple):
    """One header field.

    `name` is what stands before the colon, white space at its end included (obs-syntax, RFC 5322 4.5); `value` is what
    stands behind it, the first space included, lines folded with CRLF, without the CRLF at the end.
    """

    name: str
    value: bytes

    @property
    def key(self) -> str:
        """The name as names are compared: lower case, no white space at its end."""
        return _usual_key(self.name) if len(self.name) <= _USUAL_NAME else _key(self.name)


def _key(name: str) -> str:
    return name.rstrip(" \t").lower()


_USUAL_NAME = 40
"""Names are few and short; what is longer is not kept, so that nobody fills the memory with them."""
_usual_key = lru_cache(maxsize=1_000)(_key)
"""At most 1 MB."""


class Header:
    """The header section of one message, in order from the top."""

    __slots__ = ("_by_key", "_octets", "fields", "is_complete")

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self.fields: list[Field] = []
        self.is_complete = True
        """False once fields were left out because of the bounds above."""
        self._octets = 0
        self._by_key: dict[str, list[Field]] | None = None
        for field in fields:
            self.append(field)

    def append(self, field: Field) -> None:
        """Add the next field."""
        self._octets += len(field.name) + len(field.value)
        if len(self.fields) >= MAX_FIELDS or self._octets > MAX_OCTETS:
            self.is_complete = False
            return
        self.fields.append(field)
        self._by_key = None

    def all(self, key: str) -> list[Field]:
        """The fields whose name is `key` (lower case), from the top."""
        if self._by_key is None:
            index: dict[str, list[Field]] = {}
            for field in self.fields:
                index.setdefault(field.key, []).append(field)
            self._by_key = index
        return self._by_key.get(key, [])

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


_LF = 0x0A
"""As a number: looking for octets in octets, Python first makes an exception of them not being one, for each field."""


def with_crlf(value: bytes) -> bytes:
    """A field value as an MTA hands it over, its folds written as the CRLF that they were on the wire."""
    return value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if _LF in value else value


_FIELD_NAME = re.compile(rb"([!-9;-~]+[ \t]*):")
_FIELD_END = re.compile(rb"\n(?![ \t])|\Z")
_EMPTY_LINE = re.compile(rb"\r?\n")


def split_message(message: bytes) -> tuple[Header, bytes]:
    """Header section and body of a whole message as it lies in a file, line ends made CRLF.

    A first line ``From `` (mbox) is left out; a line that is neither a field nor the continuation of one ends the
    header section, as MTAs have it.
    """
    header = Header()
    position = message.find(b"\n") + 1 if message.startswith(b"From ") else 0
    while (name := _FIELD_NAME.match(message, position)) is not None:
        end = _FIELD_END.search(message, name.end())
        assert end is not None  # at the latest, the end of the message
        value = message[name.end() : end.start()]
        header.append(Field(name.group(1).decode("ascii"), with_crlf(value.removesuffix(b"\r"))))
        position = end.end()
    empty = _EMPTY_LINE.match(message, position)
    return header, _with_line_ends(message[empty.end() if empty else position :])


def _with_line_ends(body: bytes) -> bytes:
    # Looking for one octet in what is left without the pairs is four times as fast as counting.
    if b"\n" not in body.replace(b"\r\n", b""):
        return body
    return body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
