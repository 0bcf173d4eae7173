"""Words of structured header fields (RFC 5322 3.2): atoms, quoted-strings, specials, and what stands between them.

The obsolete forms of RFC 5322 4.1 are read too: control characters in comments and quoted-strings, any octet behind a
backslash there. Each character is looked at a fixed number of times, however the text is nested or left open.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a token is."""

    ATOM = "atom"
    QUOTED_STRING = "quoted-string"
    SPECIAL = "special"
    UNCLOSED = "unclosed"
    """A quoted-string or comment without its end: all the rest of the text."""
    CONTROL = "control"
    """A control character or line end where none may be, and all the rest of the text."""


class Token(NamedTuple):
    """One word or special."""

    kind: Kind
    text: str
    """What it says: a quoted-string without its quotes and backslashes."""
    is_apart: bool
    """Whether white space or a comment (CFWS) stands in front of it."""

    @property
    def is_word(self) -> bool:
        """Whether it is a word (3.2.5): an atom or a quoted-string."""
        return self.kind is Kind.ATOM or self.kind is Kind.QUOTED_STRING

    @property
    def is_broken(self) -> bool:
        """Whether the text cannot be read from here on."""
        return self.kind is Kind.UNCLOSED or self.kind is Kind.CONTROL

    def is_special(self, characters: str) -> bool:
        """Whether it is one of these special characters."""
        return self.kind is Kind.SPECIAL and self.text in characters


# Groups are repeated within (?>...), not by *+: that of Python 3.11.2 keeps what a failed turn has taken.
_BLANKS = r"[ \t]++"
"""FWS (3.2.2, 4.2), unfolded."""
_QUOTED = r'(?>(?:[^"\\\x00\r\n]+|\\[\s\S])*)'
"""The inside of a quoted-string (3.2.4, obs-qtext of 4.1)."""
_COMMENTED = r"(?>(?:[^()\\\x00\r\n]+|\\[\s\S])*)"
"""The inside of a comment (3.2.2, obs-ctext of 4.1) that holds no comment."""

_FOLD = re.compile(r"\r\n(?=[ \t])")
_IN_QUOTES = re.compile(_QUOTED)
_IN_COMMENT = re.compile(rf"{_COMMENTED}(?>(?:\({_COMMENTED}\){_COMMENTED})*)")
"""Up to the end of a comment, or up to a comment in it that holds more comments."""
_BRACKETS = re.compile(r"\(+|\)+")
_QUOTED_PAIR = re.compile(r"\\([\s\S])|\r\n(?=[ \t])")


class Lexer:
    """Cuts text into tokens; `specials` are the characters that no atom holds."""

    def __init__(self, specials: str) -> None:
        others = re.escape(specials.replace('"', "").replace("(", ""))
        self._token = re.compile(
            rf"(?P<atom>[^\x00-\x20\x7f{re.escape(specials)}]++)|(?P<special>[{others}])"
            rf'|"(?P<quoted>{_QUOTED})"|(?P<cfws>{_BLANKS}|\({_COMMENTED}\))'
        )

    def tokens(self, text: str) -> Iterator[Token]:
        """The tokens of a field's value, as lazily as they are asked for; folds are CRLF and white space."""
        text = _FOLD.sub("", text)
        at = 0
        is_apart = False
        while at < len(text):
            match = self._token.match(text, at)
            end = match.end() if match is not None else _end_of_comment(text, at)
            if end is None:
                yield _broken(text, at, is_apart)
                return
            if match is None or match.lastgroup == "cfws":
                is_apart = True
            else:
                yield _token(match, is_apart)
                is_apart = False
            at = end


def _token(match: re.Match[str], is_apart: bool) -> Token:
    if match.lastgroup == "atom":
        return Token(Kind.ATOM, match[0], is_apart)
    if match.lastgroup == "special":
        return Token(Kind.SPECIAL, match[0], is_apart)
    return Token(Kind.QUOTED_STRING, _QUOTED_PAIR.sub(r"\1", match["quoted"]), is_apart)


def _end_of_comment(text: str, at: int) -> int | None:
    """Where the comment at `at` ends; None where there is none, or none that ends."""
    if text[at] != "(":
        return None
    stop = _stop_in_comment(text, at)
    return stop + 1 if text[stop : stop + 1] == ")" else None


def _stop_in_comment(text: str, at: int) -> int:
    """Where the closing bracket of the comment at `at` stands, or what may not be in a comment, or the end."""
    depth = 0
    while (brackets := _BRACKETS.match(text, at)) is not None:
        count = len(brackets[0])
        if text[at] == "(":
            depth += count
        elif count >= depth:
            return at + depth - 1
        else:
            depth -= count
        at = _end(_IN_COMMENT, text, brackets.end())
    return at


def _broken(text: str, at: int, is_apart: bool) -> Token:
    """All the rest of a text that cannot be read from `at` on."""
    stop = at
    if text[at] == '"':
        stop = _end(_IN_QUOTES, text, at + 1)
    elif text[at] == "(":
        stop = _stop_in_comment(text, at)
    return Token(Kind.CONTROL if stop < len(text) else Kind.UNCLOSED, text[at:], is_apart)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where the match of a pattern that matches anywhere ends."""
    match = pattern.match(text, at)
    assert match is not None
    return match.end()


ADDRESSES = Lexer('()<>[]:;@\\,."')
"""Fields with addresses: specials of RFC 5322 3.2.3."""

PARAMETERS = Lexer('()<>@,;:\\"/[]?=')
"""Fields with values of MIME, Authentication-Results too: tspecials of RFC 2045 5.1."""


def text_of(value: bytes) -> str:
    """A field's value as text: UTF-8 (RFC 6532); octets that are none become lone surrogates."""
    return value.decode("utf-8", "surrogateescape")
