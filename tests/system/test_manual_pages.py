"""The manual pages that the package has: made from the documents, and shown on a terminal of 80 columns."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.servers import need_programs

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.system

PAGES = ("dmarc-milter.8", "dmarc-milter.toml.5", "dmarc-milter-console.8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_programs("lowdown", "man")
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([ROOT / "packaging/man/build", "1.0", "2026-01-31", folder], check=True)
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_shown_without_a_complaint(pages: Path, name: str) -> None:
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    command = ["man", "--warnings", "--local-file", str(pages / name)]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "dmarc-milter" in shown.stdout
