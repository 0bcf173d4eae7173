"""The bar of a long command: on a terminal alone, and gone before anything else is printed."""

import io
import sys

import pytest

from dmarc_milter.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    return found


def shown(progress: Progress, *counts: int) -> None:
    for count in counts:
        progress.show(count)
    progress.hide()


def test_on_a_terminal_it_says_how_much_is_done_and_leaves_an_empty_line(terminal: Terminal) -> None:
    shown(Progress(40), 10)
    said = terminal.getvalue()
    assert "10/40" in said
    assert said.endswith("\r")
    assert not said.rsplit("\r", 2)[1].strip()


def test_without_a_total_it_counts(terminal: Terminal) -> None:
    shown(Progress(None, "mails"), 7)
    assert "7 mails" in terminal.getvalue()


def test_what_was_hidden_goes_on_where_it_was(terminal: Terminal) -> None:
    progress = Progress(40)
    shown(progress, 10)
    shown(progress, 20)
    assert "20/40" in terminal.getvalue()


def test_in_a_pipe_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = io.StringIO()
    monkeypatch.setattr(sys, "stderr", found)
    shown(Progress(40), 10, 40)
    assert found.getvalue() == ""
