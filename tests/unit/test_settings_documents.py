"""What documents say of the settings, and the commented file that is installed: defaults hold, examples are none."""

import re
import tomllib
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.judging.site import check
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.description import SectionDescription, SettingDescription, sections
from dmarc_milter.settings.error import ConfigError

FILE = (Path(__file__).resolve().parents[2] / "etc" / "dmarc-milter.toml").read_text("utf-8")
SECTIONS = {section.path: section for section in sections()}
TABLES = [(section, setting) for section in SECTIONS.values() if not section.is_list for setting in section.settings]
IDS = [f"{section.path}.{setting.name}" for section, setting in TABLES]


def test_sections_in_their_order() -> None:
    named = "milter dns dkim policy policy.indirect policy.reply metrics journal report report.failure override log"
    assert list(SECTIONS) == named.split()


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_all_of_it_is_documented(section: SectionDescription) -> None:
    assert section.documentation
    for setting in section.settings:
        assert re.search(r"[.\])]$", setting.documentation), f"{section.path}.{setting.name}"


@pytest.mark.parametrize(("section", "setting"), TABLES, ids=IDS)
def test_who_has_no_default_has_an_example(section: SectionDescription, setting: SettingDescription) -> None:
    is_empty = setting.default is None or setting.default.endswith("= []")
    assert setting.example is not None or not is_empty


@pytest.mark.parametrize(("section", "setting"), TABLES, ids=IDS)
def test_an_example_can_be_used(section: SectionDescription, setting: SettingDescription) -> None:
    if setting.example is not None:
        needed = (
            'database = "postgresql://u@h/n"\n' if (section.path, setting.name) == ("journal", "password_file") else ""
        )
        settings = config.parse(tomllib.loads(f"[{section.path}]\n{needed}{setting.example}"))
        check(settings)
        assert settings != Settings()


@pytest.mark.parametrize(
    ("key", "said"),
    {
        "milter.workers": "From 0 to 256.",
        "dns.timeout": "From 0.05 to 60.",
        "policy.mode": "",
        "metrics.listen": "",
    }.items(),
)
def test_limits(key: str, said: str) -> None:
    assert {f"{section.path}.{setting.name}": setting.limits for section, setting in TABLES}[key] == said


def test_the_installed_file_sets_nothing() -> None:
    assert tomllib.loads(FILE) == {name: {} for name in SECTIONS if "." not in name and name != "override"} | {
        "policy": {"indirect": {}, "reply": {}},
        "report": {"failure": {}},
    }
    assert config.parse(tomllib.loads(FILE)) == Settings()


def test_the_defaults_of_the_installed_file_are_defaults() -> None:
    """Taking the comment sign away changes nothing."""
    shown = re.sub(r"(?m)^# (?=\w+ = )", "", FILE)
    data = tomllib.loads(shown)
    assert config.parse(data) == Settings()
    for section, setting in TABLES:
        table = data
        for name in section.path.split("."):
            table = table[name]
        assert (setting.name in table) == (setting.default is not None)


def test_the_examples_of_the_installed_file() -> None:
    """They cannot be taken for defaults, and none is left out."""
    shown = [line.removeprefix("# Example: ") for line in FILE.splitlines() if line.startswith("# Example: ")]
    assert shown == [setting.example for _, setting in TABLES if setting.example is not None]


def test_the_rule_of_the_installed_file() -> None:
    example = FILE[FILE.index("# Example:\n") :].partition("\n\n")[0]
    settings = config.parse(tomllib.loads(example.replace("#   ", "")))
    check(settings)
    assert settings.override[0].name == "partner-gateway"


RANGES = {
    f"{section.path}.{setting.name}": re.findall(r"[0-9.]+(?=[ .])", setting.limits)
    for section, setting in TABLES
    if setting.limits.startswith("From ")
}


@pytest.mark.parametrize("key", RANGES)
def test_a_range_holds_as_documented(key: str) -> None:
    section, _, name = key.rpartition(".")
    least, most = (float(bound) for bound in RANGES[key])
    of_section = attrgetter(section)
    whole = float(least).is_integer() and isinstance(getattr(of_section(Settings()), name), int)
    for bound, beyond in ((least, least - 0.01), (most, most + 0.01)):
        inside, outside = (int(bound), int(bound + (1 if beyond > bound else -1))) if whole else (bound, beyond)
        assert getattr(of_section(config.parse(_table(section, {name: inside}))), name) == bound
        with pytest.raises(ConfigError, match=rf"^{key} is .*; it has to be from "):
            config.parse(_table(section, {name: outside}))


def _table(path: str, values: dict[str, Any]) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        values = {name: values}
    return values
