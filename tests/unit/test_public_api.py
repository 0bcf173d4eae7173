"""What other programs may use: the names of ``dmarc_milter.__all__``, and every value that these hand out.

public_api.txt pins names, parameters, types and defaults. A line that goes, or is another one, breaks somebody's program: it
needs a line in CHANGELOG.md. Reasons have codes of their own (reason_codes.txt), settings are documented as a file.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import dmarc_milter
from dmarc_milter.common.reason import ReasonCode

PINNED = Path(__file__).with_name("public_api.txt")
NOT_FOLLOWED = (
    "dmarc_milter.settings.",
    "dmarc_milter.dns.caching",
    "dmarc_milter.dns.source",
    "dmarc_milter.dns.loop",
    "dmarc_milter.dns.upstream",
)
"""The file of settings is the public thing there; where answers come from is made by `Dns` alone."""


def shown(annotation: Any) -> str:
    """A type in one word or a few, without the modules that names come from."""
    if annotation is inspect.Parameter.empty:
        return "?"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return "None" if annotation is type(None) else annotation.__name__
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", str(annotation))


def signature(function: Any, name: str) -> str:
    hints = typing.get_type_hints(function)
    parts = []
    keyword_only = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            parts.append("*")
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        annotation = f": {shown(hints[parameter.name])}" if parameter.name in hints else ""
        parts.append(f"{parameter.name}{annotation}{default}")
    return f"{name}({', '.join(parts)}) -> {shown(hints.get('return'))}"


def mentioned(annotation: Any) -> Iterator[type]:
    """Classes of ours in a type."""
    if annotation is None:
        return
    for each in (typing.get_origin(annotation), *typing.get_args(annotation)):
        yield from mentioned(each)
    if isinstance(annotation, type) and annotation.__module__.startswith("dmarc_milter."):
        yield annotation


class Pinned:
    """The lines of everything that can be reached."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seen: set[type] = set()

    def follow(self, annotation: Any) -> None:
        for each in mentioned(annotation):
            is_followed = not f"{each.__module__}.".startswith(NOT_FOLLOWED) and not each.__module__.startswith(
                NOT_FOLLOWED
            )
            if each not in self._seen and is_followed and not issubclass(each, ReasonCode):
                self._seen.add(each)
                self._add(each)

    def function(self, function: Any, name: str) -> None:
        self.lines.append(signature(function, name))
        for hint in typing.get_type_hints(function).values():
            self.follow(hint)

    def _add(self, owner: type) -> None:
        name = owner.__name__
        if issubclass(owner, Enum):
            self.lines += [f"{name}.{each.name} = {each.value!r}" for each in owner]
        elif dataclasses.is_dataclass(owner) or hasattr(owner, "_fields"):
            self._add_fields(owner)
        elif owner.__init__ is not object.__init__ and not getattr(owner, "_is_protocol", False):
            self.function(owner.__init__, name)
        for attribute, value in vars(owner).items():
            if attribute.startswith("_"):
                continue
            if isinstance(value, (property, cached_property)):
                getter = value.fget if isinstance(value, property) else value.func
                hint = typing.get_type_hints(getter)["return"]
                self.lines.append(f"{name}.{attribute} -> {shown(hint)}")
                self.follow(hint)
            elif isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value):
                self.function(getattr(value, "__func__", value), f"{name}.{attribute}")

    def _add_fields(self, owner: Any) -> None:
        hints = typing.get_type_hints(owner)
        if dataclasses.is_dataclass(owner):
            optional = {
                each.name: each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
                for each in dataclasses.fields(owner)
            }
        else:
            optional = {field: field in owner._field_defaults for field in owner._fields}
        for field, is_optional in optional.items():
            if not field.startswith("_"):
                self.lines.append(
                    f"{owner.__name__}.{field}: {shown(hints[field])}{' (optional)' if is_optional else ''}"
                )
                self.follow(hints[field])


def public() -> list[str]:
    pinned = Pinned()
    for name in dmarc_milter.__all__:
        value = getattr(dmarc_milter, name)
        if isinstance(value, type):
            pinned.follow(value)
        elif callable(value):
            pinned.function(value, name)
        else:
            pinned.lines.append(f"{name}: {type(value).__name__}")
    return sorted(pinned.lines)


def test_nothing_public_changes_unnoticed() -> None:
    assert public() == PINNED.read_text("utf-8").splitlines(), "see the head of this file"


def test_a_change_would_be_noticed() -> None:
    """The lines reach what a verdict holds, not only the names at the top."""
    lines = public()
    for line in ("DmarcResult.PASS = 'pass'", "SignatureResult.selector: str | None (optional)", "Verdict.arc: Chain"):
        assert line in lines


def test_every_public_name_is_there() -> None:
    assert set(dmarc_milter.__all__) <= {*dir(dmarc_milter), "Dns", "Envelope", "Evaluated", "evaluate"}
    for name in dmarc_milter.__all__:
        assert getattr(dmarc_milter, name) is not None
