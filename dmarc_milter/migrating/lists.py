"""The lists that options name: files, or values between commas (opendkim(8), DATA SETS)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dmarc_milter.migrating.options import Option
from dmarc_milter.migrating.tree import Tree, TreeError, numbered
from dmarc_milter.migrating.values import Place, Problem

MAX_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a list."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, or why it cannot be had."""

    entries: tuple[Entry, ...] = ()
    problem: Problem | None = None


def short(path: str) -> str:
    """A file as it is named to people."""
    return path.rpartition("/")[2] or path


def data_set(option: Option, tree: Tree) -> Listed:
    """A data set of OpenDKIM: ``csl:a,b``, ``file:/path``, ``refile:/path``, ``/path``, or values between commas."""
    kind, _, rest = option.value.partition(":")
    if kind.lower() == "csl":
        return Listed(tuple(split(rest, option.place)))
    if kind.lower() in ("file", "refile"):
        return file(rest, option, tree)
    if option.value.startswith("/") and not option.value.endswith(".db"):
        return file(option.value, option, tree)
    if kind.lower() in _DATABASES or option.value.endswith(".db"):
        return Listed(problem=Problem(option.place, f"{option.name} is in a database, which is not read"))
    return Listed(tuple(split(option.value, option.place)))


_DATABASES = ("bdb", "db", "dsn", "erlang", "ldap", "ldaps", "lua", "mdb", "memcache", "odbx", "repute", "socket")


def file(path: str, option: Option, tree: Tree) -> Listed:
    """A file with one value per line."""
    try:
        text = tree.text(path)
    except TreeError as error:
        return Listed(problem=Problem(option.place, f"{option.name}: {error}"))
    if text is None:
        return Listed(problem=Problem(option.place, f"{option.name}: there is no file {path}"))
    entries = tuple(lines(text, short(path)))
    if len(entries) > MAX_ENTRIES:
        return Listed(problem=Problem(option.place, f"{option.name}: {path} has more than {MAX_ENTRIES} entries"))
    return Listed(entries)


def between_commas(option: Option) -> tuple[Entry, ...]:
    """Values in the option itself."""
    return tuple(split(option.value, option.place))


def split(value: str, place: Place) -> Iterator[Entry]:
    """Values between commas or blanks."""
    for word in value.replace(",", " ").split():
        yield Entry(word, place)


def lines(text: str, name: str) -> Iterator[Entry]:
    """One value per line, comments left out; `name` is the file's."""
    for number, line in numbered(text):
        words = line.partition("#")[0].split()
        if words:
            yield Entry(words[0], Place(name, number))


def texts(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The values alone, each once."""
    return tuple(dict.fromkeys(each.text for each in entries))
