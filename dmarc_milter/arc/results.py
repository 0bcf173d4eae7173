"""The contents of an ARC-Authentication-Results field (RFC 8617 4.1.1): what a sealer found.

Sealers write these with small errors of syntax in many ways, and a valid seal says whose they are. So they are read
generously: results are what stands between semicolons outside of comments and quotes.
"""

import re
from dataclasses import dataclass

MAX_OCTETS = 16 << 10
MAX_RESULTS = 50


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One result, like ``dmarc=pass header.from=example.com``; all in lower case."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()

    def value(self, name: str) -> str | None:
        """The first value of a property like ``header.from``."""
        return next((value for key, value in self.properties if key == name), None)


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
    parts = _parts(value[:MAX_OCTETS].decode("utf-8", "replace").lower())
    authserv_id = parts[0].split()[0] if parts[0].split() else ""
    results = [found for part in parts[1 : MAX_RESULTS + 1] if (found := _result(part)) is not None]
    return SealedResults(sealer, authserv_id, tuple(results))


_PIECE = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|\\.|[^"\\]', re.DOTALL)
_EQUALS = re.compile(r"\s*=\s*")


def _parts(text: str) -> list[str]:
    """What stands between semicolons: comments left out, quoted-strings without quotes and with no blanks."""
    parts = [""]
    depth = 0
    for piece in _PIECE.findall(text):
        if piece == "(":
            depth += 1
        elif piece == ")" and depth:
            depth -= 1
        elif depth:
            continue
        elif piece == ";":
            parts.append("")
        elif piece[0] == '"':
            parts[-1] += "_".join(piece.strip('"').split())
        else:
            parts[-1] += piece
    return parts


def _result(part: str) -> MethodResult | None:
    first, *others = _EQUALS.sub("=", part).split() or [""]
    method, equals, result = first.partition("=")
    if not equals:
        return None
    properties = [word.partition("=") for word in others if "=" in word]
    return MethodResult(method.partition("/")[0], result, tuple((name, value) for name, _, value in properties))
