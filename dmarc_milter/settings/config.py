"""The settings: all sections, and the file that they are read from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dmarc_milter.settings.dkim import DkimSection
from dmarc_milter.settings.dns import DnsSection
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.settings.log import LogSection
from dmarc_milter.settings.metrics import MetricsSection
from dmarc_milter.settings.milter import MilterSection
from dmarc_milter.settings.override import OverrideSection
from dmarc_milter.settings.policy import PolicySection
from dmarc_milter.settings.reading import read

DEFAULT_PATH = Path("/etc/dmarc-milter/dmarc-milter.toml")


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file."""

    milter: MilterSection = field(default_factory=MilterSection)
    dns: DnsSection = field(default_factory=DnsSection)
    dkim: DkimSection = field(default_factory=DkimSection)
    policy: PolicySection = field(default_factory=PolicySection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    journal: JournalSection = field(default_factory=JournalSection)
    override: tuple[OverrideSection, ...] = ()
    log: LogSection = field(default_factory=LogSection)


def load(path: Path) -> Settings:
    """The settings in the file at `path`. Raises ConfigError."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return parse(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def load_default(path: Path | None) -> Settings:
    """The settings at `path`, else of the default file if it is there, else the defaults. Raises ConfigError."""
    if path is not None:
        return load(path)
    return load(DEFAULT_PATH) if DEFAULT_PATH.exists() else Settings()


def parse(data: Mapping[str, Any]) -> Settings:
    """Settings from the tables of a TOML file. Raises ConfigError."""
    settings = read(Settings, data, "")
    _check_rules(settings.override)
    return settings


def _check_rules(rules: tuple[OverrideSection, ...]) -> None:
    names = set()
    for index, rule in enumerate(rules):
        if rule.name in names:
            raise ConfigError(f'override[{index}].name is "{rule.name}", as another rule\'s')
        if not rule.has_conditions:
            raise ConfigError(f"override[{index}] ({rule.name}) has no condition and would apply to all mail")
        names.add(rule.name)
