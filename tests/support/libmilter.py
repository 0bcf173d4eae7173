"""libmilter's part played in this process: its callbacks called by ourselves, on a context of our own."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import milter

from dmarc_milter.milter import callbacks
from dmarc_milter.milter.worker_state import WorkerState

Callbacks = dict[str, Callable[..., int]]
ALL_STEPS = 0x1FFFFF
ALL_ACTIONS = 0x1FF


class Context:
    """What pymilter hands to callbacks; it remembers what the MTA is told."""

    def __init__(self, **macros: str) -> None:
        self._private: object = None
        self.macros = {"j": "mx.example.org", "i": "4XTEST", **macros}
        self.added: list[tuple[str, str]] = []
        self.changed: list[tuple[str, int, str | None]] = []
        self.reply: tuple[str, ...] | None = None
        self.held: str | None = None

    def getpriv(self) -> object:
        return self._private

    def setpriv(self, value: object) -> None:
        self._private = value

    def getsymval(self, name: str) -> str | None:
        return self.macros.get(name)

    def addheader(self, name: str, value: str, _index: int = 0) -> None:
        self.added.append((name, value))

    def chgheader(self, name: str, index: int, value: str | None) -> None:
        self.changed.append((name, index, value))

    def setreply(self, *reply: str) -> None:
        self.reply = reply

    def quarantine(self, reason: str) -> None:
        self.held = reason


def registered(worker: WorkerState) -> Callbacks:
    """The callbacks of a worker by their names in pymilter, like ``envfrom``; libmilter is not told of them."""
    found: Callbacks = {}
    setters = [name for name in dir(milter) if name.startswith("set_") and name.endswith("_callback")]
    keepers: dict[str, Any] = {name: _keeper(found, name[4:-9]) for name in setters}

    def register(_name: str, **callbacks_of_stages: Callable[..., int]) -> None:
        found.update(callbacks_of_stages)

    with mock.patch.multiple(milter, register=register, **keepers):
        callbacks.register(worker)
    return found


def _keeper(found: Callbacks, name: str) -> Callable[[Callable[..., int]], None]:
    return lambda callback: found.update({name: callback})
