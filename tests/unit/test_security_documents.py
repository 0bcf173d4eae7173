"""docs/security.md names the test of each bound: they have to be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_is_there(path: str, name: str) -> None:
    assert re.search(rf"^def {name or 'test_'}", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_every_bound_has_its_test() -> None:
    """A row of the last table: resource, bound, what happens beyond it, test."""
    table = TEXT.partition("## What bounds it")[2]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    for row in rows:
        assert len(row) == 4, row
        assert row[3].strip(), row
