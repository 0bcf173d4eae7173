"""The files of a host, below its root folder; nothing outside of that is ever opened."""

import codecs
import errno
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

MAX_OCTETS = 4_000_000
"""Of one file: settings and lists are smaller."""
MAX_FILES = 5_000
_MAX_LINKS = 40


class TreeError(Exception):
    """A file is there and cannot be read: its path below the root, and why."""


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, as sed counts them: what else Python takes for the end of a line is none."""
    return enumerate(text.split("\n"), 1)


class Tree:
    """Files by their paths on the host, like ``/etc/opendkim.conf``."""

    def __init__(self, root: Path) -> None:
        """`root` is ``/``, or a copy of a host's files."""
        self.root = root

    def text(self, path: str) -> str | None:
        """The contents, with lines as on Unix; None where there is no such file. Raises TreeError where it is not to be
        read."""
        try:
            found = self._resolved(path)
            if not found.is_file():
                return None
            with found.open("rb") as file:
                octets = file.read(MAX_OCTETS + 1)
        except (OSError, ValueError) as error:
            # ValueError: a NUL in the path.
            raise TreeError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        if len(octets) > MAX_OCTETS:
            raise TreeError(f"{path}: larger than {MAX_OCTETS // 1_000_000} MB")
        if b"\0" in octets:
            raise TreeError(f"{path}: no text")
        return octets.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace").replace("\r\n", "\n")

    def must_be_there(self, path: str) -> None:
        """Raises TreeError where a link of that name leads to nothing below the root: what it stood for is unknown."""
        if not self.exists(path) and (self.root / path.lstrip("/")).is_symlink():
            raise TreeError(f"{path}: a link that leads to nothing below {self.root}")

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder that can be reached."""
        try:
            return self._resolved(path).exists()
        except (OSError, ValueError):
            return False

    def under(self, folder: str) -> Iterator[str]:
        """The paths of all files below `folder`, sorted; links to folders are not followed."""
        waiting, count = deque([folder.rstrip("/")]), 0
        while waiting and count < MAX_FILES:
            now = waiting.popleft()
            try:
                each = sorted(self._resolved(now).iterdir())
            except OSError:
                continue
            for entry in each:
                path = f"{now}/{entry.name}"
                if entry.is_dir() and not entry.is_symlink():
                    waiting.append(path)
                elif self.exists(path):
                    count += 1
                    yield path

    def _resolved(self, path: str) -> Path:
        """The file on this machine; links of the host lead to places below its root."""
        left, now, links = deque(path.split("/")), self.root, 0
        while left:
            part = left.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                now = now if now == self.root else now.parent
                continue
            step = now / part
            if not step.is_symlink():
                now = step
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = str(step.readlink())
            left.extendleft(reversed(target.split("/")))
            now = self.root if target.startswith("/") else now
        return now
