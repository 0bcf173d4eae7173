"""Messages out of files, mailboxes, Maildirs and standard input, one at a time."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_OCTETS = 256 << 20
"""Of one message."""


_FIELD = re.compile(rb"(?m)^[!-9;-~]+[ \t]*:")


class InputError(Exception):
    """Nothing that could be read as a message; the text is one line."""


@dataclass(frozen=True, slots=True)
class MessageSource:
    """A message and where it is from."""

    name: str
    octets: bytes


Skip = Callable[[InputError], None]
"""Told of what is no message."""


def read(path: str, *, with_folders: bool = False, skip: Skip | None = None) -> Iterator[MessageSource]:
    """The messages of a file, an mbox, a Maildir, or standard input (``-``). Raises InputError.

    `with_folders` adds the folders of a Maildir++, which lie in it as ``.NAME``. What is no message is told to `skip`,
    where that is given, and is no error then.
    """
    for source in _sources(path, with_folders=with_folders):
        try:
            yield _checked(source)
        except InputError as error:
            if skip is None:
                raise
            skip(error)


def _sources(path: str, *, with_folders: bool) -> Iterator[MessageSource]:
    if path == "-":
        yield from _from_stream(sys.stdin.buffer, "standard input")
        return
    if os.path.isdir(path):
        yield from _from_maildir(Path(path), with_folders=with_folders)
        return
    try:
        with open(path, "rb") as stream:
            yield from _from_stream(stream, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def count(path: str, *, with_folders: bool = False) -> int | None:
    """How many messages there are, where that is known without reading them."""
    if path == "-" or not os.path.isdir(path):
        return None
    return sum(len(os.listdir(folder)) for folder in _folders(Path(path), with_folders=with_folders))


def _folders(path: Path, *, with_folders: bool) -> list[Path]:
    mailboxes = [path, *(sorted(path.glob(".*/")) if with_folders else [])]
    return [folder for each in mailboxes for folder in (each / "new", each / "cur") if folder.is_dir()]


def _from_maildir(path: Path, *, with_folders: bool) -> Iterator[MessageSource]:
    folders = _folders(path, with_folders=with_folders)
    if not folders:
        raise InputError(f"{path}: a folder, but no Maildir (it has neither new nor cur)")
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            yield from _from_file(folder / name)


def _from_file(path: Path) -> Iterator[MessageSource]:
    try:
        if path.is_file():
            yield MessageSource(str(path), path.read_bytes())
    except FileNotFoundError:
        # Whoever reads the mailbox has given it another name.
        return
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _from_stream(stream: BinaryIO, name: str) -> Iterator[MessageSource]:
    first = stream.readline(MAX_OCTETS)
    if not first.startswith(b"From "):
        yield MessageSource(name, first + stream.read(MAX_OCTETS))
        return
    yield from _from_mbox(stream, name)


def _from_mbox(stream: BinaryIO, name: str) -> Iterator[MessageSource]:
    """An mbox: messages begin with a line ``From `` behind an empty line; ``>From `` lines lose their mark (mboxrd)."""
    lines: list[bytes] = []
    number, size, is_behind_empty = 1, 0, False
    for line in stream:
        if is_behind_empty and line.startswith(b"From "):
            yield MessageSource(f"{name}[{number}]", b"".join(lines[:-1]))
            lines, size, number = [], 0, number + 1
            is_behind_empty = False
            continue
        is_behind_empty = line in (b"\n", b"\r\n")
        size += len(line)
        if size > MAX_OCTETS:
            raise InputError(f"{name}[{number}]: longer than {MAX_OCTETS} octets")
        lines.append(line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line)
    yield MessageSource(f"{name}[{number}]", b"".join(lines))


def _checked(source: MessageSource) -> MessageSource:
    if not source.octets.strip():
        raise InputError(f"{source.name}: empty")
    # NUL and other octets are no sign of anything: there is mail with them.
    if not _FIELD.search(source.octets, 0, 2000):
        raise InputError(f"{source.name}: no header field at its start, not a message")
    return source
