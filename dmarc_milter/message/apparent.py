"""Apparent authors: every domain that some reader would show as an address of a From field that cannot be read.

Mail programs repair such a field in many ways. So nothing is understood here: whatever stands behind an at sign
counts, in each of the readings of the text that are seen in practice.
"""

import re
import unicodedata
from collections.abc import Iterator

from dmarc_milter.dns.name import MAX_LABEL, to_identifier
from dmarc_milter.message.encoded_word import decoded
from dmarc_milter.message.lexer import ADDRESSES, Kind, text_of

MAX_APPARENT = 10
"""Domains of one field."""

MAX_AT_SIGNS = 100
"""At signs of one field that are looked behind."""


def apparent_domains(value: bytes) -> tuple[str, ...] | None:
    """The domains (A-labels, distinct, in their order) that the value of a field shows; None if they are too many."""
    found: dict[str, None] = {}
    for reading in _readings(value):
        if reading.count("@") > MAX_AT_SIGNS:
            return None
        found.update(dict.fromkeys(_behind_at_signs(reading)))
    return tuple(found) if len(found) <= MAX_APPARENT else None


def _readings(value: bytes) -> Iterator[str]:
    """The texts that readers make of the octets, each text once, characters of full width made ASCII."""
    texts = dict.fromkeys((value.decode("utf-8", "ignore"), value.decode("latin-1")) if _is_no_utf8(value) else ())
    texts = texts or {text_of(value): None}
    texts.update(dict.fromkeys([decoded(text) for text in texts]))
    texts = dict.fromkeys([text.translate(_WIDE) for text in texts])
    texts.update(dict.fromkeys([_without_comments(text, quote) for text in texts for quote in ("", '"')]))
    yield from texts


def _is_no_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


_WIDE: dict[int, int | str] = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},
    **{ord(dot): "." for dot in "\u2024\u3002\ufe52\uff61"},
    **{ord(small): ascii_ for small, ascii_ in zip("\ufe50\ufe54\ufe55\ufe64\ufe65\ufe6b", ",;:<>@", strict=True)},
}


def _without_comments(text: str, quote: str) -> str:
    """The words alone: comments left out, blanks made one, quoted-strings between `quote`."""
    return "".join(
        (" " if token.is_apart else "") + _opened(token.kind, token.text, quote) for token in ADDRESSES.tokens(text)
    )


def _opened(kind: Kind, text: str, quote: str) -> str:
    """What a quoted-string or comment without its end holds is text like any other."""
    if kind is Kind.QUOTED_STRING:
        return quote + text + quote
    return text.lstrip('("') if kind is Kind.UNCLOSED else text


_INVISIBLE = re.compile(
    r"\r\n(?=[ \t])[ \t]+|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\\\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    r"\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Folds, controls, backslashes and what Unicode has no picture for: some readers leave it out, others stop there."""


def _behind_at_signs(text: str) -> Iterator[str]:
    before, *pieces = text.split("@")
    for behind in pieces:
        has_local_part = _LABELS.match(before[-1:]) is not None
        for shown in dict.fromkeys((_INVISIBLE.sub(" ", behind), _INVISIBLE.sub("", behind), _in_brackets(behind))):
            yield from _domains_at_start(shown, has_local_part)
        before = behind


def _in_brackets(behind: str) -> str:
    """What stands before a closing bracket, white space left out."""
    inside, bracket, _ = _INVISIBLE.sub("", behind).partition(">")
    return "".join(inside.split()) if bracket else ""


_LABEL = r"(?>(?:[\w-]|[^\x00-\x7f\s])+)"
_LABELS = re.compile(rf"{_LABEL}(?>(?:\.+{_LABEL})*)")
_LABELS_APART = re.compile(rf"{_LABEL}(?>(?:\s*\.[\s.]*{_LABEL})*)")
_USUAL = re.compile(r"[\w.-]*")
_NO_LABEL = re.compile(r"[^\w<>,;:]*")


def _domains_at_start(text: str, has_local_part: bool) -> Iterator[str]:
    """The domain at the start of the text, dots with blanks around them read and not read."""
    start = _end(_NO_LABEL, text)
    for labels in (_LABELS, _LABELS_APART):
        match = labels.match(text, start)
        domain = _identifier("".join(match[0].split())) if match is not None else None
        if domain is not None and ("." in domain or (has_local_part and start == 0)):
            yield domain


def _end(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.match(text)
    assert match is not None
    return match.end()


_DOTS = re.compile(r"\.{2,}")


def _identifier(shown: str) -> str | None:
    """The domain that is shown, without what stands around it; no number or address (RFC 3696 2)."""
    shown = _DOTS.sub(".", shown).strip(".-")
    usual = shown[: _end(_USUAL, shown)].strip(".-")
    identifier = to_identifier(shown) or to_identifier(usual) or to_identifier(_encoded_anyway(shown))
    return None if identifier is None or identifier.rpartition(".")[2].isdigit() else identifier


def _encoded_anyway(name: str) -> str:
    """A name that IDNA refuses, by Punycode alone (RFC 3492): what lies above it has a policy all the same."""
    return ".".join(label if label.isascii() else _punycode(label) for label in name.split("."))


def _punycode(label: str) -> str:
    """Empty where a label is longer than any in the DNS."""
    shown = unicodedata.normalize("NFKC", label[: MAX_LABEL + 1]).casefold()
    return "" if len(label) > MAX_LABEL else f"xn--{shown.encode('punycode', 'replace').decode('ascii')}"
