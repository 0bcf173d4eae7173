"""What runs, told in a file of the service's runtime folder: for `dmarc-milter reload`, and for whoever asks.

The supervisor writes it; nobody else does. There are no secrets in it.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

NAME = "state.json"
FOLDER = Path("/run/dmarc-milter")
"""Of the service, as the Debian package runs it."""


class ReloadOutcome(Enum):
    """How far a reload is."""

    TAKEN = "taken"
    """The settings are in force for new workers, which are not ready yet."""
    DONE = "done"
    REFUSED = "refused"
    """Nothing has changed; the error says why."""


@dataclass(frozen=True)
class Reload:
    """The last reload; its number is 0 where there was none."""

    number: int = 0
    outcome: ReloadOutcome = ReloadOutcome.DONE
    time: float = 0.0
    """Seconds since the epoch."""
    error: str = ""
    changes: tuple[str, ...] = ()
    """Settings that are not what they were, in words."""


@dataclass(frozen=True)
class ServiceState:
    """One running service."""

    version: str
    pid: int
    started: float
    """Seconds since the epoch."""
    config: str | None
    """The settings file, or None for the built-in settings."""
    mode: str
    addresses: tuple[str, ...]
    settings_digest: str
    workers: Mapping[str, int] = field(default_factory=dict)
    """How many are ready, starting, leaving."""
    reload: Reload = field(default_factory=Reload)
    can_write_journal: bool = True
    """Whether every worker could, when it tried last."""


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Of the service that this process belongs to, else of the package's."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(given or FOLDER) / NAME


class StateFile:
    """Where the supervisor writes; nowhere, if it was not given a runtime folder (systemd gives one)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._path = default_path(environment) if environment.get("RUNTIME_DIRECTORY") else None
        self._written = ""

    def write(self, state: ServiceState) -> None:
        """Whole or not at all; only where it says something new. What cannot be written is left: mail goes first."""
        text = json.dumps(asdict(state), default=lambda value: value.value)
        if self._path is None or text == self._written:
            return
        with contextlib.suppress(OSError):
            new = self._path.with_name(f".{NAME}")
            new.write_text(text, "utf-8")
            new.chmod(0o644)
            new.replace(self._path)
            self._written = text

    def remove(self) -> None:
        """The service ends."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()


def read(path: Path) -> ServiceState | None:
    """What a running service says of itself; None where there is none. Raises OSError where it may not be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        reload = found.pop("reload")
        last = Reload(**{**reload, "outcome": ReloadOutcome(reload["outcome"]), "changes": tuple(reload["changes"])})
        return ServiceState(**{**found, "addresses": tuple(found["addresses"]), "reload": last})
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
