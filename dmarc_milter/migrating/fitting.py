"""What our own settings take of what was found: the rest is said, value by value, with the place that it comes from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dmarc_milter.judging import site
from dmarc_milter.migrating.values import Left, Place, Reading, Rule, Setting, TomlValue
from dmarc_milter.settings import config
from dmarc_milter.settings.error import ConfigError


def fitting(reading: Reading) -> Reading:
    """`reading` with the values that can stand in our file; a rule that would lose a whole condition is left out."""
    settings, rules, left = [], [], list(reading.left)
    for setting in reading.settings:
        kept, refused = _of_setting(setting)
        settings += [] if kept is None else [kept]
        left += refused
    for rule in reading.rules:
        kept_rule, refused = _of_rule(rule)
        rules += [] if kept_rule is None else [kept_rule]
        left += refused
    return replace(reading, settings=tuple(settings), rules=tuple(rules), left=tuple(left))


def why_not(table: Mapping[str, Any]) -> str | None:
    """What our settings say against a file that holds `table`; None where they take it."""
    try:
        site.check(config.parse(table))
    except ConfigError as error:
        return str(error)
    return None


def _of_setting(setting: Setting) -> tuple[Setting | None, list[Left]]:
    def table(value: object) -> Mapping[str, Any]:
        found: dict[str, Any] = {setting.key: value}
        for name in reversed(setting.section.split(".")):
            found = {name: found}
        return found

    kept, refused = _parted(setting.value, table)
    place, option = Place(setting.source), f"[{setting.section}] {setting.key}"
    left = [_left(place, option, value, why) for value, why in refused.items()]
    return (None if kept is None else replace(setting, value=kept)), left


def _of_rule(rule: Rule) -> tuple[Rule | None, list[Left]]:
    left, conditions = [], {}
    for key, values in rule.conditions.items():

        def table(value: object, key: str = key) -> Mapping[str, Any]:
            return {"override": [{"name": rule.name, "action": rule.action, "reason": rule.reason, key: value}]}

        kept, refused = _parted(values, table)
        place, option = Place(rule.source), f"[[override]] {rule.name}, {key}"
        left += [_left(place, option, value, why) for value, why in refused.items()]
        if not isinstance(kept, tuple):
            return None, left
        conditions[key] = kept
    return replace(rule, conditions=conditions), left


def _parted(value: TomlValue, table: Any) -> tuple[TomlValue | None, dict[str, str]]:
    """What of a value is taken, and why the rest is not. Of a list, each item is asked about alone."""
    if not isinstance(value, tuple):
        why = why_not(table(value))
        return (value, {}) if why is None else (None, {str(value): why})
    refused = {each: why for each in value if (why := why_not(table([each]))) is not None}
    kept = tuple(each for each in value if each not in refused)
    return kept or None, refused


def _left(place: Place, option: str, value: str, why: str) -> Left:
    return Left(place, option, value, f"It is left out, for our settings do not take it: {why}.")
