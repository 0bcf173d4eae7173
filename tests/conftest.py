"""What several test files share."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from prometheus_client import values

from dmarc_milter.demo.examples import zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.telemetry.log import logger
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.trying import examples

# CI judges a change: the same examples each time, however slow the machine. By hand, new ones are tried at every run.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")), max_examples=examples(100))
settings.load_profile("ours")

EXTRA = """
$ORIGIN broken.example.
_dmarc IN TXT "v=DMARC1; p=reject"
@ IN TXT "v=spf1 include:lost.example -all"
$ORIGIN test-mode.example.
_dmarc IN TXT "v=DMARC1; p=reject; t=y"
$ORIGIN nil.example.
helo IN TXT "v=spf1 ip4:192.0.2.30 -all"
_dmarc IN TXT "v=DMARC1; p=reject"
"""
FAILING = frozenset({"lost.example", "_dmarc.lost.example"})


LONGEST = (
    *("test_package.py", "test_moving.py", "test_mta.py"),
    # xdist gives the process whose first file has one test alone, as test_package.py has, the fourth file as well.
    "test_manual_pages.py",
    *("test_console_pages.py", "test_journal.py", "test_console_postgresql.py"),
    *(
        "test_situations.py",
        "test_hostile.py",
        "test_growth.py",
        "test_guard.py",
        "test_report_killed.py",
        "test_hangs.py",
    ),
    *(
        "test_nothing_milder.py",
        "test_dns_trouble.py",
        "test_console_attacked.py",
        "test_memo.py",
        "test_console_links.py",
    ),
)
"""Files that take a minute and more, but for one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These first: where several processes share the files, none of these is what the others wait for at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands that run in this process set logging up for a service: what others then log would not be seen."""
    handlers, propagate, level = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def counts_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor in this process has all later counts kept in files, whose folder goes with it."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)


@pytest.fixture(scope="session")
def name_server() -> Iterator[NameServerThread]:
    """A DNS on loopback: the demo's zone and what the tests need beside it."""
    with NameServerThread(ZoneResolver.from_text(zone_text() + EXTRA, FAILING)) as server:
        yield server


@pytest.fixture(scope="session")
def has_postfix() -> None:
    """Skips where Postfix cannot be started, except where CI says that it must be there."""
    usable = os.geteuid() == 0 and shutil.which("postfix", path="/usr/sbin") is not None
    if not usable and not os.environ.get("DMARC_MILTER_REQUIRE_SYSTEM"):
        pytest.skip("needs root and Debian's postfix")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter, as pytest's own are not: Postfix's daemons are not root."""
    with tempfile.TemporaryDirectory(prefix="dmarc-milter-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
