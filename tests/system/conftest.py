"""What several files of system tests share."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dmarc_milter.demo.month import write
from tests.system.browser import chromium
from tests.system.running_console import RunningConsole

MakeConsole = Callable[..., RunningConsole]
"""Of a journal's address, and more lines of [console]."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Ended with the file of tests: others may want an event loop of their own."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def make_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeConsole]:
    """For a file of tests, each console in a folder of its own."""
    with ExitStack() as started:

        def make(journal: str, *more: str) -> RunningConsole:
            made = RunningConsole(tmp_path_factory.mktemp("console"), journal, *more)
            started.callback(made.stop)
            return made

        yield make


@pytest.fixture(scope="module")
def month_of_mail(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a journal that holds the demo's month."""
    journal = f"sqlite:///{tmp_path_factory.mktemp('month')}/journal.sqlite"
    write(journal, 3_000, time.time())
    return journal
