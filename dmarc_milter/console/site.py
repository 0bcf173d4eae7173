"""What all pages share: the settings, the journal, the templates, and answers that may be some seconds old."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse

from dmarc_milter.console.asking import Journal
from dmarc_milter.console.settings import ConsoleSettings
from dmarc_milter.console.templates import environment, now_text
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError

_T = TypeVar("_T")
_MAX_KEPT = 32
FILES = 3
"""Each takes up to 40 MB while it is made."""


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """The filter's own settings, or why they are not known."""

    settings: Settings
    problem: str = ""


class Room:
    """For so many at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether there is room for none."""
        return self._taken >= self._size

    def enter(self, *, is_let_in: bool = False) -> bool:
        """Whether there was room, which is taken; also for one too many, if it `is_let_in`."""
        with self._lock:
            if self.is_full and not is_let_in:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Whoever was let in."""
        with self._lock:
            self._taken -= 1


class _Making:
    """An answer that is being made, and by how many it is awaited."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0


class Site:
    """One console."""

    def __init__(self, settings: ConsoleSettings, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self.settings = settings
        self.journal = Journal(settings.journal)
        self.is_stopping = is_stopping
        self.streams = Room(settings.console.streams)
        self.files = Room(FILES)
        """Lists that are made and sent as files."""
        self._templates = environment()
        self._kept: dict[object, tuple[float, object]] = {}
        self._making: dict[object, _Making] = {}
        """For each kind of answer that somebody waits for: an address may name any host."""
        self._lock = threading.Lock()

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page."""
        shown = {"q": request.query_params.get("q", "")[:500], "path": request.url.path, "made": now_text(time.time())}
        text = self._templates.get_template(template).render(**{**shown, **values})
        return HTMLResponse(text, status)

    def filter_settings(self) -> FilterSettings:
        """As they are now: rules are named there."""
        path = self.settings.console.filter_settings
        if not path:
            return FilterSettings(Settings(), "the filter's settings are on another host ([console] filter_settings)")
        try:
            return FilterSettings(config.load_default(Path(path)))
        except ConfigError as error:
            return FilterSettings(Settings(), str(error))

    def kept(self, key: object, seconds: float, make: Callable[[], _T]) -> tuple[float, _T]:
        """What `make` returned at most so long ago, and when (seconds since 1970). `key` is one of a few."""
        with self._lock:
            making = self._making.setdefault(key, _Making())
            making.users += 1
        try:
            # Whoever asks meanwhile waits for the same answer: it may be dear.
            with making.lock:
                return self._kept_or_made(key, seconds, make)
        finally:
            with self._lock:
                making.users -= 1
                if not making.users:
                    del self._making[key]

    def _kept_or_made(self, key: object, seconds: float, make: Callable[[], _T]) -> tuple[float, _T]:
        now = time.time()
        found = self._kept.get(key)
        if found is not None and now - seconds <= found[0] <= now:
            return found[0], found[1]  # type: ignore[return-value]
        made = make()
        with self._lock:
            while len(self._kept) >= _MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = (now, made)
        return now, made
