"""Files of options, a line each: OpenDKIM's and OpenDMARC's, policyd-spf's and their relatives."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dmarc_milter.migrating.tree import Tree, TreeError, numbered
from dmarc_milter.migrating.values import Place, Problem

_WORDS = re.compile(r"""(?P<name>[^\s=]+)(?:\s*=\s*|\s+)(?P<value>.*)""")
_TRUE, _FALSE = "ty1", "fn0"


@dataclass(frozen=True, slots=True)
class Option:
    """One line."""

    name: str
    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Options:
    """A file's options, by names without regard to case; the last of several counts."""

    found: Mapping[str, Option]
    """By the name in lower case."""
    repeated: tuple[tuple[Option, Option], ...] = ()
    """Those that do not count, each with the one that takes its place."""
    file: Place = field(default_factory=lambda: Place(""))

    def is_repeated(self, name: str) -> bool:
        """Whether it is set more than once."""
        return any(last.name.lower() == name.lower() for _, last in self.repeated)

    def overridden(self) -> tuple[str, ...]:
        """A sentence for each that does not count."""
        return tuple(
            f"{before.place.file} line {before.place.line}: {before.name} is overridden by line {last.place.line}."
            for before, last in self.repeated
        )

    def get(self, name: str) -> Option | None:
        """The option of that name."""
        return self.found.get(name.lower())

    def value(self, name: str, default: str = "") -> str:
        """Its value, or `default`."""
        option = self.get(name)
        return default if option is None else option.value

    def place(self, name: str) -> Place:
        """Where it stands; the file, where it does not."""
        option = self.get(name)
        return self.file if option is None else option.place

    def is_true(self, name: str, *, default: bool = False) -> bool:
        """A boolean, as the programs read it: by its first letter."""
        option = self.get(name)
        return default if option is None or not option.value else option.value[0].lower() in _TRUE


def parse(text: str, file: str) -> Iterator[Option]:
    """The lines that set something: ``Name value`` or ``Name = value``; `#` begins a comment outside of quotes."""
    for number, line in numbered(text):
        match = _WORDS.fullmatch(_without_comment(line).strip() + " ")
        if match is not None:
            yield Option(match["name"], _unquoted(match["value"].strip()), Place(file, number))


def gathered(options: Iterator[Option], file: str) -> Options:
    """All of a file."""
    found: dict[str, Option] = {}
    repeated = []
    for option in options:
        before = found.get(option.name.lower())
        if before is not None:
            repeated.append((before, option))
        found[option.name.lower()] = option
    return Options(found, tuple(repeated), Place(file))


def unknown(options: Options, known: frozenset[str], program: str) -> Iterator[Problem]:
    """Of options that the program does not have: it would not start."""
    names = {each.lower() for each in known}
    for key, option in options.found.items():
        if key not in names:
            yield Problem(
                option.place, f"{option.name} is no option of {program}: {program} itself does not start with this file"
            )


def wrong_booleans(options: Options, names: frozenset[str]) -> Iterator[Problem]:
    """Of values that are neither true nor false."""
    for name in sorted(names):
        option = options.get(name)
        if option is not None and option.value[:1].lower() not in tuple(_TRUE + _FALSE):
            yield Problem(option.place, f'{option.name} is "{option.value}"; it has to be true or false')


def default_sockets(service: str, tree: Tree, problems: list[Problem]) -> tuple[str, ...]:
    """SOCKET of a service's file in /etc/default, which Debian hands over on the command line; $RUNDIR is left out."""
    path = f"/etc/default/{service}"
    try:
        text = tree.text(path) or ""
    except TreeError as error:
        problems.append(Problem(Place(path), str(error)))
        return ()
    found = [option.value.strip("'\"") for option in parse(text, "") if option.name == "SOCKET"]
    return tuple(each for each in found if each and "$" not in each)


def _without_comment(line: str) -> str:
    is_quoted = False
    for index, character in enumerate(line):
        if character == '"':
            is_quoted = not is_quoted
        elif character == "#" and not is_quoted:
            return line[:index]
    return line


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
