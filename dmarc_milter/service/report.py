"""What the supervisor tells of the service: to the log, to systemd, in metrics, and in a file."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmarc_milter.common.version import VERSION
from dmarc_milter.service.state import Reload, ReloadOutcome, ServiceState, StateFile
from dmarc_milter.service.systemd import Notifier
from dmarc_milter.settings.changes import changes, digest
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry.log import logger
from dmarc_milter.telemetry.metrics import SupervisorMetrics


class Report:
    """The state of the service, told wherever somebody looks when it changes."""

    def __init__(self, settings: Settings, config: Path | None, systemd: Notifier, counted: SupervisorMetrics) -> None:
        """`config` is where the settings come from."""
        self._systemd = systemd
        self._counted = counted
        self._file = StateFile()
        self._state = ServiceState(
            version=VERSION,
            pid=os.getpid(),
            started=time.time(),
            config=None if config is None else str(config.absolute()),
            mode=settings.policy.mode,
            addresses=tuple(map(str, settings.milter.listen)),
            settings_digest=digest(settings),
        )
        counted.configured(digest(settings), time.time())

    @property
    def status(self) -> str:
        """One line for people."""
        count = self._state.workers.get("ready", 0) + self._state.workers.get("starting", 0)
        serving = f"serving on {', '.join(self._state.addresses)} with {count} workers"
        journal = "" if self._state.can_write_journal else "; the journal cannot be written"
        return f"{serving}, mode {self._state.mode}{journal}"

    def workers(self, counts: Mapping[str, int], *, can_write_journal: bool) -> None:
        """How many there are now, by state."""
        self._counted.workers(counts["ready"], counts["starting"], counts["leaving"])
        was_written = self._state.can_write_journal
        self._tell(workers=dict(counts), can_write_journal=can_write_journal)
        if was_written != can_write_journal:
            self._systemd.status(self.status)

    def ready(self) -> None:
        """All workers are there, those of a reload too."""
        logger.info(self.status)
        self._systemd.ready(self.status)
        if self._state.reload.outcome is ReloadOutcome.TAKEN:
            self._tell(reload=replace(self._state.reload, outcome=ReloadOutcome.DONE))

    def reloading(self) -> None:
        """Settings are read."""
        self._systemd.reloading()

    def refused(self, why: str) -> None:
        """They cannot be used: nothing has changed."""
        logger.error("settings not reloaded: %s", why)
        self._systemd.ready(f"serving; settings not reloaded: {why}")
        self._counted.reloaded("refused")
        self._tell_reload(ReloadOutcome.REFUSED, error=why)

    def taken(self, before: Settings, settings: Settings) -> None:
        """They are those of the workers that are started now."""
        changed = changes(before, settings)
        self._counted.reloaded("done")
        self._counted.configured(digest(settings), time.time())
        logger.info("settings reloaded, mode %s; %s", settings.policy.mode, "; ".join(changed) or "no change")
        self._tell(mode=settings.policy.mode, settings_digest=digest(settings))
        self._tell_reload(ReloadOutcome.TAKEN, changes=changed)

    def stopping(self, seconds: float) -> None:
        """Messages at hand are finished, within `seconds`."""
        logger.info("stopping")
        self._systemd.stopping(seconds)

    def close(self) -> None:
        """The service ends."""
        self._file.remove()

    def _tell(self, **changed: Any) -> None:
        self._state = replace(self._state, **changed)
        self._file.write(self._state)

    def _tell_reload(self, outcome: ReloadOutcome, error: str = "", changes: tuple[str, ...] = ()) -> None:
        self._tell(reload=Reload(self._state.reload.number + 1, outcome, time.time(), error, changes))
