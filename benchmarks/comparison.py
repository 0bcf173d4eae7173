"""Contenders beside each other: the same mail through each of them, in turns, for several rounds.

CPU is that of the filters and all their processes; the load and the DNS are not counted.
"""

import math
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple, TypeVar

from benchmarks import corpus, load
from benchmarks.contenders import Contender
from benchmarks.processes import cpu_seconds, peak_megabytes, tree

CONNECTIONS = 20

Case = TypeVar("Case", bound=Hashable)


class Round(NamedTuple):
    """One round of one contender; also the medians, or the ratios, of several."""

    messages_a_second: float
    cpu: float
    """Milliseconds per message."""
    p50: float
    """Milliseconds, as those below."""
    p99: float
    last_p50: float
    last_p99: float
    memory: float
    """Megabytes of the largest process."""
    right: float
    """Messages with the verdict that they should have."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What several rounds came to."""

    medians: Mapping[str, Round]
    """By contender."""
    ratios: Mapping[str, Round]
    """Of the first contender to each of the others: the median of the ratios of all rounds.

    Both of a round had the machine within the same minute, so a busy minute changes their ratio least.
    """

    @classmethod
    def of(cls, rounds: Mapping[str, Sequence[Round]]) -> "Comparison":
        """By contender, its rounds in their order."""
        (_, own), *others = rounds.items()
        ratios = {name: median_of([_ratio(*each) for each in zip(own, other, strict=True)]) for name, other in others}
        return cls({name: median_of(each) for name, each in rounds.items()}, ratios)


def median_of(rounds: Sequence[Round]) -> Round:
    """Of each figure by itself."""
    return Round(*(median(figures) for figures in zip(*rounds, strict=True)))


def _ratio(own: Round, other: Round) -> Round:
    return Round(*(mine / its if its else math.nan for mine, its in zip(own, other, strict=True)))


def in_turns(cases: Mapping[Case, Callable[[], Round]], rounds: int) -> dict[Case, list[Round]]:
    """Each case once per round, so that a slow minute of the machine is everybody's."""
    found: dict[Case, list[Round]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, measured in cases.items():
            found[name].append(measured())
    return found


def compare(
    contenders: Mapping[str, Contender],
    messages: Sequence[corpus.Message],
    connections: int,
    rounds: int,
    pause: float = 0.0,
) -> Comparison:
    """All contenders with the same mail; the first is compared with the others."""
    cases = {name: _case(each, messages, connections, pause) for name, each in contenders.items()}
    return Comparison.of(in_turns(cases, rounds))


def _case(
    contender: Contender, messages: Sequence[corpus.Message], connections: int, pause: float
) -> Callable[[], Round]:
    return lambda: round_of(contender, messages, connections, pause)


def round_of(
    contender: Contender, messages: Sequence[corpus.Message], connections: int, pause: float = 0.0, idle: int = 0
) -> Round:
    """One round; with `idle` further connections that say nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with contender(folder) as (pids, paths):
            silent = [load.Connection(path) for path in paths for _ in range(idle)]
            before = sum(map(cpu_seconds, pids))
            seconds, timing = load.run(paths, messages, connections, pause)
            time.sleep(1)  # what is written later counts too
            cpu = sum(map(cpu_seconds, pids)) - before
            memory = max(peak_megabytes(each) for pid in pids for each in tree(pid))
            for each in silent:
                each.close()
    whole, last_step = quantiles(timing.whole, n=100), quantiles(timing.last_step, n=100)
    count = len(messages)
    return Round(
        count / seconds,
        cpu / count * 1e3,
        whole[49] * 1e3,
        whole[98] * 1e3,
        last_step[49] * 1e3,
        last_step[98] * 1e3,
        memory,
        timing.verdicts[True],
    )
