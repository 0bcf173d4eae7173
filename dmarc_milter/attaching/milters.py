"""Values of smtpd_milters: which filters Postfix asks, and with which settings of their own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dmarc_milter.attaching.milter_address import same

_BETWEEN = ", \t\r\n"


@dataclass(frozen=True)
class MilterEntry:
    """One filter of the list, like ``inet:localhost:8891`` or ``{ inet:localhost:8891, default_action=accept }``."""

    text: str
    """As it is written."""

    @property
    def address(self) -> str:
        """Where the filter listens, without settings."""
        return self._words[0] if self._words else ""

    @property
    def options(self) -> tuple[str, ...]:
        """Its own settings, like ``default_action=accept``."""
        return tuple(self._words[1:])

    @property
    def default_action(self) -> str | None:
        """What Postfix does while this filter cannot be reached, where the entry says so."""
        for option in self.options:
            name, _, value = option.partition("=")
            if name.strip() == "default_action":
                return value.strip()
        return None

    def is_at(self, address: str) -> bool:
        """Whether it is the filter at `address`, however the two are written."""
        return same(self.address, address)

    def with_default_action(self, action: str) -> "MilterEntry":
        """The same filter with this action, and with what else it says."""
        others = [each for each in self.options if each.partition("=")[0].strip() != "default_action"]
        return MilterEntry("{ " + ", ".join([self.address, *others, f"default_action={action}"]) + " }")

    @property
    def _words(self) -> list[str]:
        if not self.text.startswith("{"):
            return [self.text]
        inner = self.text.removeprefix("{").removesuffix("}").replace(" = ", "=")
        return [word for word in _split(inner) if word]


_PARAMETER = re.compile(r"\$(?:\{(?P<braced>\w+)\}|\((?P<round>\w+)\)|(?P<plain>\w+))")
_MAX_EXPANSIONS = 64


def parameter_names(value: str) -> tuple[str, ...]:
    """The parameters that a value refers to, like ``$smtpd_milters`` or ``${smtpd_milters}``."""
    return tuple(str(match["braced"] or match["round"] or match["plain"]) for match in _PARAMETER.finditer(value))


def expanded(value: str, parameters: Mapping[str, str]) -> str:
    """`value` with its parameters replaced; what is unknown stays."""
    for _ in range(_MAX_EXPANSIONS):
        replaced = _PARAMETER.sub(lambda match: parameters.get(next(filter(None, match.groups())), match[0]), value, 1)
        if replaced == value:
            return value
        value = replaced
    return value


def entries(value: str) -> tuple[MilterEntry, ...]:
    """The filters that a value of smtpd_milters names, in order."""
    return tuple(MilterEntry(word) for word in _split(value) if word)


def value_of(milters: tuple[MilterEntry, ...]) -> str:
    """The same as a value."""
    return ", ".join(each.text for each in milters)


def _split(value: str) -> list[str]:
    """Words between commas and blanks; what stands in braces is one word."""
    words: list[str] = []
    depth, word = 0, ""
    for character in value:
        depth += (character == "{") - (character == "}")
        if depth == 0 and character in _BETWEEN:
            words.append(word)
            word = ""
        else:
            word += character
    return [*words, word]
