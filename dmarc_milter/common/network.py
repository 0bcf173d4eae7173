"""Networks of addresses, as settings name them and packed addresses are compared with them."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import overload


@dataclass(frozen=True, slots=True)
class Network:
    """All addresses that agree with `address` (4 or 16 octets) in their first `length` bits."""

    address: bytes
    length: int

    def __str__(self) -> str:
        return f"{address_text(self.address)}/{self.length}"


@overload
def address_text(address: bytes) -> str: ...
@overload
def address_text(address: bytes | None) -> str | None: ...
def address_text(address: bytes | None) -> str | None:
    """An address of 4 or 16 octets as people write it; None where there is none."""
    return str(ipaddress.ip_address(address)) if address else None


def unmapped(address: bytes) -> bytes:
    """An IPv4-mapped IPv6 address as the IPv4 address that it is (RFC 4291 2.5.5.2)."""
    return address[12:] if len(address) == 16 and address[:12] == b"\0" * 10 + b"\xff\xff" else address


def in_network(address: bytes, network: bytes, length: int) -> bool:
    """Whether `address` and `network`, of the same family, agree in their first `length` bits."""
    if len(address) != len(network):
        return False
    differing = int.from_bytes(address, "big") ^ int.from_bytes(network, "big")
    return differing >> (8 * len(address) - length) == 0


def parse(text: str) -> Network:
    """``192.0.2.0/24``, ``2001:db8::/32`` or one address. Raises ValueError, whose text says what is wrong."""
    return of(ipaddress.ip_network(text))


def of(network: IPv4Network | IPv6Network) -> Network:
    """The same network, to compare packed addresses with."""
    return Network(network.network_address.packed, network.prefixlen)


def contains(networks: Iterable[Network], address: bytes | None) -> bool:
    """Whether `address` lies in one of `networks`."""
    if address is None:
        return False
    plain = unmapped(address)
    return any(in_network(plain, each.address, each.length) for each in networks)


def client_network(address: bytes | None) -> bytes:
    """The network that one client is likely to have to itself: an IPv4 /24, an IPv6 /64; empty without an address."""
    if address is None:
        return b""
    plain = unmapped(address)
    return plain[: 3 if len(plain) == 4 else 8]


LOOPBACK = (parse("127.0.0.0/8"), parse("::1/128"))
