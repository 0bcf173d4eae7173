"""The files that the processes count in: read at any moment of a process's life."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from dmarc_milter.telemetry import metrics

NAME = "dmarc_milter_journal_records_taken_total"
KEY = mmap_key(NAME, NAME, [], [], "Records taken.")


def made(path: Path) -> None:
    """With a head and no count yet."""
    MmapedDict(str(path)).close()


def counted(path: Path) -> None:
    # Debian 12's version has no time beside the value.
    file = MmapedDict(str(path))
    write: Any = file.write_value
    write(*(KEY, 3.0, 0.0)[: len(inspect.signature(write).parameters)])
    file.close()


def sized(path: Path) -> None:
    path.write_bytes(bytes(65_536))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("begin", [Path.touch, sized, made], ids=["empty", "with its size", "with its head"])
@pytest.mark.parametrize("name", ["counter_2.db", "gauge_livesum_2.db", "histogram_2.db"])
def test_a_process_that_begins_hides_nothing_of_the_others(
    folder: Path, name: str, begin: Callable[[Path], None]
) -> None:
    counted(folder / "counter_1.db")
    begin(folder / name)
    assert b"dmarc_milter_journal_records_taken_total 3.0" in generate_latest(metrics.collect())
    assert metrics.unwritten_records(2) == 0


def test_records_that_nothing_is_known_of_are_counted(folder: Path) -> None:
    counted(folder / "counter_1.db")
    assert [metrics.unwritten_records(number) for number in (1, 2)] == [3, 0]
