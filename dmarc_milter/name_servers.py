"""Which name servers the settings mean."""

import dns.resolver

from dmarc_milter.config import Settings
from dmarc_milter.dns.upstream import NameServer


def name_servers(settings: Settings) -> tuple[NameServer, ...]:
    """The configured name servers, else the system's."""
    if settings.dns.nameservers:
        return settings.dns.nameservers
    try:
        system = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return (NameServer("127.0.0.1"),)
    return tuple(NameServer(str(each), system.port) for each in system.nameservers if ":/" not in str(each))
