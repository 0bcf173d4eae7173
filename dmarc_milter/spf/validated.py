"""The names of a client that resolve back to its address (RFC 7208 5.5): for ptr, ``%{p}`` and reverse-name rules."""

import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any

from dmarc_milter.dns.answer import Answer, Question, RecordType, Resolver, addresses, pointers
from dmarc_milter.dns.name import is_at_or_below
from dmarc_milter.spf.limits import MAX_POINTERS


def address_type(address: bytes) -> RecordType:
    """The type of the records that hold addresses like `address` (4 or 16 octets)."""
    return RecordType.A if len(address) == 4 else RecordType.AAAA


def reverse_name(address: bytes) -> str:
    """The name under which the DNS keeps the PTR records of `address`."""
    return ipaddress.ip_address(address).reverse_pointer


async def validated_names(
    resolver: Resolver, address: bytes, observe: Callable[[Answer[Any]], None] | None = None
) -> AsyncIterator[str]:
    """The validated names of the client, in the order of the answer; errors count as no name."""
    answer = await pointers(resolver, reverse_name(address))
    if observe is not None:
        observe(answer)
    names = answer.records[:MAX_POINTERS]
    family = address_type(address)
    if len(names) > 1:
        resolver.prefetch([Question(name, family) for name in names])
    for name in names:
        if address in (await addresses(resolver, name, family)).records:
            yield name


async def advised_name(resolver: Resolver, address: bytes, domain: str) -> str:
    """``%{p}`` (7.3): `domain` itself if validated, else a subdomain of it, else any name, else ``unknown``."""
    names = [name async for name in validated_names(resolver, address)]
    names.sort(key=lambda name: (name != domain, not is_at_or_below(name, domain)))
    return names[0] if names else "unknown"
