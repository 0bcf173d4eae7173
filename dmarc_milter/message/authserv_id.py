"""Whose an Authentication-Results field is (RFC 8601 2.2, 2.5, 5).

Consumers are generous: some take for the authserv-id whatever stands at the start. So only a field that has a legal id,
and the legal id of somebody else, is somebody else's.
"""

import re
from dataclasses import dataclass
from itertools import islice

from dmarc_milter.dns.name import to_identifier
from dmarc_milter.message.lexer import PARAMETERS, Kind, Token, text_of

KEY = "authentication-results"

MAX_START = 300
"""Octets of a field in which its authserv-id and version have to stand."""

MAX_BRACKETS = 20
"""Opening brackets, of comments, among these octets."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a field says of who wrote it."""

    authserv_ids: frozenset[str]
    """Each id that it may be read as, as :func:`comparable` has it; empty where it has no legal one."""
    has_known_version: bool
    """Whether it has version 1, or none, which means the same."""

    def may_be_of(self, authserv_ids: frozenset[str]) -> bool:
        """Whether it claims one of these ids, or no legal id, and so must not stand under them."""
        return not self.authserv_ids or not self.authserv_ids.isdisjoint(authserv_ids)


_NO_CLAIM = Claim(frozenset(), False)


def claim(value: bytes) -> Claim:
    """Who the field with this value claims to be from."""
    if value.count(b"(", 0, MAX_START) > MAX_BRACKETS:
        return _NO_CLAIM
    start = list(islice(PARAMETERS.tokens(text_of(value[:MAX_START])), 3))
    if not start or not start[0].is_word or not _is_legal_id(start[0].text):
        return _NO_CLAIM
    versions = start[1:2] if len(start) > 1 and _is_version(start[1]) else []
    behind = start[1 + len(versions) :]
    if (not behind and len(value) > MAX_START) or (behind and not behind[0].is_special(";")):
        return _NO_CLAIM
    return Claim(_readings(start[0].text), all(_is_known(version.text) for version in versions))


def _is_legal_id(text: str) -> bool:
    """ASCII that can be printed, or a name with U-labels (2.2: value, updated by RFC 6532)."""
    if not text.isascii():
        return to_identifier(text) is not None
    return text.isprintable() and bool(text.strip(" ."))


_VERSION = re.compile(r"[0-9]+")


def _is_version(token: Token) -> bool:
    """authres-version (2.2), behind white space or a comment."""
    return token.kind is Kind.ATOM and token.is_apart and _VERSION.fullmatch(token.text) is not None


def _is_known(version: str) -> bool:
    return version.lstrip("0") == "1"


_FIRST_WORD = re.compile(r"""[\s"'(),./:;<=>@\[\\\]]*([^\s"'(),/:;<=>@\[\\\]]*)""")


def _readings(text: str) -> frozenset[str]:
    """The id as it is, and what readers take for it who know no quoted-strings."""
    first = _FIRST_WORD.match(text)
    return frozenset(comparable(each) for each in (text, first[1] if first else ""))


def comparable(authserv_id: str) -> str:
    """An authserv-id in the form in which ids are compared: a name as A-labels, anything else in lower case."""
    plain = authserv_id.strip(" .")
    return to_identifier(plain) or plain.lower()


def claims(value: bytes, authserv_ids: frozenset[str]) -> bool:
    """Whether a field claims one of these ids, or no legal id, or a version that is not known (RFC 8601 5).

    Such a field must not stand in a message that somebody else sends.
    """
    found = claim(value)
    return found.may_be_of(authserv_ids) or not found.has_known_version
