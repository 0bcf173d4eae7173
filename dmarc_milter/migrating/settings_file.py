"""Our settings file, made of what was found: each key with the place that it comes from. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmarc_milter.common.text import printable
from dmarc_milter.migrating.hosts import apart, as_text
from dmarc_milter.migrating.values import Reading, Rule, Setting, TomlValue, Trusted

MAX_SOURCE = 1_000
SECTIONS = ("milter", "dns", "dkim", "policy", "policy.indirect", "policy.reply")
_TITLE = """# Written by dmarc-milter migrate. Behind each key stands where it comes from.
# The mode is monitor: nothing is refused yet. docs/migrating.md has the three steps.
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the file will say."""

    settings: tuple[Setting, ...]
    rules: tuple[Rule, ...]
    mode: str
    """What the mode becomes in the second step."""

    def find(self, section: str, key: str) -> Setting | None:
        """One setting."""
        return next((each for each in self.settings if (each.section, each.key) == (section, key)), None)

    def text(self) -> str:
        """The file."""
        parts = [_TITLE]
        for section in SECTIONS:
            lines = [self._line(each) for each in self.settings if each.section == section]
            if lines:
                parts.append("\n".join([f"[{section}]", *lines]) + "\n")
        parts += [_rule(each) for each in self.rules]
        return "\n".join(parts)

    def _line(self, setting: Setting) -> str:
        if setting.key == "mode" and setting.value != "monitor":
            return f'mode = "monitor"  # the second step makes it "{setting.value}": {setting.source}'
        return f"{setting.key} = {as_toml(setting.value)}  # {printable(setting.source, MAX_SOURCE)}"


def draft(readings: Sequence[Reading], base: Iterable[Setting]) -> Draft:
    """`base` is ours to decide: addresses and names. Of two programs that set one key, the first counts."""
    found: dict[tuple[str, str], Setting] = {}
    for setting in (*base, *(each for reading in readings for each in reading.settings)):
        key = (setting.section, setting.key)
        if key not in found:
            found[key] = setting
        elif isinstance(setting.value, tuple) and key != ("dns", "nameservers"):
            found[key] = _joined(found[key], setting)
    found.setdefault(("policy", "mode"), Setting("policy", "mode", "monitor", "nothing refused for DMARC before"))
    trusted = _trusted([each for reading in readings for each in reading.trusted])
    if trusted is not None:
        found[("policy", "trusted_networks")] = trusted
    settings = tuple(found.values())
    rules = tuple(each for reading in readings for each in reading.rules)
    return Draft(settings, rules, str(found[("policy", "mode")].value))


def _joined(one: Setting, other: Setting) -> Setting:
    assert isinstance(one.value, tuple)
    assert isinstance(other.value, tuple)
    value = tuple(dict.fromkeys((*one.value, *other.value)))
    return Setting(one.section, one.key, value, f"{one.source}; {other.source}")


def _trusted(found: Sequence[Trusted]) -> Setting | None:
    if not found:
        return None
    networks = apart(network for each in found for network in each.networks)
    sources = dict.fromkeys(each.source for each in found)
    return Setting("policy", "trusted_networks", tuple(map(as_text, networks)), "; ".join(sources))


def as_toml(value: TomlValue) -> str:
    """A value as TOML writes it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    # JSON's scalars are TOML's, but for the octet 7F in strings.
    return json.dumps(value).replace("\x7f", "\\u007f")


def _rule(rule: Rule) -> str:
    lines = [
        "[[override]]",
        f"name = {as_toml(rule.name)}  # {printable(rule.source, MAX_SOURCE)}",
        *(f"{key} = {as_toml(value)}" for key, value in rule.conditions.items()),
        f"action = {as_toml(rule.action)}",
        f"reason = {as_toml(rule.reason)}",
    ]
    if rule.is_suggested:
        lines = ["# Switched off, yours to decide:", *(f"# {line}" for line in lines)]
    return "\n".join(lines) + "\n"
