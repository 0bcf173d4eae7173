"""The Author Domain (RFC 9989 3.2.2, 5.3.1): the one domain of the RFC 5322 From header field, or why there is none.

What is read here is written by whoever wants to be believed, and what counts is what a person will see. So the grammar
of RFC 5322 3.4 (with the groups of RFC 6854 and the UTF-8 of RFC 6532) is followed to the letter; of the obsolete
forms only those are taken whose meaning no mail program doubts. Everything else has a named reason, and no domain:
never a guess.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dmarc_milter.dns.name import to_identifier

MAX_FIELD = 256 << 10
"""Octets of a From field that are read."""

MAX_MAILBOXES = 1_000


class Unusable(Enum):
    """Why a message has no Author Domain."""

    NO_FIELD = "no From field"
    SEVERAL_FIELDS = "several From fields"
    SEVERAL_DOMAINS = "several different domains in From"
    NO_MAILBOX = "no mailbox in From"
    NO_DOMAIN = "a mailbox without a domain in From"
    ADDRESS_LITERAL = "an address literal in From"
    ROUTE = "a source route in From"
    INVALID_DOMAIN = "a domain in From that is no valid domain name"
    CONTROL_CHARACTER = "a control character in From"
    MALFORMED = "a From field that cannot be read by RFC 5322"
    TOO_LONG = "a From field that is too long"
    TOO_MANY_AUTHORS = "a From field that shows too many domains"

    @property
    def names_several(self) -> bool:
        """Whether the message shows more than one author domain or field: the classic attack (RFC 9989 11.5)."""
        return self is Unusable.SEVERAL_FIELDS or self is Unusable.SEVERAL_DOMAINS

    @property
    def is_always_refused(self) -> bool:
        """Whether it is refused whatever the settings say: there is more in From than can be judged."""
        return self is Unusable.TOO_LONG


@dataclass(frozen=True, slots=True)
class Author:
    """The Author Domain (an A-label name), or the reason why there is none."""

    domain: str | None = None
    unusable: Unusable | None = None
    apparent: tuple[str, ...] = ()
    """Apparent authors of a field that cannot be read: every domain that a lenient reader would show."""

    @property
    def authors(self) -> tuple[str, ...]:
        """The domains to which DMARC is applied: the Author Domain, or each apparent author."""
        return self.apparent if self.domain is None else (self.domain,)


def author(from_fields: Sequence[bytes]) -> Author:
    """The Author Domain of a message whose From fields have the values `from_fields`."""
    if len(from_fields) != 1:
        return Author(unusable=Unusable.SEVERAL_FIELDS if from_fields else Unusable.NO_FIELD)
    value = from_fields[0]
    if len(value) > MAX_FIELD:
        return Author(unusable=Unusable.TOO_LONG)
    try:
        domains = {_identifier(domain) for domain in _Parser(_text(value)).mailbox_domains()}
    except _UnreadableError as reason:
        return Author(unusable=reason.why)
    if len(domains) != 1:
        return Author(unusable=Unusable.SEVERAL_DOMAINS if domains else Unusable.NO_MAILBOX)
    return Author(domain=domains.pop())


class _UnreadableError(Exception):
    def __init__(self, why: Unusable) -> None:
        super().__init__(why.value)
        self.why = why


def _text(value: bytes) -> str:
    text = value.replace(b"\r\n", b"").decode("utf-8", "surrogateescape")
    if _CONTROL.search(text) is not None:
        raise _UnreadableError(Unusable.CONTROL_CHARACTER)
    return text


def _identifier(domain: str) -> str:
    identifier = to_identifier(domain) if not domain.endswith(".") else None
    if identifier is None:
        raise _UnreadableError(Unusable.INVALID_DOMAIN)
    return identifier


_WSP = " \t"
_CONTROL = re.compile(r"[\x00-\x08\n-\x1f\x7f]")
_ATOM = re.compile(r'[^()<>\[\]:;@\\," \t]*')
"""Up to one of the specials (RFC 5322 3.2.3), but for the dot: phrases may hold it (obs-phrase), and dot-atoms do."""


class _Parser:
    """mailbox-list / address-list (RFC 5322 3.4, RFC 6854 2.1), in one pass without recursion or backtracking."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = len(text)
        self._at = 0
        self._domains: list[str] = []

    def mailbox_domains(self) -> list[str]:
        """The domain of each mailbox, groups opened. Raises _UnreadableError."""
        in_group = False
        expects_more = False
        while True:
            self._skip_cfws()
            character = self._peek()
            if character == "":
                break
            if character == "," and not in_group and not expects_more and not self._domains:
                raise _UnreadableError(Unusable.MALFORMED)
            if in_group and character == ";":
                self._at += 1
                in_group = False
                expects_more = self._separator(";")
                continue
            opened = self._address(in_group)
            if opened:
                in_group, expects_more = True, False
                continue
            expects_more = self._separator(";" if in_group else "")
        if in_group or expects_more:
            raise _UnreadableError(Unusable.MALFORMED)
        return self._domains

    def _separator(self, also_ends_at: str) -> bool:
        """Step over the comma between addresses; True if there was one. Anything else but the end is no From field."""
        self._skip_cfws()
        character = self._peek()
        if character == ",":
            self._at += 1
            return True
        if character and character != also_ends_at:
            raise _UnreadableError(Unusable.MALFORMED)
        return False

    def _address(self, in_group: bool) -> bool:
        """One mailbox, or the start of a group (then True)."""
        words: list[str] = []
        claimed: list[str] = []
        while True:
            self._skip_cfws()
            character = self._peek()
            if character == "<":
                domain = self._angle_address()
                if any(_identifier(other) != _identifier(domain) for other in claimed):
                    # admin@a.example <x@b.example>: which of the two a person sees depends on the program.
                    raise _UnreadableError(Unusable.SEVERAL_DOMAINS)
                self._add(domain)
                return False
            if character == ":" and not in_group and words and not claimed:
                self._at += 1
                return True
            if character == "@" and words:
                self._at += 1
                claimed.append(self._domain())
                self._skip_cfws()
                if self._peek() in ("", ",", ";"):
                    return self._bare_address(words, claimed)
                words = ["(address)"]
                continue
            if character in ("", ",", ";"):
                raise _UnreadableError(Unusable.NO_DOMAIN if words and not claimed else Unusable.MALFORMED)
            words.append(self._word())

    def _bare_address(self, words: list[str], claimed: list[str]) -> bool:
        """addr-spec: the local part is one dot-atom or quoted-string."""
        if len(claimed) > 1:
            raise _UnreadableError(Unusable.SEVERAL_DOMAINS)
        if len(words) != 1:
            raise _UnreadableError(Unusable.MALFORMED)
        self._add(claimed[0])
        return False

    def _add(self, domain: str) -> None:
        self._domains.append(domain)
        if len(self._domains) > MAX_MAILBOXES:
            raise _UnreadableError(Unusable.TOO_LONG)

    def _angle_address(self) -> str:
        self._at += 1
        self._skip_cfws()
        if self._peek() in ("@", ","):
            raise _UnreadableError(Unusable.ROUTE)
        if self._peek() == ">":
            raise _UnreadableError(Unusable.NO_DOMAIN)
        self._word()
        self._skip_cfws()
        if self._peek() == ">":
            raise _UnreadableError(Unusable.NO_DOMAIN)
        if self._peek() != "@":
            raise _UnreadableError(Unusable.MALFORMED)
        self._at += 1
        domain = self._domain()
        self._skip_cfws()
        if self._peek() != ">":
            raise _UnreadableError(Unusable.MALFORMED)
        self._at += 1
        return domain

    def _domain(self) -> str:
        """dot-atom or domain-literal."""
        self._skip_cfws()
        if self._peek() == "[":
            raise _UnreadableError(Unusable.ADDRESS_LITERAL)
        domain = self._atom()
        if not domain:
            raise _UnreadableError(Unusable.NO_DOMAIN)
        return domain

    def _word(self) -> str:
        """atom (dots included) or quoted-string."""
        if self._peek() == '"':
            return self._quoted_string()
        atom = self._atom()
        if not atom:
            raise _UnreadableError(Unusable.MALFORMED)
        return atom

    def _atom(self) -> str:
        return self._take(_ATOM)

    def _take(self, pattern: re.Pattern[str]) -> str:
        """What `pattern`, which matches anywhere, matches here; step over it."""
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return match[0]

    def _quoted_string(self) -> str:
        start = self._at
        self._at += 1
        while self._at < self._end:
            character = self._text[self._at]
            self._at += 2 if character == "\\" else 1
            if character == '"':
                return self._text[start : self._at]
        raise _UnreadableError(Unusable.MALFORMED)

    def _skip_cfws(self) -> None:
        while self._at < self._end:
            character = self._text[self._at]
            if character == "(":
                self._skip_comment()
            elif character in _WSP:
                self._at += 1
            else:
                return

    def _skip_comment(self) -> None:
        depth = 0
        while self._at < self._end:
            character = self._text[self._at]
            self._at += 2 if character == "\\" else 1
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0:
                return
        raise _UnreadableError(Unusable.MALFORMED)

    def _peek(self) -> str:
        return self._text[self._at] if self._at < self._end else ""
