"""How far a long command is: a bar on standard error, where that is a terminal."""

import sys

from dmarc_milter.common.terminal import is_terminal

_WIDTH = 30


class Progress:
    """Without `total`, only a count is shown."""

    def __init__(self, total: int | None, what: str = "messages") -> None:
        self._is_shown = is_terminal(sys.stderr)
        self._total = total
        self._what = what

    def show(self, done: int) -> None:
        """So many are done."""
        if not self._is_shown:
            return
        if self._total:
            filled = min(_WIDTH, _WIDTH * done // self._total)
            bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{self._total}"
        else:
            bar = f"{done} {self._what}"
        print(f"\r{bar}", end="", file=sys.stderr, flush=True)

    def hide(self) -> None:
        """Before anything else is printed, and at the end."""
        if self._is_shown:
            print("\r\033[K", end="", file=sys.stderr)
