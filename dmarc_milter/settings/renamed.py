"""Settings that have a new name. The old one is read, and reported, for one version."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from dmarc_milter.settings.error import ConfigError


class Renamed(NamedTuple):
    """One key that is called otherwise now, in the same section."""

    section: str
    """Its dotted name."""
    old: str
    new: str
    gone_in: str
    """The version that does not read the old name any more."""


RENAMED: tuple[Renamed, ...] = ()


def with_new_names(
    data: Mapping[str, Any], renamed: Sequence[Renamed] | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tables of a file with each key under its present name, and a warning for each that had its old one.

    Raises ConfigError where a key has both.
    """
    named = deepcopy(dict(data))
    warnings = []
    for each in RENAMED if renamed is None else renamed:
        for table in _tables(named, each.section.split(".")):
            if each.old not in table:
                continue
            if each.new in table:
                raise ConfigError(f"{each.section}.{each.old} is the old name of {each.new}, and both are set")
            table[each.new] = table.pop(each.old)
            warnings.append(
                f"{each.section}.{each.old} is called {each.new} now; version {each.gone_in} will not know the old name"
            )
    return named, tuple(dict.fromkeys(warnings))


def _tables(data: object, path: Sequence[str]) -> list[dict[str, Any]]:
    """The tables of a section: one, several in a list of them, or none."""
    if isinstance(data, list):
        return [table for item in data for table in _tables(item, path)]
    if not isinstance(data, dict):
        return []
    return _tables(data.get(path[0]), path[1:]) if path else [data]
