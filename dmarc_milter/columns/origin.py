"""Who a message comes from, by what we verified ourselves: columns made of other columns, for figures and searches.

So they are made for rows of older versions, too.
"""

import ipaddress

from dmarc_milter.columns.column import Column, Finding, Kind, Reader, Row
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dns.name import is_at_or_below

_MAPPED = b"\0" * 10 + b"\xff\xff"
OWN, SENT_ON, OTHER, NOBODY, UNJUDGED = "own", "sent_on", "other", "nobody", "unjudged"
KINDS = (OWN, SENT_ON, OTHER, NOBODY, UNJUDGED)
BY_SEALER = "trusted_forwarder"
"""The override of what was accepted because its sealers are trusted (RFC 9990)."""
_SPARED = (BY_SEALER, "mailing_list")


def octets(address: "ipaddress.IPv4Address | ipaddress.IPv6Address") -> bytes:
    """Sixteen, an IPv4 address as the mapped one: so networks of both families are ranges of one order."""
    return address.packed if address.version == 6 else _MAPPED + address.packed


def _source(row: Row) -> bytes | None:
    """The address of who handed the message to us, or to the outermost of our trusted relays."""
    # Rows of older versions do not tell whether a client is a relay of ours.
    address = row["outer_client"] or (None if row.get("is_relayed") else row["client"])
    return octets(ipaddress.ip_address(address)) if address else None


def _kind(row: Row) -> str:
    """In one word: whose mail it is."""
    if row["spf"] is None:
        return UNJUDGED
    if row["dmarc"] == "pass":
        return OWN
    passed = _authenticated(row)
    if row["dmarc"] in ("none", "temperror") and any(_are_related(row["author_domain"], each) for each in passed):
        return OWN
    if _is_spared(row) or (passed and _is_changed(row)):
        return SENT_ON
    return OTHER if passed else NOBODY


def _authenticated(row: Row) -> set[str]:
    signed = {each["domain"] for each in row["dkim"] or () if each["result"] == "pass" and each["domain"]}
    return signed | ({row["spf_domain"]} if row["spf"] == "pass" and row["spf_domain"] else set())


def _are_related(author_domain: str | None, domain: str) -> bool:
    """By their names alone: without a record nobody says how strict alignment is, and no walk was made."""
    if author_domain is None or "." not in domain or "." not in author_domain:
        return False
    return is_at_or_below(domain, author_domain) or is_at_or_below(author_domain, domain)


def _is_spared(row: Row) -> bool:
    """By a list, a sealer or a rule that the operator trusts."""
    return row["override"] in _SPARED or (row["override"] == "local_policy" and row["wanted"] == "accept")


def _is_changed(row: Row) -> bool:
    """Whether the Author Domain signed this very header, and somebody changed the body after it.

    Any other signature that fails may be made up; who can replay a signed header had a message of the Author Domain.
    """
    return any(
        each.get("code") == DkimReason.BODY_CHANGED.value and _are_related(row["author_domain"], each["domain"] or "")
        for each in row["dkim"] or ()
    )


FINDING = Finding(
    "origin",
    (
        Column("source", None, 16, kind=Kind.OCTETS, readers=Reader.JOURNAL, since=4, derive=_source),
        Column("kind", None, 16, since=4, derive=_kind),
    ),
    lambda row: (),
    is_of_verdict=False,
)
