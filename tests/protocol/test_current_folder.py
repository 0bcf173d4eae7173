"""What is started does not import from the folder in which it is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter, settings

NAMES = ("json", "dns", "sqlalchemy", "prometheus_client", "milter", "sitecustomize", "tempfile", "dmarc_milter")
EVIL = """
import os
open({mark!r}, "a").write(__name__ + "\\n")
"""
COMMAND = Path(sys.executable).with_name("dmarc-milter")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is made by whoever imports a module of the current folder."""
    evil = tmp_path / "evil"
    evil.mkdir()
    mark = tmp_path / "imported"
    for name in NAMES:
        (evil / f"{name}.py").write_text(EVIL.format(mark=str(mark)))
    monkeypatch.chdir(evil)
    return mark


def test_these_would_be_imported(mark: Path) -> None:
    subprocess.run([sys.executable, "-c", "import json"], check=True)
    assert mark.read_text() == "json\n"


def test_the_service_and_what_it_starts(mark: Path, tmp_path: Path, name_server: NameServerThread) -> None:
    """The tables of the journal are made by a process of its own."""
    started = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server), command=[str(COMMAND)])
    assert "dmarc_milter_workers" in started.metrics()
    assert started.stop() == 0
    assert (tmp_path / "journal.sqlite").exists()
    assert not mark.exists(), mark.read_text()


@pytest.mark.parametrize("arguments", [["demo"], ["--version"], ["serve", "--check-config"]], ids=" ".join)
def test_commands(mark: Path, arguments: list[str]) -> None:
    subprocess.run([COMMAND, *arguments], check=True, capture_output=True)
    assert not mark.exists(), mark.read_text()


def test_no_process_is_started_that_would() -> None:
    """Of all that our own code starts with Python."""
    import dmarc_milter

    folder = Path(dmarc_milter.__file__).parent
    starting = [
        line
        for path in folder.rglob("*.py")
        for line in path.read_text().splitlines()
        if "sys.executable" in line and not line.lstrip().startswith("#")
    ]
    assert starting
    assert [line for line in starting if '[sys.executable, "-P", ' not in line] == []
