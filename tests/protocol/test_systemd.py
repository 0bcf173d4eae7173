"""What systemd is told: READY, RELOADING, STOPPING, STATUS, WATCHDOG."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter, settings


@pytest.fixture(params=["path", "abstract"])
def notified(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(30)
        name = f"{tmp_path}/notify" if request.param == "path" else f"@dmarc-milter-test-{os.getpid()}"
        listening.bind(name if request.param == "path" else "\0" + name[1:])
        yield listening, name


def wait_until_told(listening: socket.socket, line: str) -> list[str]:
    """All lines up to the one that begins with `line`."""
    told: list[str] = []
    while not any(each.startswith(line) for each in told):
        told += listening.recv(4096).decode().split("\n")
    return told


def test_what_systemd_is_told(
    tmp_path: Path, name_server: NameServerThread, notified: tuple[socket.socket, str]
) -> None:
    listening, name = notified
    environment = {**os.environ, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "400000"}
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server), environment)
    told = wait_until_told(listening, "STATUS=serving on")
    assert "READY=1" in told
    wait_until_told(listening, "WATCHDOG=1")
    wait_until_told(listening, "WATCHDOG=1")
    text = running.config.read_text()
    running.process.send_signal(signal.SIGHUP)
    assert any(each.startswith("MONOTONIC_USEC=") for each in wait_until_told(listening, "MONOTONIC_USEC="))
    wait_until_told(listening, "READY=1")
    running.config.write_text(text.replace("enforce", "nonsense"))
    running.process.send_signal(signal.SIGHUP)
    wait_until_told(listening, "RELOADING=1")
    refused = wait_until_told(listening, "STATUS=serving; settings not reloaded")
    assert "READY=1" in refused, "or systemd would wait for the end of the reload for ever"
    running.process.send_signal(signal.SIGTERM)
    wait_until_told(listening, "STOPPING=1")
    assert running.stop() == 0
