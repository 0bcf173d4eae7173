"""Patterns of domains and lists, as the settings write them."""

from collections.abc import Sequence

from dmarc_milter.dns.name import DomainPattern, domain_pattern
from dmarc_milter.message.mailing_list import ListPattern, list_pattern
from dmarc_milter.settings.error import ConfigError


def domain_patterns(texts: Sequence[str], name: str) -> tuple[DomainPattern, ...]:
    """The patterns of the setting `name`. Raises ConfigError."""
    return tuple(_domain_pattern(text, f"{name}[{index}]") for index, text in enumerate(texts))


def _domain_pattern(text: str, name: str) -> DomainPattern:
    pattern = domain_pattern(text)
    if pattern is None:
        wanted = '"example.com", or ".example.com" for all below it too'
        raise ConfigError(f'{name} is "{text}"; it has to be a domain like {wanted}')
    return pattern


def list_patterns(texts: Sequence[str], name: str) -> tuple[ListPattern, ...]:
    """The patterns of the setting `name`. Raises ConfigError."""
    return tuple(_list_pattern(text, f"{name}[{index}]") for index, text in enumerate(texts))


def _list_pattern(text: str, name: str) -> ListPattern:
    pattern = list_pattern(text)
    if pattern is None:
        wanted = '"lists.example.org", ".example.org" for all below it too, or "*" for every list'
        raise ConfigError(f'{name} is "{text}"; it has to be a domain like {wanted}')
    return pattern
