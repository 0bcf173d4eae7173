"""The envelope and the time with which the old chain judged, as far as the message still tells them."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from dmarc_milter.common.network import unmapped
from dmarc_milter.comparing.hop import Beside
from dmarc_milter.comparing.received_spf import pairs
from dmarc_milter.comparing.told import mail_from as told_mail_from
from dmarc_milter.comparing.told import of_fields
from dmarc_milter.explaining import moment
from dmarc_milter.explaining.moment import JudgedAt
from dmarc_milter.judging.verdict import Envelope
from dmarc_milter.message.header import Header
from dmarc_milter.message.lexer import text_of
from dmarc_milter.message.received import handed_over

_MAX_FIELD = 4_096
_PATH_FIELDS = frozenset(("return-path", "x-original-return-path", "x-envelope-from", "x-original-mail-from"))
_PATH = re.compile(rb"<([^<>\r\n]{0,320})>")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the SMTP session."""

    envelope: Envelope
    """Without a client where either the client or MAIL FROM is not known: SPF cannot be judged then."""
    has_client: bool
    has_mail_from: bool
    at: JudgedAt


def of_beside(header: Header, beside: Beside, now: float) -> Known:
    """Out of Received-SPF beside the old chain's fields, the hop there, these fields themselves, and Return-Path."""
    said = _said(beside)
    client = handed_over(beside.hop.value) if beside.hop is not None else None
    address = _address(said.get("client-ip")) or (client.address if client is not None else None)
    helo = said.get("helo") or (client.helo if client is not None else "")
    mail_from = _mail_from(header, beside, said, helo)
    hop = beside.hop
    at = moment.of_field(hop.value if hop else None, f"Received field {hop.number}" if hop else "", now)
    can_judge = address is not None and mail_from is not None
    envelope = Envelope(address if can_judge else None, helo, mail_from or "")
    return Known(envelope, address is not None, mail_from is not None, at)


def clients(text: str) -> set[bytes]:
    """The addresses of clients that an old field names, in its comments and properties."""
    named = re.findall(
        r"(?:client-ip=|designates |smtp\.remote-ip=|sender ip is )\[?([0-9a-f.:]{2,45})", text[:_MAX_FIELD]
    )
    return {address for each in named if (address := _address(each)) is not None}


def _said(beside: Beside) -> dict[str, str]:
    """The pairs of the Received-SPF fields beside the hop, and of the old chain's fields."""
    texts = [
        *beside.received_spf,
        *(each.text for each in beside.old if any(of.method == "spf" for of in each.results)),
    ]
    found: dict[str, str] = {}
    for text in texts:
        found = pairs(text) | found
    return found


def _mail_from(header: Header, beside: Beside, said: dict[str, str], helo: str) -> str | None:
    """The reverse-path. Return-Path may have been rewritten since (SRS): the domain that SPF was asked about counts."""
    if "envelope-from" in said:
        return said["envelope-from"]
    whole = told_mail_from(beside.old)
    if whole is not None:
        return whole
    path = _return_path(header, beside)
    asked = {each.domain for each in of_fields(beside.old).spf if each.identity == "mailfrom"}
    is_null = path == "" and helo.lower() in asked
    if not asked or is_null or (path is not None and path.rpartition("@")[2].lower() in asked):
        return path
    return f"postmaster@{sorted(filter(None, asked))[0]}"


def _return_path(header: Header, beside: Beside) -> str | None:
    ends = beside.hop.index if beside.hop is not None else len(header)
    for field in header.fields[:ends]:
        if field.key in _PATH_FIELDS:
            match = _PATH.search(field.value)
            octets = match[1] if match is not None else field.value.strip()[:320]
            return text_of(octets)
    return None


def _address(text: str | None) -> bytes | None:
    try:
        return unmapped(ip_address(text).packed) if text else None
    except ValueError:
        return None
