"""Encoded-words (RFC 2047 2) as generous readers decode them: anywhere, of any length, with errors."""

import binascii
import re
from encodings.aliases import aliases

_START = re.compile(r"=\?([^?\s]*)\?([BbQq])\?")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_CHARSETS = frozenset(aliases.values()) - {"mbcs"}
"""Python's codecs with a public name. It would remember every other name that it is asked for."""


def decoded(text: str) -> str:
    """`text` with its encoded-words decoded; white space between two of them is left out (6.2)."""
    pieces: list[str] = []
    at = 0
    while (start := _START.search(text, at)) is not None:
        end = text.find("?=", start.end())
        if end < 0:
            break
        between = text[at : start.start()]
        if not pieces or not (between == "" or between.isspace()):
            pieces.append(between)
        pieces.append(_decoded_word(start[1], start[2], text[start.end() : end]))
        at = end + 2
    return "".join([*pieces, text[at:]])


def _decoded_word(charset: str, encoding: str, written: str) -> str:
    octets = written.encode("ascii", "ignore")
    return _in_charset(_from_base64(octets) if encoding in "Bb" else binascii.a2b_qp(octets, header=True), charset)


def _from_base64(octets: bytes) -> bytes:
    """Whatever can be decoded: other characters are stepped over, padding is supplied."""
    digits = _NO_BASE64.sub("", octets.decode("ascii"))
    whole = digits[: len(digits) - (len(digits) % 4 == 1)]
    return binascii.a2b_base64(whole + "=" * (-len(whole) % 4))


def _in_charset(octets: bytes, charset: str) -> str:
    """The octets as text; a language behind the charset (RFC 2231 5) is stepped over, an unknown charset is Latin-1."""
    name = charset.partition("*")[0].lower().replace("-", "_")
    codec = aliases.get(name, name)
    if codec not in _CHARSETS:
        codec = "latin_1"
    try:
        return octets.decode(codec, "ignore")
    except (LookupError, UnicodeError):  # a codec that is none of text, or that knows no 'ignore'
        return octets.decode("latin_1")
