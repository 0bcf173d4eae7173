"""The settings: all sections, and the file that they are read from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from dmarc_milter.settings import installed
from dmarc_milter.settings.dkim import DkimSection
from dmarc_milter.settings.dns import DnsSection
from dmarc_milter.settings.error import ConfigError, NotPermittedError
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.settings.location import DEFAULT_PATH
from dmarc_milter.settings.log import LogSection
from dmarc_milter.settings.metrics import MetricsSection
from dmarc_milter.settings.milter import MilterSection
from dmarc_milter.settings.override import OverrideSection
from dmarc_milter.settings.policy import PolicySection
from dmarc_milter.settings.reading import read
from dmarc_milter.settings.renamed import with_new_names
from dmarc_milter.settings.report import ReportSection


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file."""

    milter: MilterSection = field(default_factory=MilterSection)
    dns: DnsSection = field(default_factory=DnsSection)
    dkim: DkimSection = field(default_factory=DkimSection)
    policy: PolicySection = field(default_factory=PolicySection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    journal: JournalSection = field(default_factory=JournalSection)
    report: ReportSection = field(default_factory=ReportSection)
    override: tuple[OverrideSection, ...] = ()
    log: LogSection = field(default_factory=LogSection)


class Loaded(NamedTuple):
    """Settings, and where they came from."""

    settings: Settings
    source: str
    """For people: a path, or that there is none."""
    warnings: tuple[str, ...] = ()
    """What should be written otherwise, though it is read: one line each, naming the key."""
    path: Path | None = None
    """The file, or None for the built-in settings."""


def load_file(path: Path | None) -> Loaded:
    """The file at `path`, else the default file if it is there, else the built-in defaults. Raises ConfigError."""
    text = _text(DEFAULT_PATH if path is None else path, may_be_missing=path is None)
    if text is None:
        return Loaded(Settings(), "built-in settings")
    source = str(path or DEFAULT_PATH)
    try:
        data, warnings = with_new_names(tomllib.loads(text))
        return Loaded(_as_installed(parse(data), data, path), source, warnings, path or DEFAULT_PATH)
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{source}: {error}") from None


def _as_installed(settings: Settings, data: Mapping[str, Any], path: Path | None) -> Settings:
    """With the socket that the package makes room for, where the installed file does not say otherwise."""
    listen = installed.default_listen() if path in (None, DEFAULT_PATH) else None
    if listen is None or "listen" in data.get("milter", {}):
        return settings
    return replace(settings, milter=replace(settings.milter, listen=(listen,)))


def load_default(path: Path | None) -> Settings:
    """As :func:`load_file`, the settings alone."""
    return load_file(path).settings


def _text(path: Path, *, may_be_missing: bool) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if may_be_missing:
            return None
        raise ConfigError(f"{path}: {error.strerror}") from None
    except PermissionError as error:
        raise NotPermittedError(f"{path}: {error.strerror}. {_WHAT_USERS_MAY_DO}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None


_WHAT_USERS_MAY_DO = (
    "It may hold a password: only root and the members of its group may read it. Run this with sudo, or name another "
    "file with --config (--config /dev/null: the built-in settings)"
)


def parse(data: Mapping[str, Any]) -> Settings:
    """Settings from the tables of a TOML file. Raises ConfigError."""
    settings = read(Settings, data, "")
    _check_rules(settings.override)
    _check_password(settings.journal)
    _check_report(settings)
    return settings


def _check_report(settings: Settings) -> None:
    report = settings.report
    if not report.enabled:
        return
    if not settings.journal.enabled:
        raise ConfigError("report.enabled needs the journal: journal.enabled is false")
    if report.user is not None and report.password_file is None:
        raise ConfigError("report.user is set, and report.password_file is missing")
    if report.user is not None and report.transport != "submission":
        raise ConfigError('report.user is for report.transport = "submission"')


def _check_password(journal: JournalSection) -> None:
    if journal.password_file is None:
        return
    if not journal.database.is_postgresql:
        raise ConfigError("journal.password_file is for PostgreSQL; the journal in a file needs no password")
    if journal.database.has_password:
        raise ConfigError("journal.password_file is set, and there is a password in journal.database, too")


def _check_rules(rules: tuple[OverrideSection, ...]) -> None:
    names = set()
    for index, rule in enumerate(rules):
        if rule.name in names:
            raise ConfigError(f'override[{index}].name is "{rule.name}", as another rule\'s')
        if not rule.has_conditions:
            raise ConfigError(f"override[{index}] ({rule.name}) has no condition and would apply to all mail")
        names.add(rule.name)
