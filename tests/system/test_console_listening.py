"""Where the console listens: a unix socket that it takes away again, and an address that somebody else has."""

import http.client
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def start(folder: Path, listen: str, journal: str) -> "subprocess.Popen[str]":
    file = folder / "console.toml"
    file.write_text(f'[console]\nlisten = "{listen}"\nfilter_settings = ""\n[journal]\ndatabase = "{journal}"\n')
    command = [sys.executable, "-m", "dmarc_milter", "console", "--config", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_unix_socket_is_for_its_group_and_is_taken_away(tmp_path: Path, month_of_mail: str) -> None:
    path = tmp_path / "http"
    with socket.socket(socket.AF_UNIX) as left:
        # By one that was killed.
        left.bind(str(path))
    with start(tmp_path, f"unix:{path}", month_of_mail) as console:
        assert console.stdout is not None
        assert console.stdout.readline().endswith(f": unix:{path}\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        asked = UnixConnection(path)
        asked.request("GET", "/messages", headers={"Host": "localhost"})
        answer = asked.getresponse()
        assert answer.status == 200
        assert "bank.example" in answer.read().decode()
        asked.close()
        console.send_signal(signal.SIGTERM)
        assert console.wait(5) == 0
    assert not path.exists()


def test_an_address_that_somebody_has(tmp_path: Path, month_of_mail: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with start(tmp_path, address, month_of_mail) as console:
            said, complained = console.communicate(timeout=30)
            assert console.returncode == 2
    assert said == ""
    assert f"console.listen: {address}: Address already in use" in complained
    assert "Traceback" not in complained
