"""mailbox-list and address-list: what RFC 5322 3.4 and 4.4 say a From field means (with RFC 6854 and RFC 6532).

The obsolete forms are read. Two things are read that the grammar does not have, since no reader doubts them: dots
anywhere in a local part, and a display name that holds an ``@`` or starts with a dot. Two things are not read although
the grammar has them, since readers do not agree on them: a domain that goes on behind what is one already
(``ceo@bank.example .crook.example``), and a local part that shows an address of its own.
"""

import re
from enum import Enum, auto
from itertools import islice

from dmarc_milter.message.encoded_word import decoded
from dmarc_milter.message.lexer import ADDRESSES, Kind, Token

MAX_MAILBOXES = 1_000

MAX_TOKENS = 20_000
"""Words and specials of one field."""


class Fault(Enum):
    """Why a field cannot be read."""

    NO_DOMAIN = auto()
    ADDRESS_LITERAL = auto()
    SEVERAL_ADDRESSES = auto()
    """Several addresses where one belongs."""
    CONTROL_CHARACTER = auto()
    MALFORMED = auto()
    TOO_MANY = auto()


class _FaultError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


def domains(text: str) -> list[str] | Fault:
    """The domain of each mailbox in the value of a From field (RFC 5322 3.4), groups opened, as written but for CFWS.

    `text` is the value by :func:`~dmarc_milter.message.lexer.text_of`. A :class:`Fault` where it cannot be read.
    """
    tokens = list(islice(ADDRESSES.tokens(text), MAX_TOKENS + 1))
    if len(tokens) > MAX_TOKENS:
        return Fault.TOO_MANY
    if tokens and tokens[-1].is_broken:
        return Fault.CONTROL_CHARACTER if tokens[-1].kind is Kind.CONTROL else Fault.MALFORMED
    try:
        return _AddressList(tokens).domains()
    except _FaultError as error:
        return error.fault


# The grammar is written for the shape of a list: one character a token, `a` for an atom, `q` for a quoted-string, a
# special as it is.
_LETTERS = {Kind.ATOM: "a", Kind.QUOTED_STRING: "q"}
_GROUP = re.compile(r"[aq.]++:")
_NAME_ADDR = re.compile(r"[aq.@]*+<([^<>]*+)>")
"""3.4, with an ``@`` in the display name."""
_BARE = re.compile(r"[^<,;:]*+")
_DOMAIN = r"\.*a(?>(?:\.+a)*)"
"""dot-atom (3.2.3), obs-domain (4.4); dots too many are for who reads the name."""
_ROUTE = re.compile(rf",*@{_DOMAIN}(?>(?:,+(?:@{_DOMAIN})?)*):")
"""obs-route (4.4)."""
_ADDR_SPEC = re.compile(rf"(\.*[aq](?>(?:\.+[aq])*)\.*)@({_DOMAIN}\.*)")
"""3.4.1, and obs-local-part (4.4)."""
_WITHOUT_DOMAIN = re.compile(r"[aq.]*+@?")
_LITERAL = re.compile(r"[aq.]++@\[")


class _AddressList:
    """The tokens of a list, read from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._shape = "".join([_LETTERS.get(token.kind, token.text) for token in tokens])
        self._at = 0
        self._in_group = False
        self._domains: list[str] = []

    def domains(self) -> list[str]:
        while self._at < len(self._shape):
            if self._shape[self._at] == ",":
                self._at += 1
            elif not self._starts_or_ends_group():
                self._mailbox()
        _insist(not self._in_group)
        return self._domains

    def _starts_or_ends_group(self) -> bool:
        """Step over the name of a group, or its end, behind which only a comma stands."""
        if self._in_group:
            if self._shape[self._at] != ";":
                return False
            self._step_to(self._at + 1, ",")
        else:
            match = _GROUP.match(self._shape, self._at)
            if match is None:
                return False
            self._at = match.end()
        self._in_group = not self._in_group
        return True

    def _mailbox(self) -> None:
        start = self._at
        match = _NAME_ADDR.match(self._shape, start)
        end = match.end() if match is not None else _end(_BARE, self._shape, start)
        self._step_to(end, ",;" if self._in_group else ",")
        domain = self._bare_addr_spec(start, end) if match is None else self._angle_addr(*match.span(1))
        self._domains.append(domain)
        _insist(len(self._domains) <= MAX_MAILBOXES, Fault.TOO_MANY)

    def _step_to(self, at: int, specials: str) -> None:
        """Insist that one of these, or the end, stands there."""
        _insist(at == len(self._shape) or self._shape[at] in specials)
        self._at = at

    def _angle_addr(self, start: int, end: int) -> str:
        route = _ROUTE.match(self._shape, start, end)
        return self._addr_spec(route.end() if route is not None else start, end)

    def _bare_addr_spec(self, start: int, end: int) -> str:
        _insist(self._shape.count("@", start, end) < 2, Fault.SEVERAL_ADDRESSES)
        return self._addr_spec(start, end)

    def _addr_spec(self, start: int, end: int) -> str:
        match = _ADDR_SPEC.fullmatch(self._shape, start, end)
        if match is None:
            raise _FaultError(self._fault_of_address(start, end))
        _insist(not _shows_address(self._tokens[start : match.end(1)]))
        domain = self._tokens[match.start(2) : end]
        _insist(not _goes_on_behind_domain(domain))
        return "".join([token.text for token in domain])

    def _fault_of_address(self, start: int, end: int) -> Fault:
        if _WITHOUT_DOMAIN.fullmatch(self._shape, start, end) is not None:
            return Fault.NO_DOMAIN
        is_literal = _LITERAL.match(self._shape, start, end) is not None
        return Fault.ADDRESS_LITERAL if is_literal else Fault.MALFORMED


def _insist(holds: bool, fault: Fault = Fault.MALFORMED) -> None:
    if not holds:
        raise _FaultError(fault)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None
    return match.end()


_AT_SIGN = re.compile("[@\ufe6b\uff20]")
_CONTROL = re.compile(r"[\x00-\x08\n-\x1f\x7f]")


def _shows_address(local_part: list[Token]) -> bool:
    """Whether a local part shows an address, or its end, to who decodes encoded-words or stops at a NUL."""
    written = "".join([token.text for token in local_part])
    if written.isascii() and written.isprintable() and "=?" not in written:
        return False
    shown = decoded(written)
    holds_control = _CONTROL.search(shown) is not None
    if shown != written:
        return holds_control or _AT_SIGN.search(shown) is not None
    atoms = "".join([token.text for token in local_part if token.kind is Kind.ATOM])
    return _AT_SIGN.search(written if holds_control else atoms) is not None


def _goes_on_behind_domain(domain: list[Token]) -> bool:
    """Whether CFWS stands behind two labels or more: some readers end the domain there."""
    gap = next((at for at, token in enumerate(domain) if at > 0 and token.is_apart), 1)
    return any(token.kind is Kind.SPECIAL for token in domain[: gap - 1])
