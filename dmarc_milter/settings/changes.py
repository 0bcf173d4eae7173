"""Which settings differ, in words: for the log of a reload, and for who asks what is not the default."""

import dataclasses
import enum
import hashlib
from collections.abc import Iterator

from dmarc_milter.settings.database_url import DatabaseUrl


def changes(before: object, after: object) -> tuple[str, ...]:
    """One entry per setting with another value, like ``policy.mode: monitor -> enforce``, in the order of the file."""
    return tuple(_walk("", before, after))


def digest(settings: object) -> str:
    """The start of a hash over all settings, which tells whether two hosts have the same."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:12]


def _walk(name: str, before: object, after: object) -> Iterator[str]:
    if before == after:
        return
    if type(before) is type(after) and dataclasses.is_dataclass(before) and not _is_value(before):
        for each in dataclasses.fields(before):
            path = f"{name}.{each.name}" if name else each.name
            yield from _walk(path, getattr(before, each.name), getattr(after, each.name))
        return
    yield f"{name}: {_shown(before)} -> {_shown(after)}"


def _is_value(value: object) -> bool:
    """A dataclass with a text of its own (an address, a template, a rule) is one setting, not a section."""
    return type(value).__str__ is not object.__str__


def _shown(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return f"[{', '.join(_item(each) for each in value)}]"
    return value.shown if isinstance(value, DatabaseUrl) else _item(value)


def _item(value: object) -> str:
    """Of a rule the name is enough."""
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and not isinstance(value, enum.Enum) else str(value)
