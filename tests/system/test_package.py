"""The Debian package, on a bare Debian that systemd boots: packaging/test-package does it all and tells what it did."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.servers import need

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
STEPS = [
    "lintian --pedantic",
    "no complaints",
    "Overall exposure level for dmarc-milter.service: 1.",
    "Overall exposure level for dmarc-milter-prune.service: 1.",
    "Overall exposure level for dmarc-milter-summary.service: 1.",
    "Overall exposure level for dmarc-milter-report.service: 1.",
    "Overall exposure level for dmarc-milter-console.service: 1.",
    "manual pages",
    "the service runs",
    "the demo runs as the service user",
    "mail is judged",
    "settings are reloaded",
    "it comes back when killed",
    "a summary is mailed to whoever wants it",
    "reports are sent once they are switched on",
    "the console tells what became of the mail",
    "detach undoes attach",
    "an upgrade keeps the settings",
    "purge leaves nothing",
    "all is well",
]


def test_built_installed_attached_upgraded_purged() -> None:
    need(shutil.which("debootstrap", path="/usr/sbin:/usr/bin"), "debootstrap")
    need(shutil.which("systemd-nspawn"), "systemd-container")
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a root filesystem and boot it")
    done = subprocess.run(
        [str(ROOT / "packaging/test-package")], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    position = 0
    for step in STEPS:
        position = done.stdout.find(step, position)
        assert position >= 0, f"{step!r} is missing in\n{done.stdout}"
