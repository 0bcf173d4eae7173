"""The situations of tests/protocol/hostile: attacks that are more than one message.

Bounds and times are those of tests/protocol/test_hostile.py.
"""

import pytest

from tests.protocol.hostile import results
from tests.protocol.hostile.results import Row
from tests.protocol.hostile.situations import SITUATIONS, Situation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def patient() -> dict[str, Row]:
    return {row.name: row for row in results.play_situations([each for each in SITUATIONS if each.is_patient])}


@pytest.mark.parametrize("name", [each.name for each in SITUATIONS if each.is_patient])
def test_patient_situations(patient: dict[str, Row], name: str) -> None:
    results.check(patient[name])


@pytest.mark.parametrize(
    "situation", [each for each in SITUATIONS if not each.is_patient], ids=lambda situation: situation.name
)
def test_situations(situation: Situation) -> None:
    results.check(results.row_of_situation(situation, situation.play()))
