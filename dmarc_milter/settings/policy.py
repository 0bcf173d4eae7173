"""[policy], [policy.indirect] and [policy.reply]"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from dmarc_milter.settings.addresses import IpNetwork
from dmarc_milter.settings.constraints import Example

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
"""This host: mail that was written on it, and what a content filter hands back."""


@dataclass(frozen=True, slots=True)
class IndirectSection:
    """Forwarded mail: forwarders and mailing lists break SPF, and often DKIM."""

    trusted_sealers: Annotated[tuple[str, ...], Example(("example.net", ".lists.example.org"))] = ()
    """Domains whose ARC seals are believed: if a valid ARC chain ends in seals of these domains, and one of them saw
    dmarc=pass, the message is accepted. "example.com" is that domain alone, ".example.com" it and everything below."""

    trusted_lists: Annotated[tuple[str, ...], Example(("lists.example.org", ".lists.example.net"))] = ()
    """Mailing lists that your own users subscribe to, by the domain for which SPF or DKIM passes on their mail (not
    by List-Id, which anybody can write): `dmarc-milter what-if` shows them. Whoever is named here can write in any
    name. "*" means every list that is authenticated by any domain of its own. Then any stranger can get this
    exception."""

    mailing_list: Literal["quarantine", "accept", "reject"] = "quarantine"
    """What becomes of a failing message of these lists (it has List-Id, and List-Post or List-Unsubscribe):
    "quarantine", "accept" or "reject". The action is never stricter than the Domain Owner asked for."""


@dataclass(frozen=True, slots=True)
class ReplySection:
    """Replies to messages that are refused or deferred: code, enhanced code, text. {domain} is the From domain,
    {policy} its policy, {queue_id} the MTA's name for the message, {reason} why."""

    reject: str = "550 5.7.1 Email rejected per DMARC policy for {domain}"
    """The message fails DMARC."""

    reject_without_author: str = "550 5.7.1 Email rejected per DMARC policy: {reason}"
    """From shows no single domain."""

    reject_by_rule: str = "550 5.7.1 Email rejected by local policy: {reason}"
    """A rule of yours refuses it."""

    tempfail: str = "451 4.7.24 Temporary DNS failure while checking DMARC for {domain}, try again later"
    """The DNS did not answer, and the sender should try again."""

    tempfail_by_rule: str = "451 4.7.1 Not accepted now by local policy: {reason}"
    """A rule of yours defers it."""


@dataclass(frozen=True, slots=True)
class PolicySection:
    """What is done with a message once it is judged."""

    mode: Literal["monitor", "enforce"] = "monitor"
    """"monitor": add headers, refuse nothing, log what would have been refused. "enforce": refuse too."""

    quarantine: Literal["header", "hold", "reject"] = "header"
    """What p=quarantine comes to: "header" (deliver; the header says it), "hold" (the MTA's quarantine), "reject"."""

    temperror: Literal["by-policy", "accept", "tempfail"] = "by-policy"
    """What is done when a DNS failure leaves the result of DMARC open. "by-policy": if the policy is known and asks
    for quarantine or reject, the sender has to try again ("tempfail"). Otherwise the message is accepted, because
    then the DNS of the From domain itself fails. "accept" accepts all such mail: a spoofer may choose which name
    fails. "tempfail" defers all such mail, including that of an honest domain whose DNS is broken."""

    unusable_from: Literal["reject", "quarantine", "accept"] = "reject"
    """Mail without exactly one domain in From: several From fields, several domains, none at all: "reject",
    "quarantine", "accept". A malformed From that still shows a domain is judged by DMARC for each domain that it
    shows, whatever is set here. A malformed From that shows too many domains, or is too long, is always refused.
    "accept" shows your users a sender whom nobody has looked at."""

    on_error: Literal["tempfail", "accept", "reject"] = "tempfail"
    """A message in whose handling the filter itself failed (see the log): "tempfail", "accept", "reject". Set "accept"
    where late mail is worse than unjudged mail."""

    trusted_networks: Annotated[tuple[IpNetwork, ...], Example(("127.0.0.0/8", "::1", "192.0.2.0/24"))] = LOOPBACK
    """Networks of your own hosts and users. Mail from there is not judged. (Mail of authenticated senders is never
    judged.) A list that you set replaces the default: name this host in it, too, if its own mail should not be
    judged. With [], no network is trusted. Set [] if a proxy or a tunnel on this host brings mail of others, and
    does not tell the MTA the client's address."""

    trusted_relays: Annotated[tuple[IpNetwork, ...], Example(("198.51.100.7",))] = ()
    """Hosts that pass other people's mail on to you: a filtering service, a backup MX. SPF is then checked for the
    client that their Received fields name, and their Authentication-Results fields stay."""

    indirect: IndirectSection = field(default_factory=IndirectSection)
    reply: ReplySection = field(default_factory=ReplySection)
