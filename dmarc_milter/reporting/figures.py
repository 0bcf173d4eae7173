"""What Prometheus is told of reports: a file in its text format, which the filter's metrics server shows, too."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dmarc_milter.journal.report_tables import DeliveryState


class Figures(NamedTuple):
    """How the queue is after a run."""

    deliveries: Mapping[str, int]
    """By state."""
    open_domains: int
    late_messages: int
    last_run: float
    last_success: float | None
    """When a run ended last that had no trouble."""


def write(path: Path, figures: Figures) -> None:
    """Put the file in the place of the one before, whole. Raises OSError."""
    registry = CollectorRegistry()
    deliveries = Gauge(
        "dmarc_milter_report_deliveries", "Reports at one address each, by state.", ("state",), registry=registry
    )
    for state in DeliveryState:
        deliveries.labels(state.value).set(figures.deliveries.get(state.value, 0))
    _gauge(registry, "open_domains", "Domains of closed days whose reports are not made yet.", figures.open_domains)
    _gauge(
        registry, "late_messages", "Messages that came after their domain's reports were made.", figures.late_messages
    )
    _gauge(registry, "last_run_timestamp_seconds", "When a run ended last.", figures.last_run)
    if figures.last_success is not None:
        _gauge(
            registry, "last_success_timestamp_seconds", "When a run without trouble ended last.", figures.last_success
        )
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(generate_latest(registry))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _gauge(registry: CollectorRegistry, name: str, text: str, value: float) -> None:
    Gauge(f"dmarc_milter_report_{name}", text, registry=registry).set(value)


def last_success(path: Path) -> float | None:
    """What the file before says."""
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text("ascii", "replace").splitlines():
            name, _, value = line.rpartition(" ")
            if name == "dmarc_milter_report_last_success_timestamp_seconds":
                return float(value)
    return None
