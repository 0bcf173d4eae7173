"""All attacks played, and what came of each group of them as one row."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.protocol.hostile import alignment, authors, forged, sly, timing, work
from tests.protocol.hostile.message import ACCEPTED, DEFERRED, REFUSED, Group, honest, spoof
from tests.protocol.hostile.player import MOST_SECONDS, Played, Stage, largest, stage
from tests.protocol.hostile.situations import MOST_MEMORY, PLAIN_SECONDS, SITUATIONS, Seen, Situation

GROUPS: tuple[Group, ...] = tuple(
    group for module in (alignment, timing, work, authors, forged, sly) for group in module.GROUPS
)
TOGETHER = [group for group in GROUPS if not group.is_costly and not group.settings]
COSTLY = [group for group in GROUPS if group.is_costly]
WITH_SETTINGS = [group for group in GROUPS if group.settings]
PLAIN_EVERY = 0.5
BESIDE = "plain messages beside the attacks"
MB = 1 << 20


@dataclass
class Row:
    """One group of attacks."""

    point: int
    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    cpu: float | None = None
    """The most that a message took; None where it was not measured."""
    seconds: float = 0.0
    """The longest wait at an end of message."""
    questions: int = 0
    memory: int = 0
    faults: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """Faults of time by the clock on the wall, for which a busy machine may be to blame."""

    @property
    def messages(self) -> int:
        return self.outcomes.total()

    @property
    def others(self) -> int:
        return self.messages - sum(self.outcomes[each] for each in (REFUSED, DEFERRED, ACCEPTED))

    def add(self, played: Played) -> None:
        self.outcomes[played.outcome] += 1
        self.seconds = max(self.seconds, played.seconds)
        self.questions = max(self.questions, played.questions)
        if played.cpu is not None:
            self.cpu = max(self.cpu or 0.0, played.cpu)
        self.faults += [f"{played.attack}: {each}" for each in (*played.faults, *played.excesses)]
        if played.seconds > MOST_SECONDS:
            self.late.append(f"{played.attack}: answered after {played.seconds:.0f} s")

    def add_beside(self, played: Played, attack: str) -> None:
        """A plain message that was played beside an attack."""
        self.faults += [f"{attack}: plain message beside it: {each}" for each in played.faults]
        if played.seconds > PLAIN_SECONDS:
            self.late.append(f"{attack}: a plain message beside it took {played.seconds:.1f} s")


def check(row: Row) -> None:
    """For tests: that the row has no faults."""
    assert row.faults == [], f"{len(row.faults)} of {row.messages}"


def row_of(group: Group, played: Iterable[Played]) -> Row:
    row = Row(group.point, group.name)
    for each in played:
        row.add(each)
    return row


def play_together(groups: Sequence[Group]) -> dict[str, Row]:
    """All of `groups` at once against one filter, and plain messages beside them."""
    rows = {group.name: Row(group.point, group.name) for group in groups}
    beside = Row(2, BESIDE)
    with stage(groups[0].settings) as on:
        with _plain_beside(on, beside):
            for played in on.play_together(groups):
                rows[played.group].add(played)
        note_afterwards(on, beside)
    return rows | {BESIDE: beside}


@contextmanager
def _plain_beside(on: Stage, row: Row) -> Iterator[None]:
    """Honest mail and plain spoofs, for as long as something else is played."""
    over = threading.Event()

    def play() -> None:
        while not over.wait(PLAIN_EVERY):
            for attack in (honest, spoof):
                played = on.play(BESIDE, attack.__name__, attack)
                row.add(played)
                row.add_beside(played, "plain")

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def note_afterwards(on: Stage, row: Row) -> None:
    """Memory and log once all is over."""
    row.memory = largest(on.running)
    if row.memory > MOST_MEMORY:
        row.faults.append(f"the largest process holds {row.memory // MB} MB afterwards")
    if "Traceback" in on.running.log:
        row.faults.append("an exception in the log")


def play_costly(on: Stage, group: Group) -> Row:
    """One attack after the other, each with a plain message beside it."""
    row = Row(group.point, group.name)
    with ThreadPoolExecutor(1) as pool:
        for name, attack in group.attacks.items():
            played = pool.submit(on.play, group.name, name, attack, is_alone=True)
            row.add_beside(on.play(BESIDE, name, honest), name)
            row.add(played.result())
    return row


def row_of_situation(situation: Situation, seen: Seen) -> Row:
    return Row(
        situation.point,
        situation.name,
        Counter(seen.outcomes),
        seen.cpu or None,
        seen.seconds,
        seen.questions,
        seen.memory,
        seen.faults,
        seen.timing,
    )


def play_situations(situations: Sequence[Situation]) -> Iterator[Row]:
    """Those that mostly wait are played at once, the others one after the other."""
    patient = [each for each in situations if each.is_patient]
    with ThreadPoolExecutor(len(patient) or 1) as pool:
        rows = list(pool.map(lambda each: row_of_situation(each, each.play()), patient))
    yield from rows
    for each in situations:
        if not each.is_patient:
            yield row_of_situation(each, each.play())


def play_all(wanted: str = "") -> Iterator[Row]:
    """Every group whose name holds `wanted`."""

    def chosen(groups: Sequence[Group]) -> list[Group]:
        return [each for each in groups if wanted in each.name]

    for groups in ([*chosen(TOGETHER)], *([each] for each in chosen(WITH_SETTINGS))):
        if groups:
            yield from play_together(groups).values()
    if chosen(COSTLY):
        with stage() as on:
            for group in chosen(COSTLY):
                yield play_costly(on, group)
            last = Row(3, "memory after all of these")
            note_afterwards(on, last)
            yield last
    yield from play_situations([each for each in SITUATIONS if wanted in each.name])
