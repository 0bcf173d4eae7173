"""`dmarc-milter status` of a running service: well, reloaded in vain, stopped, killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter, settings
from tests.support.waiting import free_port, wait_for

pytestmark = pytest.mark.system


def test_the_life_of_a_service(tmp_path: Path, name_server: NameServerThread) -> None:
    port = free_port()
    text = f'{settings(name_server)}\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/s", text, {**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)})
    state = tmp_path / "state.json"

    def status() -> dict[str, Any]:
        command = [sys.executable, "-m", "dmarc_milter", "status", "--json", "--config", str(running.config)]
        done = subprocess.run([*command, "--state", str(state)], capture_output=True, text=True, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == found["needs_attention"], done.stderr
        return found

    def standing(subject: str) -> set[str]:
        # This machine's Postfix is not of this test.
        return {each["standing"] for each in status()["findings"] if each["subject"] == subject}

    wait_for(lambda: standing("workers") == {"ok"}, "the worker")
    found = status()
    assert (found["mode"], found["pid"]) == ("enforce", running.process.pid)
    assert standing("service") == standing("DNS") == {"ok"}
    assert standing("settings") == set()
    assert found["reload"] is None

    good = running.config.read_text()
    running.config.write_text(good.replace('mode = "enforce"', 'mode = "monitor"'))
    assert standing("settings") == {"attention"}, "changed, and not reloaded yet"
    running.config.write_text(good + "\n[nonsense]\n")
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded" in running.log, "the refusal")
    running.config.write_text(good)
    assert standing("reload") == {"attention"}
    assert "nonsense" in status()["reload"]["error"]
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: standing("reload") == {"ok"}, "a good reload")

    running.process.kill()
    running.process.wait()
    assert standing("service") == {"attention"}, "the file is still there"
    state.unlink()
    assert standing("service") == {"attention"}
