"""Lists of hosts: networks that our trusted_networks can name, and names that only a rule can."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dmarc_milter.migrating.lists import Entry
from dmarc_milter.migrating.values import Network
from dmarc_milter.settings.policy import LOOPBACK

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Hosts:
    """A list of hosts, taken apart."""

    networks: tuple[Network, ...]
    names: tuple[str, ...]
    """``host.example`` or ``.example``: that name and everything below."""
    ignored: tuple[str, ...]
    """What never matched anything there, or cannot be said by us."""
    source: str


def hosts(entries: Sequence[Entry], *, stars: bool = False) -> Hosts:
    """`entries` with ``!`` in front are exceptions, of which the longest prefix decides; so they are taken out.

    With `stars`, ``*.example.com`` is a pattern; without, it never matched anything.
    """
    wanted: list[tuple[Network, Entry]] = []
    exceptions: list[Network] = []
    names: list[str] = []
    ignored: list[str] = []
    sources: dict[str, None] = {}
    for entry in entries:
        text = entry.text.removeprefix("!")
        found = tuple(_networks(text))
        if found and text != entry.text:
            exceptions += found
        elif found:
            wanted += [(each, entry) for each in found]
            sources[f"{entry.place} {entry.text}" if text == "localhost" else str(entry.place)] = None
        elif text == entry.text and (found_name := name(text, stars=stars)):
            names.append(found_name)
        else:
            ignored.append(entry.text)
    networks = (piece for network, _ in wanted for piece in _without(network, exceptions))
    return Hosts(apart(networks), tuple(dict.fromkeys(names)), tuple(ignored), _sources(tuple(sources)))


def apart(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Each once, in order; none that lies within another."""
    each = tuple(dict.fromkeys(networks))
    return tuple(one for one in each if not any(one != other and _is_within(one, other) for other in each))


def as_text(network: Network) -> str:
    """An address without its prefix length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _networks(text: str) -> Iterator[Network]:
    if text.lower() == "localhost":
        yield from LOOPBACK
        return
    try:
        network = ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        network = ipaddress.IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    yield network


def name(text: str, *, stars: bool = False) -> str | None:
    """A name, or ``.`` and what is below it, in lower case; None where it is neither."""
    found = text.removeprefix("*") if stars else text
    labels = found.removeprefix(".").split(".")
    is_name = len(labels) > 1 and all(label.replace("-", "").replace("_", "").isalnum() for label in labels)
    return found.lower() if is_name and found.isascii() else None


def _without(network: Network, exceptions: Sequence[Network]) -> list[Network]:
    left = [network]
    for exception in exceptions:
        left = [piece for each in left for piece in _cut(each, exception)]
    return left


def _cut(network: Network, exception: Network) -> Iterable[Network]:
    if network == exception:
        return ()
    if _is_within(exception, network):
        return sorted(network.address_exclude(exception))  # type: ignore[arg-type]
    return (network,)


def _is_within(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


_MANY = 4


def _sources(sources: Sequence[str]) -> str:
    if len(sources) <= _MANY:
        return ", ".join(sources)
    return f"{', '.join(sources[:_MANY])} and {len(sources) - _MANY} more lines"
