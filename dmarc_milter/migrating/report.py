"""What is told of a migration, as text and as JSON. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dmarc_milter.common.terminal import hanging
from dmarc_milter.common.text import printable
from dmarc_milter.migrating.migration import Migration
from dmarc_milter.migrating.settings_file import as_toml
from dmarc_milter.migrating.steps import Step
from dmarc_milter.migrating.values import Left, Program, Rule

MAX_SHOWN = 10_000
"""Characters of one line of the report. Files of others may hold what a terminal would obey."""


def text(found: Migration, written: str, width: int | None) -> str:
    """For people: lines of at most `width` characters, or each sentence on one line, so that they can be searched."""
    return "\n".join(_lines(found, written, width)) + "\n"


def _lines(found: Migration, written: str, width: int | None) -> Iterator[str]:
    yield "Found"
    for program in found.chain.programs:
        yield from _item(_program(program), width)
    yield f"\nWritten: {written}, in mode monitor"
    for setting in found.draft.settings:
        is_for_later = setting.key == "mode" and setting.value != "monitor"
        value = f'"monitor", then "{setting.value}"' if is_for_later else as_toml(setting.value)
        yield from _item(f"[{setting.section}] {setting.key} = {value}  ({setting.source})", width)
    for rule in found.draft.rules:
        yield from _item(_rule(rule), width)
    yield from _section("Not carried over, or not wholly", [_left(each) for each in found.left], width)
    yield from _section(
        "Who reads the old header", [f"{each.place}: {each.text}. {each.meaning}" for each in found.readers], width
    )
    yield from _section("What to know", found.notes, width)
    for step in found.steps:
        yield from _step(step, width)


def _section(title: str, items: Sequence[str], width: int | None) -> Iterator[str]:
    if items:
        yield f"\n{title}"
    for item in items:
        yield from _item(item, width)


def _item(line: str, width: int | None) -> Iterator[str]:
    yield from _wrapped(line, width, "  - ")


def _wrapped(text: str, width: int | None, first: str) -> Iterator[str]:
    line = printable(text, MAX_SHOWN)
    if width is None:
        yield first + line
    else:
        yield from hanging(line, width, first, " " * len(first))


def _program(program: Program) -> str:
    listens = f", at {', '.join(program.sockets)}" if program.sockets else ""
    fate = "stays" if program.stays else "goes"
    if program.becomes:
        fate = f"stays; {program.file.rpartition('/')[2]}: {program.becomes}"
    return f"{program.name} ({program.file}{listens}): {fate}"


def _rule(rule: Rule) -> str:
    conditions = ", ".join(f"{key} = {as_toml(value)}" for key, value in rule.conditions.items())
    off = ", as a comment" if rule.is_suggested else ""
    return f"[[override]] {rule.name}{off}: {conditions}, action {rule.action}  ({rule.source})"


def _left(left: Left) -> str:
    value = f" {left.value}" if left.value else ""
    return f"{left.place}: {left.option}{value}. {left.meaning}"


def _step(step: Step, width: int | None) -> Iterator[str]:
    yield f"\n{step.title}"
    yield from _wrapped(step.explanation, width, "  ")
    yield ""
    for command in step.commands:
        if command.why:
            yield f"    # {printable(command.why, MAX_SHOWN)}"
        if command.line:
            yield f"    {printable(command.line, MAX_SHOWN)}"
    if step.afterwards:
        yield ""
        yield from _wrapped(step.afterwards, width, "  ")


def as_json(found: Migration, written: str) -> dict[str, Any]:
    """For programs: the same."""
    return {
        "written": written,
        "mode": found.draft.mode,
        "programs": [asdict(each) for each in found.chain.programs],
        "settings": [asdict(each) for each in found.draft.settings],
        "rules": [asdict(each) for each in found.draft.rules],
        "left": [_left_as_json(each) for each in found.left],
        "readers": [{"place": str(each.place), "text": each.text, "meaning": each.meaning} for each in found.readers],
        "notes": list(found.notes),
        "steps": [asdict(each) for each in found.steps],
    }


def _left_as_json(left: Left) -> dict[str, Any]:
    return {"place": str(left.place), "option": left.option, "value": left.value, "meaning": left.meaning}
