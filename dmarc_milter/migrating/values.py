"""What is found in the files of another chain, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network
TomlValue = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    file: str
    """Short, like ``opendmarc.conf``."""
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing can be written."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of our settings."""

    section: str
    """Like ``policy.indirect``."""
    key: str
    value: TomlValue
    source: str
    """Where it comes from: ``opendmarc.conf:3``, and what else a reader of the file should know."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One [[override]]."""

    name: str
    conditions: Mapping[str, tuple[str, ...]]
    action: str
    reason: str
    source: str
    is_suggested: bool = False
    """Whether it is written as a comment: the operator has to decide."""


@dataclass(frozen=True, slots=True)
class Left:
    """An option that is not carried over, or not wholly."""

    place: Place
    option: str
    value: str
    """As it is set; empty where it must not be shown, or where it is a default."""
    meaning: str
    """What that means, and what is nearest: whole sentences."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """Hosts whose mail a program lets pass unjudged."""

    networks: tuple[Network, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Program:
    """A part of the old chain."""

    name: str
    """Like ``OpenDKIM``."""
    file: str
    """Where its settings were read, below the root."""
    service: str
    """Its systemd unit."""
    sockets: tuple[str, ...] = ()
    """Where it listens, as it writes it itself."""
    stays: bool = False
    """Whether it is still needed: it signs, or looks for spam."""
    becomes: str = ""
    """The one line of its settings that changes, where it stays and verifies, too."""
    becomes_line: int | None = None
    """The line that it takes the place of; None: it is added at the end."""
    becomes_why: str = ""
    """What that line does: a sentence without its stop."""
    commented_out: tuple[tuple[str, int, int], ...] = ()
    """Lines that go when this filter takes over: a file, the first and the last."""
    removes_fields: bool = False
    """Whether it takes out the fields of all others, where it stands behind them."""
    by_hand: str = ""
    """What the operator changes in its settings when this filter takes over: a sentence."""
    judges_dmarc: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the settings of one program come to."""

    program: Program | None = None
    settings: tuple[Setting, ...] = ()
    rules: tuple[Rule, ...] = ()
    trusted: tuple[Trusted, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    authserv_ids: tuple[tuple[str, Place], ...] = ()
    """Names under which it writes Authentication-Results."""


@dataclass
class Notebook:
    """What is noted while one program's settings are read; becomes a Reading."""

    program: Program | None = None
    settings: list[Setting] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    trusted: list[Trusted] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    authserv_ids: list[tuple[str, Place]] = field(default_factory=list)

    def reading(self) -> Reading:
        """All of it, frozen."""
        return Reading(
            self.program,
            tuple(self.settings),
            tuple(self.rules),
            tuple(self.trusted),
            tuple(self.left),
            tuple(self.notes),
            tuple(self.problems),
            tuple(self.authserv_ids),
        )
