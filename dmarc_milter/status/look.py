"""One look at everything: the file of settings, the running service, the MTA, the DNS, the journal."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dmarc_milter.attaching import own_mail
from dmarc_milter.common.version import VERSION
from dmarc_milter.journal.database import DatabaseError, open_for_reading
from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.journal.location import database
from dmarc_milter.journal.overview import JournalOverview, overview
from dmarc_milter.journal.schema import SchemaError, check
from dmarc_milter.service import state as service_state
from dmarc_milter.service.state import ServiceState
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.description import not_default
from dmarc_milter.settings.error import NotPermittedError
from dmarc_milter.status import journal, metrics, mta, name_servers, process, running
from dmarc_milter.status.finding import Finding, Standing, attention, note, unknown
from dmarc_milter.status.metrics import Counts


@dataclass(frozen=True, slots=True)
class Status:
    """What a look found."""

    time: float
    """Of the look, in seconds since 1970."""
    version: str
    """Of the program that looks."""
    mode: str
    state: ServiceState | None
    """What the running service says of itself; None where it does not run."""
    config: str
    """Where the settings come from, for people."""
    settings: tuple[tuple[str, str], ...]
    """Names and values of those that are not the default."""
    findings: tuple[Finding, ...]
    """What needs attention first."""

    @property
    def needs_attention(self) -> bool:
        """Whether somebody has to do something."""
        return any(each.standing is Standing.ATTENTION for each in self.findings)


_ORDER = list(Standing)


def look(path: Path | None, state_path: Path | None = None) -> Status:
    """`path` is the file of settings, `state_path` what the service writes; None: the usual ones.

    Raises ConfigError.
    """
    # Whole seconds: addresses of links tell no fractions.
    now = math.ceil(time.time())
    loaded, remarks = _settings(path)
    settings = loaded.settings
    state, unreadable = _state(state_path)
    with ThreadPoolExecutor(4) as threads:
        counts = threads.submit(metrics.read, settings.metrics.listen)
        asked = [
            threads.submit(lambda: list(mta.findings(settings))),
            threads.submit(lambda: list(name_servers.findings(settings))),
            threads.submit(lambda: _journal(settings, state, counts.result(), now)),
        ]
        answers = counts.result() is not None
        found = [*remarks, *unreadable]
        if not unreadable:
            found += running.findings(state, settings, now, is_alive=_is_alive(state), answers=answers)
        found += [attention("settings", each) for each in (*loaded.warnings, *own_mail.warnings(settings))]
        for each in asked:
            found += each.result()
    found.sort(key=lambda each: _ORDER.index(each.standing))
    mode = state.mode if state is not None else settings.policy.mode
    return Status(now, VERSION, mode, state, loaded.source, tuple(not_default(settings)), tuple(found))


def _settings(path: Path | None) -> tuple[config.Loaded, list[Finding]]:
    """The built-in ones where the usual file may not be read."""
    try:
        return config.load_file(path), []
    except NotPermittedError as error:
        if path is not None:
            raise
        return config.Loaded(Settings(), "built-in settings"), [unknown("settings", str(error))]


def _state(path: Path | None) -> tuple[ServiceState | None, list[Finding]]:
    path = path or service_state.default_path()
    try:
        return service_state.read(path), []
    except OSError as error:
        return None, [unknown("service", f"{path}: {error.strerror}; run this with sudo")]


def _is_alive(state: ServiceState | None) -> bool:
    """Whether the process that wrote it is there."""
    return state is not None and process.is_service(state.pid)


def _journal(settings: Settings, state: ServiceState | None, counts: Counts | None, now: float) -> list[Finding]:
    if not settings.journal.enabled:
        return [note("journal", "it is not kept ([journal] enabled = false): trace, summary and what-if have no data")]
    try:
        return list(journal.findings(_overview(settings, now), state, counts, now))
    except (DatabaseError, SchemaError, UnreachableError, sa.exc.SQLAlchemyError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        is_forbidden = "Permission denied" in said
        return [unknown("journal", said) if is_forbidden else attention("journal", f"it cannot be read: {said}")]


def _overview(settings: Settings, now: float) -> JournalOverview:
    engine = open_for_reading(database(settings.journal))
    try:
        check(engine)
        return overview(engine, now - journal.RECENT_SECONDS)
    finally:
        engine.dispose()
