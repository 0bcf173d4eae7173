"""dmarc-milter reload: have the running service read its settings, and say what came of it."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dmarc_milter.cli.command import Command

if TYPE_CHECKING:
    from dmarc_milter.service.state import ServiceState

DONE, REFUSED, ERROR = 0, 1, 2
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="what the service writes (default: /run/dmarc-milter/state.json)"
    )


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.service import state

    path = options.state or state.default_path()
    try:
        before = state.read(path)
        if before is None:
            return _fail(f"no running service: {path} is not there. Start it: systemctl start dmarc-milter")
        os.kill(before.pid, signal.SIGHUP)
        after = _wait(path, before)
    except ProcessLookupError:
        return _fail(f"no running service: the process that wrote {path} is gone")
    except PermissionError as error:
        return _fail(f"{error.filename or 'the service'}: not permitted; run this as root")
    if after is None:
        return _fail(f"the service did not say within {PATIENCE_SECONDS:.0f} s what came of it; see its log")
    return _tell(after)


def _wait(path: Path, before: "ServiceState") -> "ServiceState | None":
    """The state once the reload is over; None where it takes too long. Raises ProcessLookupError, PermissionError."""
    from dmarc_milter.service import state

    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        now = state.read(path)
        if now is None or now.pid != before.pid:
            raise ProcessLookupError
        if now.reload.number > before.reload.number and now.reload.outcome is not state.ReloadOutcome.TAKEN:
            return now
        time.sleep(LOOK_SECONDS)
    return None


def _tell(after: "ServiceState") -> int:
    from dmarc_milter.service.state import ReloadOutcome

    if after.reload.outcome is ReloadOutcome.REFUSED:
        print(f"dmarc-milter: settings not reloaded: {after.reload.error}", file=sys.stderr)
        return REFUSED
    for change in after.reload.changes or ("no setting has changed",):
        print(change)
    return DONE


def _fail(text: str) -> int:
    print(f"dmarc-milter: {text}", file=sys.stderr)
    return ERROR


COMMAND = Command(
    "reload",
    "have the running service read its settings again",
    "Have the running service (systemd's) read its settings again, wait for what comes of it, and say which settings "
    "changed. Settings that cannot be used change nothing. 'systemctl reload' calls it.",
    _add_options,
    _run,
    "Exit status: 0 the settings are in force, 1 they were refused, 2 error (no service, not permitted).",
)
