"""Making and sending, killed at every statement: nothing is lost, and nothing is sent as new twice."""

import itertools
from pathlib import Path

import pytest

from tests.support.report_runs import killed_while_making, killed_while_sending
from tests.support.reports import prepared

pytestmark = pytest.mark.slow


class Fresh:
    """An empty journal each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def __call__(self) -> str:
        return prepared(f"sqlite:///{self._folder}/j{next(self._numbers)}.sqlite")


def test_killed_while_making(tmp_path: Path) -> None:
    assert killed_while_making(Fresh(tmp_path)) > 10


def test_killed_while_sending(tmp_path: Path) -> None:
    assert killed_while_sending(Fresh(tmp_path)) > 10
