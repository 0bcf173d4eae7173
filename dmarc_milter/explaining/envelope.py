"""The envelope of a message that was delivered, as far as the message still tells it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import takewhile
from typing import NamedTuple, TypeVar

from dmarc_milter.common.network import Network, contains
from dmarc_milter.explaining import moment
from dmarc_milter.explaining.moment import JudgedAt
from dmarc_milter.judging.verdict import Envelope
from dmarc_milter.message.header import Header
from dmarc_milter.message.local_hop import is_local_hop
from dmarc_milter.message.received import HandOver, outermost


@dataclass(frozen=True, slots=True)
class Given:
    """What the person said."""

    client_address: bytes | None = None
    helo: str | None = None
    mail_from: str | None = None
    trusted: tuple[Network, ...] = ()
    """Hosts whose Received fields are believed beside the topmost one."""
    recipients: tuple[str, ...] = ()
    authenticated: str | None = None
    """As whom the client had logged in."""
    at: float | None = None
    """When the message came in, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Derived:
    """An envelope and the time at which to judge, and for each part of it where it is from."""

    envelope: Envelope
    client_from: str
    helo_from: str
    mail_from_from: str
    at: JudgedAt

    @property
    def has_client(self) -> bool:
        """Whether the client is known: without one SPF says nothing, and rules about clients cannot match."""
        return self.envelope.client_address is not None


_PATH = re.compile(rb"<([^<>\r\n]{0,320})>")
_PATH_FIELDS = ("return-path", "x-original-return-path", "x-envelope-from", "x-original-mail-from")
_CLIENT_FIELDS = ("x-original-client", "x-original-ip", "x-originating-client-ip")
_HELO_FIELDS = ("x-original-helo",)


class _Hop(NamedTuple):
    """The Received field about whoever handed the message to us, as far as it can be read."""

    client: HandOver | None
    unread: str
    """Why there is no client."""
    where: str
    value: bytes | None
    """None where there is no Received field."""


def derive(header: Header, given: Given, now: float) -> Derived:
    """The envelope and the time of receipt: what was given, else what the fields of the message say, else `now`.

    A field above the topmost Received field was added behind it. One that stands below may be the sender's: it counts
    only where nothing else is known, and the source says so.
    """
    above = Header(takewhile(lambda field: field.key != "received", header))
    outside = _outside(header, given)
    hop, where = outside.client, outside.where
    address, client_from = given.client_address, "as given"
    if address is None:
        address, client_from = _client(above)
    if address is None and hop is not None:
        address, client_from = hop.address, where
    if address is None:
        address, client_from = _below(_client(header), f"unknown: {outside.unread}")
    helo, helo_from = given.helo, "as given"
    if helo is None:
        helo, helo_from = _text(above, _HELO_FIELDS)
    if helo is None and hop is not None:
        helo, helo_from = hop.helo, where
    if helo is None:
        helo, helo_from = _below(_text(header, _HELO_FIELDS), "unknown")
    mail_from, mail_from_from = given.mail_from, "as given"
    if mail_from is None:
        mail_from, mail_from_from = _path(above)
    if mail_from is None:
        mail_from, mail_from_from = _below(_path(header), "unknown: no Return-Path; taken as null")
    at = moment.as_given(given.at) if given.at is not None else moment.of_field(outside.value, where, now)
    return Derived(Envelope(address, helo or "", mail_from or ""), client_from, helo_from, mail_from_from, at)


_T = TypeVar("_T")


def _below(found: tuple[_T | None, str], unknown: str) -> tuple[_T | None, str]:
    value, name = found
    return (None, unknown) if value is None else (value, f"{name}, which may be the sender's")


def _outside(header: Header, given: Given) -> _Hop:
    """Who handed the message to this host, or to the outermost of the trusted ones.

    Each field above it was written by this host or by a trusted one, so the fields of local hops are no sender's words.
    """
    fields = list(enumerate((field.value for field in header.all("received")), 1))
    if not fields:
        return _Hop(None, "there is no Received field", "", None)
    told = [(number, value) for number, value in fields if not is_local_hop(value)]
    relayed = outermost([value for _, value in told], lambda address: contains(given.trusted, address))
    if relayed.client is not None:
        number, value = told[relayed.trusted_fields - 1]
        return _Hop(relayed.client, "", f"Received field {number}", value)
    if relayed.trusted_fields < len(told):
        number, value = told[relayed.trusted_fields]
        return _Hop(None, f"Received field {number} cannot be read", f"Received field {number}", value)
    number, value = told[-1] if told else fields[0]
    return _Hop(None, "all Received fields are of this host or of trusted ones", f"Received field {number}", value)


def _path(header: Header) -> tuple[str | None, str]:
    for key in _PATH_FIELDS:
        for field in header.all(key)[:1]:
            match = _PATH.search(field.value)
            text = match.group(1) if match else field.value.strip()[:320]
            return text.decode("utf-8", "replace"), field.name
    return None, ""


def _client(header: Header) -> tuple[bytes | None, str]:
    text, name = _text(header, _CLIENT_FIELDS)
    try:
        return (ip_address(text.strip("[]")).packed, name) if text else (None, "")
    except ValueError:
        return None, ""


def _text(header: Header, keys: tuple[str, ...]) -> tuple[str | None, str]:
    for key in keys:
        for field in header.all(key)[:1]:
            return field.value.strip()[:255].decode("utf-8", "replace"), field.name
    return None, ""
