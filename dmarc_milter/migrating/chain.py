"""The old chain of one host: which programs are set up there, and what their settings come to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dmarc_milter.migrating import amavis, authentication_milter, opendkim, opendmarc, rspamd, spf_programs
from dmarc_milter.migrating.tree import Tree, TreeError
from dmarc_milter.migrating.values import Place, Problem, Program, Reading

Reader = Callable[[str, str], Reading]


@dataclass(frozen=True, slots=True)
class Chain:
    """All programs, those first whose settings count where two set one key."""

    readings: tuple[Reading, ...]

    @property
    def programs(self) -> tuple[Program, ...]:
        """Those that were found."""
        return tuple(each.program for each in self.readings if each.program is not None)

    @property
    def replaced(self) -> tuple[Program, ...]:
        """Those that go."""
        return tuple(each for each in self.programs if not each.stays)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why nothing can be written."""
        return tuple(problem for each in self.readings for problem in each.problems)

    def program(self, name: str) -> Program | None:
        """The program of that name."""
        return next((each for each in self.programs if each.name == name), None)


def read_chain(tree: Tree) -> Chain:
    """What is set up below the root."""
    return Chain(tuple(_readings(tree)))


def _readings(tree: Tree) -> Iterator[Reading]:
    yield from _first(tree, opendmarc.FILES, partial(_with_tree, opendmarc.read, tree))
    yield from _first(tree, authentication_milter.FILES, authentication_milter.read)
    if rspamd.is_there(tree):
        yield rspamd.read(tree)
    yield from _first(tree, spf_programs.POLICYD_FILES, partial(_with_tree, _policyd, tree))
    yield from _first(tree, spf_programs.PYSPF_FILES, partial(_with_tree, _pyspf, tree))
    yield from _first(tree, opendkim.FILES, partial(_with_tree, opendkim.read, tree))
    yield from _first(tree, opendkim.DKIMPY_FILES, partial(_with_tree, _dkimpy, tree))
    found = amavis.read(tree)
    if found is not None:
        yield found


def _with_tree(read: Callable[[str, str, Tree], Reading], tree: Tree, text: str, path: str) -> Reading:
    return read(text, path, tree)


def _dkimpy(text: str, path: str, tree: Tree) -> Reading:
    return opendkim.read(text, path, tree, name=opendkim.DKIMPY)


def _policyd(text: str, path: str, tree: Tree) -> Reading:
    return spf_programs.read(text, path, tree, name=spf_programs.POLICYD)


def _pyspf(text: str, path: str, tree: Tree) -> Reading:
    return spf_programs.read(text, path, tree, name=spf_programs.PYSPF)


def _first(tree: Tree, paths: Sequence[str], read: Reader) -> Iterator[Reading]:
    """The settings of one program, from the first of its usual files that is there."""
    for path in paths:
        try:
            tree.must_be_there(path)
            text = tree.text(path)
        except TreeError as error:
            yield Reading(problems=(Problem(Place(path.rpartition("/")[2]), str(error)),))
            return
        if text is not None:
            yield read(text, path)
            return
