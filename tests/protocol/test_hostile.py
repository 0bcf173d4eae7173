"""The messages of tests/protocol/hostile: none makes a verdict milder, holds a worker or fills its memory.

Verdicts, questions, memory and CPU have the bounds of docs/security.md. Times by the clock on the wall are no fault here:
another load on the machine may be to blame. Whoever is held for long gets no answer (`PATIENCE` of player.py), which is one.
"""

from collections.abc import Iterator

import pytest

from tests.protocol.hostile import results
from tests.protocol.hostile.message import Group
from tests.protocol.hostile.player import Stage, stage
from tests.protocol.hostile.results import BESIDE, COSTLY, TOGETHER, WITH_SETTINGS, Row

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def together() -> dict[str, Row]:
    return results.play_together(TOGETHER)


@pytest.fixture(scope="module")
def alone() -> Iterator[Stage]:
    with stage() as on:
        yield on


@pytest.mark.parametrize("name", [*(group.name for group in TOGETHER), BESIDE])
def test_attacks(together: dict[str, Row], name: str) -> None:
    results.check(together[name])


@pytest.mark.parametrize("group", WITH_SETTINGS, ids=lambda group: group.name)
def test_attacks_on_settings(group: Group) -> None:
    for row in results.play_together([group]).values():
        results.check(row)


@pytest.mark.parametrize("group", COSTLY, ids=lambda group: group.name)
def test_costly_attacks(alone: Stage, group: Group) -> None:
    results.check(results.play_costly(alone, group))


def test_memory_after_costly_attacks(alone: Stage) -> None:
    row = Row(3, "memory")
    results.note_afterwards(alone, row)
    results.check(row)
