"""The name servers of the system's configuration (resolv.conf)."""

import dns.resolver

from dmarc_milter.dns.servers import NameServer


def system_name_servers() -> tuple[NameServer, ...]:
    """Those of resolv.conf; 127.0.0.1 where there is no such file."""
    try:
        system = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return (NameServer("127.0.0.1"),)
    return tuple(NameServer(str(each), system.port) for each in system.nameservers if ":/" not in str(each))
