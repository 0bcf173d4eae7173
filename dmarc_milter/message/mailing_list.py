"""What a mailing list says of itself: List-Id (RFC 2919), List-Post and List-Unsubscribe (RFC 2369)."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from dmarc_milter.dns.name import DomainPattern, domain_pattern, is_at_or_below, to_identifier
from dmarc_milter.message.header import Header

_MAX_FIELD = 4096
_IDENTIFIER = re.compile(rb"<[ \t\r\n]*([^<>\s]{1,255})[ \t\r\n]*>[^<>]*\Z")


@dataclass(frozen=True, slots=True)
class MailingList:
    """A list that a message claims to come from. Anybody can write these fields."""

    list_id: str
    """RFC 2919 2, in lower case; letters, digits, hyphens, underscores and dots."""
    has_address: bool
    """Whether there is List-Post or List-Unsubscribe too."""

    def is_run_by(self, domain: str) -> bool:
        """Whether `domain` is the list's own: it holds the list's identifier, or lies beside it.

        ``dev.lists.example.org`` is run by ``example.org``, ``lists.example.org`` and ``bounces.lists.example.org``.
        """
        if "." not in domain:
            return False
        parent = self.list_id.partition(".")[2]
        return is_at_or_below(self.list_id, domain) or ("." in parent and is_at_or_below(domain, parent))


class ListPattern(NamedTuple):
    """A list in a setting, by the domain that authenticates its mail.

    List-Id has no say: whoever may send as that domain can write any.
    """

    domain: DomainPattern | None
    """None for ``*``: every list that a domain of its own authenticates, a stranger's too."""

    def covers(self, found: MailingList, authenticated: str) -> bool:
        """Whether mail of the list `found` is meant, where SPF or DKIM authenticated the domain `authenticated`."""
        if self.domain is None:
            return found.is_run_by(authenticated)
        return self.domain.matches(authenticated)

    def __str__(self) -> str:
        if self.domain is None:
            return "*"
        return f"{'.' if self.domain.with_subdomains else ''}{self.domain.domain}"


def list_pattern(text: str) -> ListPattern | None:
    """Read a pattern; None where it is neither a domain pattern nor ``*``."""
    if text == "*":
        return ListPattern(None)
    domain = domain_pattern(text)
    return None if domain is None else ListPattern(domain)


def mailing_list(header: Header) -> MailingList | None:
    """The list that `header` names, or None where it names none, or several."""
    fields = header.all("list-id")
    if len(fields) != 1 or len(fields[0].value) > _MAX_FIELD:
        return None
    match = _IDENTIFIER.search(fields[0].value)
    list_id = to_identifier(match.group(1).decode("utf-8", "replace")) if match else None
    if list_id is None:
        return None
    return MailingList(list_id, bool(header.all("list-post") or header.all("list-unsubscribe")))
