"""Each option of OpenDMARC, OpenDKIM, dkimpy-milter, policyd-spf, pyspf-milter, rspamd and authentication_milter."""

from pathlib import Path

import pytest

from dmarc_milter.migrating.migration import Migration
from tests.support.migrate_options import ROWS, WITHOUT_A_WORD, Row
from tests.support.old_hosts import LISTS, Files, found, written


def host(row: Row) -> Files:
    """With the line alone in its file; OpenDKIM verifies."""
    return {**LISTS, "etc/hostname": "host.example.org\n", row.file: row.line + "\n"}


def told(migration: Migration) -> list[str]:
    """What is left, with its option, and what there is to know."""
    left = [f"{each.option} {each.value}: {each.meaning}" for each in migration.left]
    return [*left, *migration.notes]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_an_option_is_carried_over_or_said(tmp_path: Path, row: Row) -> None:
    assert row.becomes or row.says
    files = host(row)
    written(tmp_path, files)
    migration = found(tmp_path, files)
    assert row.becomes in migration.draft.text()
    assert not row.says or [each for each in told(migration) if row.name in each and row.says in each], told(migration)


@pytest.mark.parametrize("row", WITHOUT_A_WORD.values(), ids=WITHOUT_A_WORD)
def test_an_option_that_changes_nothing_is_not_said(tmp_path: Path, row: Row) -> None:
    """Neither is anything else said than without it."""
    files = host(row)
    with_it = found(tmp_path / "with", files)
    without = found(tmp_path / "without", {**files, row.file: "{}" if row.line.startswith("{") else ""})
    assert not [each for each in told(with_it) if each not in told(without) and row.name in each]
