"""[milter]"""

from dataclasses import dataclass
from typing import Annotated

from dmarc_milter.settings.addresses import InetAddress, Listen
from dmarc_milter.settings.constraints import Example, OneOrMore, Pattern, Range

DEFAULT_LISTEN = InetAddress("127.0.0.1", 9892)
"""No milter of Debian listens there by default: OpenDKIM has 8891, dkimpy-milter 8892, OpenDMARC and pyspf-milter 8893.
"""


@dataclass(frozen=True, slots=True)
class MilterSection:
    """How the MTA reaches the filter, and under which name the filter writes."""

    listen: Annotated[tuple[Listen, ...], OneOrMore()] = (DEFAULT_LISTEN,)
    """Where the MTA finds the filter: "unix:/path", "inet:port@address" or "inet6:port@address"; or a list of them,
    each of which gets processes of its own. The address has to be written: "inet:9892@0.0.0.0" is every address of
    this host, and then only a firewall says who may connect. No other milter of Debian uses port 9892. Where this is
    not set, the Debian package listens on unix:/var/spool/postfix/dmarc-milter/dmarc-milter.sock, inside of Postfix's
    chroot; on a host without Postfix, on unix:/run/dmarc-milter/dmarc-milter.sock."""

    authserv_id: Annotated[
        str | None,
        Pattern(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,253}", "a name like mx.example.org"),
        Example("mx.example.org"),
    ] = None
    """The name in Authentication-Results. Where it is not set, it is the MTA's own name (its macro {j}). Set it where
    several hosts should speak under one name."""

    strip_authserv_ids: Annotated[tuple[str, ...], Example(("mx2.example.org",))] = ()
    """Other names whose Authentication-Results fields are removed from incoming mail: those of your other hosts."""

    workers: Annotated[int, Range(0, 256)] = 1
    """Number of worker processes; 0 means one per core. One is enough for a few hundred messages per second. Set more
    where "top" shows that it is busy."""

    socket_mode: Annotated[str, Pattern(r"0?[0-7]{3}", 'like "0660"')] = "0660"
    """Permissions of a unix socket. The MTA needs to write to it."""

    socket_group: Annotated[str | None, Example("postfix")] = None
    """The group of a unix socket: that of the MTA. Where it is not set, it is the filter's own group."""

    drain_seconds: Annotated[float, Range(0, 3600)] = 30.0
    """Seconds that messages at hand may take to finish when the filter is stopped. Set more where clients are slow.
    After a reload, connections that are open go on with the settings from before, for ten minutes at most."""

    received_spf: bool = False
    """Whether to add a Received-SPF field too (RFC 7208 9.1), for programs that read that and not
    Authentication-Results."""

    disposition_property: bool = False
    """Whether the field of a quarantined message also carries "policy.disposition=quarantine". The comment
    "(p=reject dis=quarantine)" says the same, as OpenDMARC has it. SpamAssassin's plugin AuthRes ignores a whole field
    that has this property."""
