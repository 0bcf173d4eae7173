"""The bar of a long command: on a terminal alone, and gone before anything else is printed."""

import io
from contextlib import redirect_stderr

import pytest

from dmarc_milter.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(stream: io.StringIO, total: int | None, *counts: int, what: str = "messages") -> str:
    """What is written where each count is shown, and hidden for something else to be printed."""
    with redirect_stderr(stream):
        progress = Progress(total, what)
        for count in counts:
            progress.show(count)
            progress.hide()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("total", "counts", "what", "shown"),
    [(40, (10,), "messages", "10/40"), (40, (10, 20), "messages", "20/40"), (None, (7,), "mails", "7 mails")],
    ids=["how much of all", "it goes on where it was", "a count alone"],
)
def test_on_a_terminal(total: int | None, counts: tuple[int, ...], what: str, shown: str) -> None:
    found = said(Terminal(), total, *counts, what=what)
    assert shown in found
    # The line is empty again.
    assert found.endswith("\r")
    assert not found.split("\r")[-2].strip()


def test_in_a_pipe_it_says_nothing() -> None:
    assert said(io.StringIO(), 40, 10, 40) == ""
