"""`dmarc-milter reload` on a running service: what it says, and its exit status."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.service import state
from dmarc_milter.service.state import Reload, ServiceState, StateFile
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter, settings


@pytest.fixture
def running(tmp_path: Path, name_server: NameServerThread) -> Iterator[RunningFilter]:
    environment = {**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)}
    started = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server), environment)
    yield started
    started.stop()


def reload(folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "dmarc_milter", "reload", "--state", str(folder / "state.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_reload(running: RunningFilter, tmp_path: Path) -> None:
    text = running.config.read_text()
    assert reload(tmp_path) == (0, "no setting has changed\n", "")
    workers = running.workers
    running.config.write_text(text.replace('mode = "enforce"', 'mode = "monitor"'))
    assert reload(tmp_path) == (0, "policy.mode: enforce -> monitor\n", "")
    assert "settings reloaded, mode monitor; policy.mode: enforce -> monitor" in running.log
    assert not set(workers) & set(state_of(tmp_path, running))
    running.config.write_text("[milter]\nlissten = 1\n")
    status, out, err = reload(tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith("dmarc-milter: settings not reloaded: ")
    assert "lissten" in err
    running.config.write_text(text.replace("unix:", "unix:/elsewhere"))
    status, _, err = reload(tmp_path)
    assert (status, "milter.listen cannot change while serving" in err) == (1, True)
    assert running.stop() == 0
    status, _, err = reload(tmp_path)
    assert (status, "no running service" in err) == (2, True)


def state_of(folder: Path, running: RunningFilter) -> list[int]:
    """The workers that take connections now; all the others are on their way out."""
    said = state.read(folder / "state.json")
    assert said is not None
    assert said.pid == running.process.pid
    assert said.workers["ready"] == 2
    return sorted(running.workers)[-2:]


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    StateFile({"RUNTIME_DIRECTORY": str(tmp_path)}).write(
        ServiceState("1", gone.pid, 0.0, None, "monitor", (), "", {}, Reload())
    )
    status, _, err = reload(tmp_path)
    assert (status, "is gone" in err) == (2, True), err
