"""UCL, as far as rspamd's settings of these modules need it: keys, values, lists, blocks, comments, what is included.

Other macros are passed over; numbers' units stay text.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Union

MAX_DEPTH = 32

Value = Union[str, tuple["Value", ...], "Block"]


class UclError(Exception):
    """The text cannot be read: what, and in which line."""


@dataclass(frozen=True, slots=True)
class Include:
    """A file that is to be read in this place."""

    path: str
    line: int
    is_nested: bool
    """Whether it stands within a block."""


@dataclass(frozen=True, slots=True)
class Block:
    """The keys of a block, each with its value and its line; the last of several counts."""

    values: Mapping[str, tuple[Value, int]]
    includes: tuple[Include, ...] = ()
    """Of the outermost block: all of the text."""

    def text(self, key: str) -> str | None:
        """A scalar."""
        value = self.values.get(key, (None, 0))[0]
        return value if isinstance(value, str) else None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of scalars; one scalar is a list of one."""
        value = self.values.get(key, (None, 0))[0]
        if isinstance(value, str):
            return (value,)
        return tuple(each for each in value if isinstance(each, str)) if isinstance(value, tuple) else None

    def block(self, key: str) -> "Block":
        """A block within this one; an empty one, where there is none."""
        value = self.values.get(key, (None, 0))[0]
        return value if isinstance(value, Block) else Block({})

    def line(self, key: str) -> int | None:
        """Where a key stands."""
        return self.values[key][1] if key in self.values else None

    def with_overrides(self, other: "Block") -> "Block":
        """This block, with the keys of another in place of its own."""
        return Block({**self.values, **other.values})


_TOKEN = re.compile(
    r"""(?P<blank>[\s,]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<document><<(?P<tag>[A-Z]+)\n(?:.*?\n)?(?P=tag)(?=\n|\Z))
    |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<mark>[{}\[\]=;:])
    |(?P<word>[^\s,{}\[\]=;:"'\#]+(?::[^\s,{}\[\]=;"'\#]+)*)""",
    re.VERBOSE | re.DOTALL,
)


def parse(text: str) -> Block:
    """The outermost block. Raises UclError."""
    return _Parser(text).all()


def lines_of(text: str, key: str) -> tuple[int, int] | None:
    """The first and the last line of an outermost key, where they hold nothing else: commented out, they leave the rest
    as it was. None where there is no such key, or other text beside it. Raises UclError."""
    before = parse(text)
    first = before.line(key)
    if first is None:
        return None
    wanted = {name: found for name, found in before.values.items() if name != key}
    lines = text.split("\n")
    for last in range(first, min(first + _MAX_LINES, len(lines) + 1)):
        commented = [f"#{line}" if first <= number <= last else line for number, line in enumerate(lines, 1)]
        with contextlib.suppress(UclError):
            after = parse("\n".join(commented))
            if (after.values, after.includes) == (wanted, before.includes):
                return first, last
    return None


_MAX_LINES = 100


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        position, line = 0, 1
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise UclError(f"line {line} cannot be read")
            if match["document"]:
                # A text between two tags stands for itself.
                self._tokens.append(("text", match[0].partition("\n")[2].rpartition("\n")[0], line))
            elif match.lastgroup != "blank":
                self._tokens.append((str(match.lastgroup), match[0], line))
            elif "\n" in match[0]:
                self._tokens.append(("end", "\n", line))
            line += match[0].count("\n")
            position = match.end()
        self._last_line = line
        self._includes: list[Include] = []
        self._next = 0

    def all(self) -> Block:
        block = replace(self._block(0), includes=tuple(self._includes))
        if self._next < len(self._tokens):
            raise UclError(f"line {self._tokens[self._next][2]}: a bracket that nothing opens")
        return block

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "", self._last_line)

    def _take(self) -> tuple[str, str, int]:
        token = self._peek()
        self._next += 1
        return token

    def _skip(self, *marks: str) -> None:
        while self._next < len(self._tokens) and (self._peek()[0] == "end" or self._peek()[1] in marks):
            self._next += 1

    def _block(self, depth: int) -> Block:
        if depth > MAX_DEPTH:
            raise UclError(f"more than {MAX_DEPTH} blocks within each other")
        values: dict[str, tuple[Value, int]] = {}
        while True:
            self._skip(";")
            kind, text, line = self._peek()
            if self._next >= len(self._tokens) or text == "}":
                return Block(values)
            if kind not in ("word", "quoted"):
                raise UclError(f"line {line}: {text!r} where a key belongs")
            self._take()
            if text.startswith("."):
                self._macro(text, line, depth)
                continue
            self._skip("=", ":")
            values[_plain(text)] = (self._value(depth), line)

    def _macro(self, name: str, line: int, depth: int) -> None:
        """Its arguments are passed over, but for the last: what is included."""
        last, is_open = "", "(" in name and ")" not in name
        while self._peek()[0] != "end" and (is_open or self._peek()[1] != ";"):
            last = self._take()[1]
            is_open = is_open and ")" not in last
        if name.startswith(".include"):
            self._includes.append(Include(_plain(last), line, depth > 0))

    def _value(self, depth: int) -> Value:
        kind, text, line = self._take()
        if text == "{" and kind == "mark":
            block = self._block(depth + 1)
            self._close("}", line)
            return block
        if text == "[" and kind == "mark":
            return self._list(depth + 1, line)
        if kind == "text":
            return text
        if kind == "quoted":
            return _plain(text)
        if kind != "word":
            raise UclError(f"line {line}: {text!r} where a value belongs")
        words = [text]
        while self._peek()[0] in ("word", "quoted"):
            words.append(self._take()[1])
        if self._peek()[1] in ("{", "["):
            return self._value(depth)
        return " ".join(words)

    def _list(self, depth: int, line: int) -> tuple[Value, ...]:
        if depth > MAX_DEPTH:
            raise UclError(f"more than {MAX_DEPTH} lists within each other")
        items: list[Value] = []
        while True:
            self._skip(";")
            kind, text, _ = self._peek()
            if self._next >= len(self._tokens) or (kind == "mark" and text == "]"):
                self._close("]", line)
                return tuple(items)
            if kind == "mark":
                items.append(self._value(depth))
            else:
                items.append(_plain(self._take()[1]))

    def _close(self, mark: str, line: int) -> None:
        self._skip(";")
        if self._take()[1] != mark:
            raise UclError(f"line {line}: {mark} is missing")


def _plain(text: str) -> str:
    if text[:1] in "\"'" and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
