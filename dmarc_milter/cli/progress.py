"""How far a long command is: a bar on standard error, where that is a terminal."""

import sys
from typing import Any


class Progress:
    """Without `total`, only a count is shown."""

    def __init__(self, total: int | None, what: str = "messages") -> None:
        self._is_shown = sys.stderr.isatty()
        self._total = total
        self._what = what
        self._bar: Any = None

    def show(self, done: int) -> None:
        """So many are done."""
        if not self._is_shown:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit=f" {self._what}", initial=done, leave=False, file=sys.stderr)
        self._bar.update(done - self._bar.n)

    def hide(self) -> None:
        """Before anything else is printed, and at the end."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
