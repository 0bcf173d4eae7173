"""What the subcommands of report share: the store opened, and who sends, by the settings."""

import argparse
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dmarc_milter.api import Dns
from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail
from dmarc_milter.dns.name import DomainPattern, domain_pattern
from dmarc_milter.journal.location import database
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.judging.name_servers import name_servers
from dmarc_milter.reporting import figures
from dmarc_milter.reporting.document import Reporter
from dmarc_milter.reporting.making import Sender
from dmarc_milter.reporting.outbox import Outbox
from dmarc_milter.reporting.planning import Rules
from dmarc_milter.reporting.signing import KeyFileError, load_key
from dmarc_milter.reporting.store import BusyError, Store
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError

DONE, LEFT = 0, 1
LATE_DAYS = 2
"""Days whose latecomers are counted: to count them is to read all that is counted of these days."""


def load(options: argparse.Namespace) -> Settings:
    """The settings, with reports enabled. Raises ConfigError."""
    loaded = config.load_file(options.config)
    if not loaded.settings.report.enabled:
        raise ConfigError(f"{loaded.source}: reports are not switched on: set report.enabled (docs/reporting.md)")
    return loaded.settings


@contextmanager
def opened(options: argparse.Namespace, settings: Settings) -> Iterator[Store]:
    """The queue. Raises one of JOURNAL_ERRORS."""
    store = Store(options.journal or database(settings.journal))
    try:
        yield store
    finally:
        store.close()


def sender(settings: Settings) -> Sender:
    """Who reports; what the settings do not say has the name of the host. Raises ConfigError where a key is no key."""
    report = settings.report
    submitter = (report.submitter or settings.milter.authserv_id or socket.getfqdn()).lower()
    email = report.email or f"postmaster@{submitter}"
    try:
        keys = tuple(load_key(each) for each in report.dkim_key)
    except KeyFileError as error:
        raise ConfigError(str(error)) from None
    return Sender(submitter, Reporter(report.organization or submitter, email, report.contact), keys)


def load_for_sending(options: argparse.Namespace) -> Settings:
    """The settings, which say who sends. Raises ConfigError."""
    settings = load(options)
    for name in ("organization", "email", "submitter"):
        if getattr(settings.report, name) is None:
            raise ConfigError(f"report.{name} is missing: it is needed to send reports (docs/reporting.md)")
    return settings


def rules(settings: Settings, store: Store, now: float) -> Rules:
    """Who gets reports. Raises ConfigError."""
    report = settings.report
    return Rules(
        report.minimum_messages,
        report.only_aligned,
        report.max_addresses,
        tuple(_pattern(each) for each in report.exclude_domains),
        frozenset(each.lower() for each in report.exclude_addresses),
        frozenset((sender(settings).reporter.email.lower(),)),
        store.suppressed(now),
    )


def _pattern(text: str) -> DomainPattern:
    found = domain_pattern(text)
    if found is None:
        raise ConfigError(f"report.exclude_domains: {text!r} is no domain")
    return found


def dns(settings: Settings) -> Dns:
    """The name servers of the settings."""
    return Dns.servers(name_servers(settings.dns), settings.dns.timeout, settings.dns.tries)


REPORT_ERRORS = (*JOURNAL_ERRORS, BusyError)


def note_figures(settings: Settings, store: Store, now: float, *, is_success: bool) -> None:
    """For Prometheus. A file that cannot be written is told, and no more: reports do not depend on it."""
    path = Path(settings.report.metrics_file)
    outbox = Outbox(store)
    late = sum(store.late(int(now) - LATE_DAYS * DAY).values())
    success = now if is_success else figures.last_success(path)
    found = figures.Figures(outbox.counts(), store.open_jobs(), late, now, success)
    try:
        figures.write(path, found)
    except OSError as error:
        print(f"dmarc-milter: warning: no figures for Prometheus: {path}: {error.strerror}", file=sys.stderr)


def failed(error: Exception) -> int:
    """Say what is wrong; the exit status."""
    if isinstance(error, JOURNAL_ERRORS):
        return fail(error)
    print(f"dmarc-milter: {error}", file=sys.stderr)
    return USAGE_ERROR
