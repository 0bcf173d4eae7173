"""What is committed can be laid on any machine: no link, and nothing that a run makes for itself."""

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

import dmarc_milter

PROJECT = Path(dmarc_milter.__file__).parent.parent

pytestmark = pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="this is not a git checkout")


def listed(*options: str) -> list[str]:
    return subprocess.run(
        ["git", "ls-files", *options], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_every_entry_is_a_file() -> None:
    """A link that leads out of the project leads nowhere on another machine, or, worse, to itself."""
    assert [line for line in listed("--stage") if not line.startswith("100")] == []


def test_nothing_is_committed_that_is_ignored() -> None:
    assert listed("--cached", "--ignored", "--exclude-standard") == []


@pytest.mark.parametrize("made_by_setup", [".axe", ".sendmail", ".venv", ".venv-consumers", ".venv-debian12"])
def test_what_the_setup_makes_is_ignored_as_a_link_too(made_by_setup: str) -> None:
    """A pattern with a slash at its end matches folders alone."""
    patterns = (PROJECT / ".gitignore").read_text().split()
    assert any(fnmatch(f"/{made_by_setup}", each) for each in patterns)
