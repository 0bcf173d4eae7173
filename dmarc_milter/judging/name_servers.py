"""The name servers to ask: those of the settings, else the system's."""

from dmarc_milter.dns.servers import NameServer
from dmarc_milter.dns.system import system_name_servers
from dmarc_milter.settings.dns import DnsSection


def name_servers(section: DnsSection) -> tuple[NameServer, ...]:
    """Whom to ask: those of ``[dns] nameservers``, else the system's as they are now. The latter may change later."""
    return named_servers(section) or system_name_servers()


def named_servers(section: DnsSection) -> tuple[NameServer, ...]:
    """Those of ``[dns] nameservers``; empty where the system's are to be asked."""
    return tuple(NameServer(address.host, address.port) for address in section.nameservers)
