"""No stage of a message takes more instructions than were recorded, but for a tolerance (benchmarks/guard.py)."""

import os
import shutil

import pytest

from benchmarks import guard

FOUND = {
    "as recorded": ({"a": 100, "together": 100}, []),
    "a little more": ({"a": 105, "together": 105}, []),
    "less": ({"a": 50, "together": 50}, []),
    "too much": ({"a": 106, "together": 105}, ["a: 106 instructions per message, 1.06 times the 100 recorded"]),
}


@pytest.mark.parametrize(("found", "problems"), FOUND.values(), ids=FOUND)
def test_what_is_exceeded(found: dict[str, int], problems: list[str]) -> None:
    assert guard.exceeded(found, {"a": 100, "together": 100}) == problems


def test_a_stage_without_a_record_is_told() -> None:
    assert guard.exceeded({"new": 1}, {"a": 100}) == ["new: 1 instructions per message, which nobody recorded"]


@pytest.mark.slow
def test_a_message_takes_no_more_instructions_than_recorded() -> None:
    if shutil.which("valgrind") is None and not os.environ.get("DMARC_MILTER_REQUIRE_SYSTEM"):
        pytest.skip("needs valgrind")
    record = guard.recorded()
    if record is None:
        pytest.skip(f"nothing was recorded for Python {guard.VERSION}: python -m benchmarks.guard --record")
    assert guard.exceeded(guard.measured(), record) == []
