"""Tables of a TOML file read into the dataclasses of the sections. Every error names the key and says what is right."""

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, NamedTuple, TypeVar

from dmarc_milter.settings.constraints import OneOrMore, Pattern, Range, Text
from dmarc_milter.settings.error import ConfigError

_D = TypeVar("_D")
_MIN_SIMILARITY = 0.7


class Kind(NamedTuple):
    """What a value has to be: its type, and the constraints that stand beside it."""

    plain: Any
    constraints: tuple[Any, ...]

    @classmethod
    def of(cls, hint: Any) -> "Kind":
        """Of an annotation. TOML knows no null: where a value may be None, it is what else it may be."""
        if typing.get_origin(hint) is not Annotated:
            return cls(_without_none(hint), ())
        plain, *constraints = typing.get_args(hint)
        return cls(_without_none(plain), tuple(constraints))

    def constraint(self, kind: type[_D]) -> _D | None:
        """The constraint of that kind, where there is one."""
        return next((each for each in self.constraints if isinstance(each, kind)), None)


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint
    kinds = [each for each in typing.get_args(hint) if each is not type(None)]
    return kinds[0] if len(kinds) == 1 else hint


def kinds(section: type[Any]) -> Mapping[str, Kind]:
    """What each field of a section has to be."""
    return {name: Kind.of(hint) for name, hint in typing.get_type_hints(section, include_extras=True).items()}


def is_required(section: type[Any], name: str) -> bool:
    """Whether a field has no default."""
    (found,) = (each for each in fields(section) if each.name == name)
    return found.default is MISSING and found.default_factory is MISSING


def read(section: type[_D], table: object, path: str) -> _D:
    """A section from its table; `path` is the table's name. Raises ConfigError."""
    if not isinstance(table, dict):
        raise ConfigError(f"[{path}] has to be a table")
    known = kinds(section)
    values = {}
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if key not in known:
            raise ConfigError(f"unknown key {name} ({_known_instead(key, known)})")
        values[key] = _value(known[key], value, name)
    for key in known:
        if key not in values and is_required(section, key):
            raise ConfigError(f"{path}.{key} is missing")
    return section(**values)


def _known_instead(key: str, known: Mapping[str, Kind]) -> str:
    import difflib

    similar = difflib.get_close_matches(key, known, 1, _MIN_SIMILARITY)
    return f"did you mean {similar[0]}?" if similar else f"known here: {', '.join(sorted(known))}"


def _value(kind: Kind, value: object, name: str) -> Any:
    text = kind.constraint(Text)
    if text is not None:
        return _parsed(text, _written(text, value, name), name)
    if is_dataclass(kind.plain) and isinstance(kind.plain, type):
        return read(kind.plain, value, name)
    origin = typing.get_origin(kind.plain)
    if origin is tuple:
        return _listed(kind, value, name)
    if origin is typing.Literal:
        choices = typing.get_args(kind.plain)
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}; it has to be one of {', '.join(map(repr, choices))}")
        return value
    if kind.plain is float:
        return _within(kind, float(_expect((int, float), value, name, "a number")), name)
    return _within(kind, _expect(kind.plain, value, name, _TYPE_NAMES[kind.plain]), name)


_TYPE_NAMES = {str: "a string", int: "a whole number", bool: "true or false"}


def _listed(kind: Kind, value: object, name: str) -> tuple[Any, ...]:
    item = Kind.of(typing.get_args(kind.plain)[0])
    if kind.constraint(OneOrMore) is None:
        items = _expect(list, value, name, "a list")
        return tuple(_value(item, each, f"{name}[{index}]") for index, each in enumerate(items))
    text = item.constraint(Text)
    wanted = f"{text.wanted if text is not None else _TYPE_NAMES[item.plain]}, or a list of them"
    items = [value] if isinstance(value, str) else _expect(list, value, name, wanted)
    if not items:
        raise ConfigError(f"{name} is empty; it has to be {wanted}")
    return tuple(_value(item, each, name) for each in items)


def _expect(kind: Any, value: object, name: str, wanted: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{name} is {value!r}; it has to be {wanted}")
    return value


def _written(text: Text, value: object, name: str) -> str:
    if text.is_secret and not isinstance(value, str):
        raise ConfigError(f"{name} has to be {text.wanted}")
    return str(_expect(str, value, name, text.wanted))


def _parsed(text: Text, value: str, name: str) -> Any:
    try:
        return text.parse(value)
    except ValueError as error:
        told = "cannot be used" if text.is_secret else f'is "{value}"'
        raise ConfigError(f"{name} {told}; {error}") from None


def _within(kind: Kind, value: Any, name: str) -> Any:
    bounds, pattern = kind.constraint(Range), kind.constraint(Pattern)
    if bounds is not None and not bounds.least <= value <= bounds.most:
        raise ConfigError(f"{name} is {value}; it has to be from {bounds.least} to {bounds.most}")
    if pattern is not None and re.fullmatch(pattern.regex, value) is None:
        raise ConfigError(f'{name} is "{value}"; it has to be {pattern.wanted}')
    return value
