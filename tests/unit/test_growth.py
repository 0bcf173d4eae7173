"""Work grows no faster than the input, for every parser and every fuzz target (tests/support/growth.py says what is measured)."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import growth

pytestmark = pytest.mark.slow

MOST = 8
"""How many times the work from 4n to 16n may be that from n to 4n: four times if it grows as the input, sixteen times
if as its square. Between them, for tables that grow by doubling."""

SLACK = 24_000
"""Instructions for what does not depend on the input: memory that is got in large pieces, a cache that is cleared."""


def is_too_fast(small: int, middle: int, large: int) -> bool:
    """Whether work of so many instructions for n, 4n and 16n octets grows faster than the input."""
    return large - middle > MOST * max(0, middle - small) + SLACK and large > 6 * middle


def test_every_parser_can_be_called() -> None:
    assert [each for each, call in growth.parsers() if isinstance(call, growth.Uncalled)] == []


def test_what_is_said_of_parsers_is_about_parsers_that_exist() -> None:
    assert growth.CALLS.keys() <= dict(growth.parsers()).keys()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """For everything measured, the inputs over which its work grew too fast."""
    if shutil.which("valgrind") is None and not os.environ.get("DMARC_MILTER_REQUIRE_SYSTEM"):
        pytest.skip("needs valgrind")
    folder = tmp_path_factory.mktemp("callgrind")
    measures, instructions = measured(folder)
    found: dict[str, list[str]] = {name: [] for name, _, _ in measures}
    for (name, opener, units), counts in zip(measures, instructions, strict=True):
        if is_too_fast(*counts):
            found[name].append(f"{opener!r} and {units}: {counts} instructions")
    return found


def measured(folder: Path) -> tuple[list[tuple[str, str, str]], list[tuple[int, int, int]]]:
    """What was measured, and the instructions of each for the three sizes."""
    callgrind = ["valgrind", "--tool=callgrind", "--dump-line=no", f"--callgrind-out-file={folder}/out"]
    command = [*callgrind, f"--dump-before={growth.MARK.__name__}", sys.executable, "-m", "tests.support.growth"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    counts = [instructions_of(folder / f"out.{number}") for number in range(1, len(list(folder.iterdir())))]
    measures = json.loads(ended.stdout)
    assert len(counts) == 1 + len(growth.FACTORS) * len(measures)
    return measures, list(zip(*(counts[place :: len(growth.FACTORS)] for place in (1, 2, 3)), strict=True))


def instructions_of(dump: Path) -> int:
    match = re.search(r"^summary: (\d+)", dump.read_text(), re.MULTILINE)
    assert match is not None
    return int(match.group(1))


@pytest.mark.parametrize("name", dict.fromkeys(measure.name for measure, _ in growth.plan()))
def test_work_grows_as_the_input(grown: dict[str, list[str]], name: str) -> None:
    fast = {"a regular expression", "copies", "a search for each"}
    assert bool(grown[name]) is (name in fast), grown[name]
