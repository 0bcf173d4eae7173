"""Addresses as the settings write them, and as the rest of the program takes them."""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from dmarc_milter.settings.constraints import Text

MAX_PORT = 65_535
DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A listening socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InetAddress:
    """An address and a port on the network."""

    host: str
    """An IP address."""
    port: int

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"{'inet6' if self.is_ipv6 else 'inet'}:{self.port}@{self.host}"

    @property
    def host_and_port(self) -> str:
        """As URLs write it."""
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


ListenAddress = UnixAddress | InetAddress

_INET = re.compile(r"(inet6?):([0-9]{1,5})@(\[?[0-9A-Za-z:.%-]+\]?)")
_WITHOUT_HOST = re.compile(r"(inet6?):([0-9]{1,5})@?")
_AS_POSTFIX = re.compile(r"(inet6?):(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+):([0-9]{1,5})")
_EVERY_ADDRESS = {"inet": "0.0.0.0", "inet6": "::"}  # noqa: S104
_LOOPBACK = {"inet": "127.0.0.1", "inet6": "::1"}


def listen_address(text: str) -> ListenAddress:
    """An address as libmilter writes it. Raises ValueError, whose text says what would be right."""
    kind, _, rest = text.partition(":")
    if kind in ("unix", "local") and rest.startswith("/"):
        return UnixAddress(rest)
    match = _INET.fullmatch(text)
    if match is None or int(match[2]) > MAX_PORT:
        raise ValueError(_what_is_meant(text))
    host = match[3].strip("[]")
    if host == "localhost":
        host = _LOOPBACK[match[1]]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f'the host "{host}" has to be an IP address') from None
    return InetAddress(host, int(match[2]))


def _what_is_meant(text: str) -> str:
    """What to write instead. A port alone would bind every address for libmilter: whoever wants that has to say it."""
    alone = _WITHOUT_HOST.fullmatch(text)
    if alone is not None:
        kind, port = alone[1], alone[2]
        here, everywhere = f"{kind}:{port}@{_LOOPBACK[kind]}", f"{kind}:{port}@{_EVERY_ADDRESS[kind]}"
        return f'it has to name an address: "{here}", or "{everywhere}" for every address of this host'
    postfix = _AS_POSTFIX.fullmatch(text)
    if postfix is not None:
        return f'it has to be "{postfix[1]}:{postfix[3]}@{postfix[2].strip("[]")}"'
    return 'it has to be "unix:/path", "inet:port@address" or "inet6:port@address"'


_NAME_SERVER = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?|([0-9.]+)(?::([0-9]{1,5}))?|([0-9A-Fa-f:]+)")


def name_server(text: str) -> InetAddress:
    """A name server: an address, with a port if it is not 53. Raises ValueError."""
    match = _NAME_SERVER.fullmatch(text)
    groups = match.groups() if match else (None,) * 5
    host = groups[0] or groups[2] or groups[4] or ""
    port = int(groups[1] or groups[3] or DNS_PORT)
    try:
        ipaddress.ip_address(host)
        if not 0 < port <= MAX_PORT:
            raise ValueError
    except ValueError:
        raise ValueError('it has to be like "127.0.0.1", "127.0.0.1:5300" or "[::1]:53"') from None
    return InetAddress(host, port)


_HOST_AND_PORT = re.compile(r"(?:([0-9.]+)|\[([0-9a-fA-F:]+)\]):([0-9]{1,5})")


def metrics_address(text: str) -> InetAddress | None:
    """Where metrics are served; None for nowhere. Raises ValueError."""
    if not text:
        return None
    match = _HOST_AND_PORT.fullmatch(text)
    try:
        if match is None or int(match[3]) > MAX_PORT:
            raise ValueError
        return InetAddress(str(ipaddress.ip_address(match[1] or match[2])), int(match[3]))
    except ValueError:
        raise ValueError('it has to be like "127.0.0.1:9893" or "[::1]:9893", or "" for no metrics') from None


def ip_network(text: str) -> IPv4Network | IPv6Network:
    """A network, or one address. Raises ValueError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f'it has to be like "192.0.2.0/24" or "2001:db8::1" ({error})') from None


def _shown_network(network: IPv4Network | IPv6Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


Listen = Annotated[ListenAddress, Text(listen_address, 'a string like "inet:9892@127.0.0.1"')]
NameServerAddress = Annotated[
    InetAddress, Text(name_server, 'a string like "127.0.0.1:53"', lambda address: address.host_and_port)
]
MetricsAddress = Annotated[
    InetAddress | None,
    Text(
        metrics_address,
        'a string like "127.0.0.1:9893"',
        lambda address: address.host_and_port if address is not None else "",
    ),
]
IpNetwork = Annotated[IPv4Network | IPv6Network, Text(ip_network, 'a string like "192.0.2.0/24"', _shown_network)]
