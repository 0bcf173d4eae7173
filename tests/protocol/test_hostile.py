"""The attacks of tests/protocol/hostile: none makes a verdict milder, holds a worker or fills its memory.

Verdicts, questions, memory and CPU have the bounds of docs/security.md. Times by the clock on the wall are no fault here:
another load on the machine may be to blame. Whoever is held for long gets no answer (`PATIENCE` of player.py), which is one.
"""

from collections.abc import Iterator

import pytest

from tests.protocol.hostile import results
from tests.protocol.hostile.message import Group
from tests.protocol.hostile.player import Stage, stage
from tests.protocol.hostile.results import BESIDE, COSTLY, TOGETHER, WITH_SETTINGS, Row
from tests.protocol.hostile.situations import SITUATIONS, Situation

pytestmark = pytest.mark.slow


def check(row: Row) -> None:
    assert row.faults == [], f"{len(row.faults)} of {row.messages}"


@pytest.fixture(scope="module")
def together() -> dict[str, Row]:
    return results.play_together(TOGETHER)


@pytest.fixture(scope="module")
def patient() -> dict[str, Row]:
    return {row.name: row for row in results.play_situations([each for each in SITUATIONS if each.is_patient])}


@pytest.fixture(scope="module")
def alone() -> Iterator[Stage]:
    with stage() as on:
        yield on


@pytest.mark.parametrize("name", [*(group.name for group in TOGETHER), BESIDE])
def test_attacks(together: dict[str, Row], name: str) -> None:
    check(together[name])


@pytest.mark.parametrize("group", WITH_SETTINGS, ids=lambda group: group.name)
def test_attacks_on_settings(group: Group) -> None:
    for row in results.play_together([group]).values():
        check(row)


@pytest.mark.parametrize("group", COSTLY, ids=lambda group: group.name)
def test_costly_attacks(alone: Stage, group: Group) -> None:
    check(results.play_costly(alone, group))


def test_memory_after_costly_attacks(alone: Stage) -> None:
    row = Row(3, "memory")
    results.note_afterwards(alone, row)
    check(row)


@pytest.mark.parametrize("name", [each.name for each in SITUATIONS if each.is_patient])
def test_patient_situations(patient: dict[str, Row], name: str) -> None:
    check(patient[name])


@pytest.mark.parametrize(
    "situation", [each for each in SITUATIONS if not each.is_patient], ids=lambda situation: situation.name
)
def test_situations(situation: Situation) -> None:
    check(results.row_of_situation(situation, situation.play()))
