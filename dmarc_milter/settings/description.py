"""What is known of every setting, for documents: its name, documentation, default, example, range and choices."""

import ast
import inspect
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.constraints import Example, OneOrMore, Range, Text
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.reading import Kind, is_required, kinds


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One key of a section."""

    name: str
    documentation: str
    """Sentences, on one line."""
    is_required: bool
    default: str | None
    """As TOML; None where there is none, or where it is 'not set'."""
    example: str | None
    """As TOML."""
    limits: str
    """The range or the choices as a sentence; empty where there are none."""


@dataclass(frozen=True, slots=True)
class SectionDescription:
    """One table of the file."""

    path: str
    """Its dotted name."""
    documentation: str
    is_list: bool
    """Whether there may be several, ``[[path]]``."""
    settings: tuple[SettingDescription, ...]


def sections(kind: type[Any] = Settings, path: str = "") -> Iterator[SectionDescription]:
    """The sections of the file in their order; those within a section come after it."""
    for name, each in kinds(kind).items():
        section = _section(each)
        if section is None:
            continue
        inner = f"{path}.{name}" if path else name
        documentation = _one_line(section.__doc__ or "")
        yield SectionDescription(inner, documentation, _is_list(each), tuple(_settings(section)))
        yield from sections(section, inner)


def _is_list(kind: Kind) -> bool:
    return typing.get_origin(kind.plain) is tuple


def _section(kind: Kind) -> type[Any] | None:
    """The dataclass of a table, or of each table of a list; None where the value is no table."""
    found = typing.get_args(kind.plain)[0] if _is_list(kind) else kind.plain
    is_table = kind.constraint(Text) is None and is_dataclass(found) and isinstance(found, type)
    return found if is_table else None


def _settings(section: type[Any]) -> Iterator[SettingDescription]:
    documentation = _field_documentation(section)
    defaults = {each.name: each.default for each in fields(section)}
    for name, kind in kinds(section).items():
        if _section(kind) is not None:
            continue
        default, example = defaults[name], kind.constraint(Example)
        yield SettingDescription(
            name,
            documentation.get(name, ""),
            is_required(section, name),
            None if default is MISSING or default is None else f"{name} = {toml(default, kind)}",
            None if example is None else f"{name} = {toml(example.value, Kind(type(example.value), ()))}",
            _limits(kind, documentation.get(name, "")),
        )


def _field_documentation(section: type[Any]) -> dict[str, str]:
    """The strings below the fields: Python itself keeps no such thing."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            found[field.target.id] = _one_line(ast.literal_eval(after.value))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _limits(kind: Kind, documentation: str) -> str:
    """Choices only where the documentation does not name them all itself."""
    bounds = kind.constraint(Range)
    if bounds is not None:
        return f"From {bounds.least} to {bounds.most}."
    choices = [_quoted(each) for each in typing.get_args(kind.plain)] if _is_choice(kind) else []
    return "" if all(each in documentation for each in choices) else f"One of {', '.join(choices)}."


def _is_choice(kind: Kind) -> bool:
    return typing.get_origin(kind.plain) is typing.Literal


def not_default(settings: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Names like ``policy.mode`` and values as the file writes them, of what is not as it is by default.

    A password is left out of the value that it is in; of tables that make a list only their names are told.
    """
    defaults = type(settings)()
    for name, kind in kinds(type(settings)).items():
        value, usual = getattr(settings, name), getattr(defaults, name)
        if value == usual:
            continue
        if _section(kind) is None:
            yield f"{path}{name}", _quoted(value.shown) if isinstance(value, DatabaseUrl) else toml(value, kind)
        elif _is_list(kind):
            yield f"{path}{name}", ", ".join(each.name for each in value)
        else:
            yield from not_default(value, f"{path}{name}.")


def toml(value: object, kind: Kind) -> str:
    """A value as the settings file writes it."""
    text = kind.constraint(Text)
    if text is not None:
        return _quoted(text.show(value))
    if isinstance(value, tuple):
        arguments = typing.get_args(kind.plain)
        item = Kind.of(arguments[0]) if arguments else Kind(str, ())
        items = [toml(each, item) for each in value]
        return items[0] if _is_alone(kind, items) else f"[{', '.join(items)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


def _is_alone(kind: Kind, items: list[str]) -> bool:
    return kind.constraint(OneOrMore) is not None and len(items) == 1


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
