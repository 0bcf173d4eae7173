"""What the running service says of itself: alive, workers, the last reload, whether it has the settings of the file."""

import os
from collections.abc import Iterator

from dmarc_milter.common.version import VERSION
from dmarc_milter.service.state import ReloadOutcome, ServiceState
from dmarc_milter.settings.changes import digest
from dmarc_milter.settings.config import Settings
from dmarc_milter.status.finding import Finding, attention, good, unknown
from dmarc_milter.status.words import ago, listed

START = "systemctl start dmarc-milter (journalctl -u dmarc-milter shows its log)"
RELOAD = "systemctl reload dmarc-milter"


def findings(
    state: ServiceState | None, settings: Settings, now: float, *, is_alive: bool, answers: bool
) -> Iterator[Finding]:
    """`is_alive`: the process that wrote `state` is there; `answers`: somebody is, where the metrics are."""
    if state is None and answers:
        yield unknown("service", "it answers, but was not started by systemd, so it wrote no state file")
    elif state is None:
        yield attention("service", "it does not run", START)
    elif not is_alive:
        yield attention("service", f"it is gone: process {state.pid}, started {ago(state.started, now)}, ended", START)
    else:
        yield good(
            "service", f"process {state.pid}, up {ago(state.started, now, ending='')}, on {listed(state.addresses)}"
        )
        yield from _version(state)
        yield from _workers(state, settings)
        yield from _reload(state, now)
        yield from _settings(state, settings)


def _version(state: ServiceState) -> Iterator[Finding]:
    if state.version != VERSION:
        yield attention(
            "service", f"version {state.version} runs, {VERSION} is installed", "systemctl restart dmarc-milter"
        )


def _workers(state: ServiceState, settings: Settings) -> Iterator[Finding]:
    ready, starting, leaving = (state.workers.get(each, 0) for each in ("ready", "starting", "leaving"))
    said = ", ".join(
        f"{count} {name}" for count, name in ((ready, "ready"), (starting, "starting"), (leaving, "leaving")) if count
    )
    wanted = (settings.milter.workers or os.cpu_count() or 1) * len(settings.milter.listen)
    if ready >= wanted:
        yield good("workers", said)
    else:
        yield attention("workers", f"{said or 'none'}, of {wanted}", "journalctl -u dmarc-milter says why they end")


def _reload(state: ServiceState, now: float) -> Iterator[Finding]:
    last = state.reload
    if last.number == 0:
        return
    when = ago(last.time, now)
    if last.outcome is ReloadOutcome.REFUSED:
        yield attention(
            "reload",
            f"refused {when}: {last.error}; the settings from before are in force",
            f"correct them, then: {RELOAD}",
        )
    else:
        is_under_way = "; its workers are starting" if last.outcome is ReloadOutcome.TAKEN else ""
        yield good("reload", f"{when}{is_under_way}: {'; '.join(last.changes) or 'no setting changed'}")


def _settings(state: ServiceState, settings: Settings) -> Iterator[Finding]:
    if digest(settings) != state.settings_digest and state.reload.outcome is not ReloadOutcome.REFUSED:
        yield attention("settings", "the file has changed since the service read it", RELOAD)
