"""The contents of an ARC-Authentication-Results field (RFC 8617 4.1.1): what a sealer found.

Sealers write these with small errors of syntax in many ways, and a valid seal says whose they are. So they are read
generously: results are what stands between semicolons outside of comments and quotes. But they hold words of senders:
where these leave a quote or comment open, or fill the field beyond its bounds, something may be hidden, and nothing is
read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from dmarc_milter.message.lexer import PARAMETERS, Token, text_of

MAX_OCTETS = 16 << 10
MAX_TOKENS = 2_000
"""Words and specials of one field, and its comments."""
MAX_RESULTS = 50


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One result, like ``dmarc=pass header.from=example.com``; all in lower case."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """Each value of a property like ``header.from``."""
        return [value for key, value in self.properties if key == name]


@dataclass(frozen=True, slots=True)
class SealedResults:
    """What one sealer said; proven only where the chain is valid."""

    sealer: str
    """d= of the seal of this instance"""
    authserv_id: str
    results: tuple[MethodResult, ...]

    def of(self, method: str) -> list[MethodResult]:
        """The results of one method."""
        return [each for each in self.results if each.method == method]


def parse(sealer: str, value: bytes) -> SealedResults:
    """Read the value of a field without its instance tag."""
    tokens = _tokens(value)
    if tokens is None:
        return SealedResults(sealer, "", ())
    first, *others = _split(tokens)
    results = tuple([found for part in others if (found := _result(part)) is not None])
    authserv_id = first[0].text if first else ""
    return SealedResults(sealer, authserv_id, results if len(results) <= MAX_RESULTS else ())


def _tokens(value: bytes) -> list[Token] | None:
    """The words of a field in lower case; None where it is too long, or cannot be read to its end."""
    if len(value) > MAX_OCTETS or value.count(b"(") > MAX_TOKENS:
        return None
    tokens = list(islice(PARAMETERS.tokens(text_of(value).lower()), MAX_TOKENS + 1))
    return None if len(tokens) > MAX_TOKENS or (tokens and tokens[-1].is_broken) else tokens


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """What stands between semicolons."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.is_special(";"):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _result(part: Sequence[Token]) -> MethodResult | None:
    """resinfo (RFC 8601 2.2): the first pair is the method, perhaps with a version, and its result."""
    pairs = _pairs(part)
    if not pairs:
        return None
    (method, result), *properties = pairs
    return MethodResult(method.partition("/")[0], result, tuple(properties))


def _pairs(tokens: Sequence[Token]) -> list[tuple[str, str]]:
    """Names and values that ``=`` stands between; a name goes on over blanks at a slash or a dot, a value does not."""
    pairs: list[tuple[str, str]] = []
    name = ""
    value: str | None = None
    has_equals = False
    for token in tokens:
        if not has_equals:
            has_equals = token.is_special("=")
            name = name if has_equals else _joined(name, token)
        elif value is None or not token.is_apart:
            value = (value or "") + token.text
        else:
            pairs.append((name, value))
            name, value, has_equals = token.text, None, False
    return [*pairs, (name, value or "")] if has_equals else pairs


def _joined(name: str, token: Token) -> str:
    """A name with the next word of it: a word apart begins another name."""
    goes_on = not token.is_apart or name.endswith((".", "/")) or token.text.startswith((".", "/"))
    return name + token.text if goes_on else token.text
