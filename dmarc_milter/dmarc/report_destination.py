"""Where reports may go (RFC 9990 section 4; RFC 9991 section 5): addresses of another organization have to want them.

Without this, whoever publishes a record could have reports poured on anybody. :func:`destination` asks what has to be
asked; the functions before it are what is concluded, each alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import unquote

from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import DmarcRecord, is_dmarc, parse
from dmarc_milter.dmarc.tree_walk import TreeWalks, may_share_organizational_domain
from dmarc_milter.dns.answer import Answer, Resolver, text_records
from dmarc_milter.dns.name import labels, to_identifier


class ReportTag(Enum):
    """The tag that asks for reports."""

    AGGREGATE = "rua"
    FAILURE = "ruf"

    def addresses(self, record: DmarcRecord) -> tuple[str, ...]:
        """The URIs behind this tag of `record`."""
        return record.report_addresses if self is ReportTag.AGGREGATE else record.failure_addresses


class Consent(Enum):
    """Whether reports may be sent to an address."""

    INTERNAL = "internal"
    """It is of the policy domain's own organization: nobody has to be asked."""
    AUTHORIZED = "authorized"
    """It is external, and its host publishes that it wants them."""
    NOT_AUTHORIZED = "not-authorized"
    """It is external, and its host publishes nothing: it MUST be ignored."""
    OTHER_HOST = "other-host"
    """Its host wants them at another host: neither address may get any."""
    NAME_TOO_LONG = "name-too-long"
    """It is external, and no name of the DNS is long enough to ask."""
    UNKNOWN = "unknown"
    """The DNS could not tell: to be tried again later."""
    UNUSABLE = "unusable"
    """It is no ``mailto:`` of one address: nobody sends there (RFC 9990 3.5)."""


class Mailbox(NamedTuple):
    """The one address of a ``mailto:`` URI."""

    address: str
    host: str
    """An A-label, in lower case."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A URI of a record, and who gets the reports that it asks for."""

    uri: str
    consent: Consent
    send_to: tuple[str, ...] = ()
    """The addresses that reports go to: its own, or those that its host names in their place."""
    host: str | None = None
    """Its destination host; None where there is none."""
    name: str | None = None
    """Of an external one, where its host says that it wants reports."""
    records: tuple[bytes, ...] = ()
    """The records there that say so."""
    failure: Reason | None = None
    """Why the DNS could not tell."""


def mailbox(uri: str) -> Mailbox | None:
    """What a ``mailto:`` URI names; None for any other URI, and for more than one address."""
    scheme, _, rest = uri.partition(":")
    address = unquote(rest.partition("?")[0], errors="replace")
    local_part, at, domain = address.rpartition("@")
    if scheme.lower() != "mailto" or not at or not local_part or not _is_plain(local_part):
        return None
    host = to_identifier(domain)
    return Mailbox(f"{local_part}@{host}", host) if host is not None else None


def _is_plain(local_part: str) -> bool:
    """Whether it is a dot-string: what is quoted, or holds a comma, could name somebody else too."""
    return local_part.isascii() and local_part.isprintable() and not set(local_part) & set(' "(),:;<>@[\\]')


def authorization_name(policy_domain: str, host: str) -> str | None:
    """Where `host` says that it wants reports about `policy_domain`; None where such a name would be too long."""
    name = f"{policy_domain}._report._dmarc.{host}"
    return name if labels(name) is not None else None


def authorizing(answer: Answer[bytes]) -> tuple[bytes, ...]:
    """The records that say so; those that are no DMARC records are discarded (step 6)."""
    return tuple(text for text in answer.records if is_dmarc(text))


def authorized(uri: str, recipient: Mailbox, name: str, records: Sequence[bytes], tag: ReportTag) -> Destination:
    """What an external host wants, by its `records` at `name` (steps 7 to 9)."""
    said = tuple(records)
    if not said:
        return Destination(uri, Consent.NOT_AUTHORIZED, host=recipient.host, name=name)
    own = [mailbox(each) for text in said for each in tag.addresses(parse(text))]
    if any(each is None or each.host != recipient.host for each in own):
        return Destination(uri, Consent.OTHER_HOST, host=recipient.host, name=name, records=said)
    send_to = tuple(dict.fromkeys(each.address for each in own if each is not None)) or (recipient.address,)
    return Destination(uri, Consent.AUTHORIZED, send_to, recipient.host, name, said)


async def is_external(walks: TreeWalks, policy_domain: str, host: str) -> bool | Reason:
    """Whether `host` is of another organization than `policy_domain`; why the DNS could not tell.

    By their Organizational Domains: ``mail.bank.example`` below ``bank.example`` may have one of its own.
    """
    if host == policy_domain:
        return False
    if not may_share_organizational_domain(host, policy_domain):
        return True
    own, other = await walks.walk(policy_domain), await walks.walk(host)
    failure = own.failure or other.failure
    return failure if failure is not None else own.organizational_domain != other.organizational_domain


async def destination(
    resolver: Resolver, walks: TreeWalks, policy_domain: str, uri: str, tag: ReportTag
) -> Destination:
    """Who gets the reports that `uri` asks for, in the record of `policy_domain`.

    Nine questions at most, of which those about one host are asked once.
    """
    recipient = mailbox(uri)
    if recipient is None:
        return Destination(uri, Consent.UNUSABLE)
    external = await is_external(walks, policy_domain, recipient.host)
    if isinstance(external, Reason):
        return Destination(uri, Consent.UNKNOWN, host=recipient.host, failure=external)
    if not external:
        return Destination(uri, Consent.INTERNAL, (recipient.address,), recipient.host)
    name = authorization_name(policy_domain, recipient.host)
    if name is None:
        return Destination(uri, Consent.NAME_TOO_LONG, host=recipient.host)
    answer = await text_records(resolver, name)
    if answer.failed:
        failure = DmarcReason.DNS_FAILED(type="TXT", name=name, because=answer.failure)
        return Destination(uri, Consent.UNKNOWN, host=recipient.host, name=name, failure=failure)
    return authorized(uri, recipient, name, authorizing(answer), tag)
