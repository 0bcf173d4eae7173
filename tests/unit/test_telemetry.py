"""What is logged, and what is counted in files that all processes of the service share."""

import json
import sys
from pathlib import Path

import pytest

from dmarc_milter.columns.table import told
from dmarc_milter.settings.log import LogSection
from dmarc_milter.telemetry import log, metrics
from dmarc_milter.telemetry.metrics import SupervisorMetrics, WorkerMetrics
from tests.support.records import record

# The log


def test_lines_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an object; those about messages are as they are."""
    monkeypatch.setattr(log, "is_read_by_journald", lambda descriptor: False)
    log.set_up("json")
    line = log.message_line(told(record("4Xjson")), LogSection(format="json"))
    log.logger.info(line)
    log.logger.warning("%d records\nwait", 3)
    try:
        raise ValueError("{odd}")
    except ValueError:
        log.logger.exception("{error}")
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == line
    assert json.loads(first)["queue_id"] == "4Xjson"
    assert json.loads(second) == {"level": "warning", "message": "3 records\nwait"}
    error = json.loads(third)
    assert (error["level"], error["message"]) == ("error", "{error}")
    assert error["exception"].endswith("ValueError: {odd}")


@pytest.mark.parametrize(
    ("format_", "line"),
    [("json", '{"queue_id": "4X", "from": "b\\u00fccher example"}'), ("logfmt", 'queue_id=4X from="bücher example"')],
)
def test_a_line_by_its_format(format_: str, line: str) -> None:
    assert log.formatted([("queue_id", "4X"), ("from", "bücher example")], format_) == line


def test_without_json_lines_begin_with_their_level(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "is_read_by_journald", lambda descriptor: False)
    log.set_up("logfmt")
    log.logger.info("ready")
    assert capsys.readouterr().err == "INFO ready\n"
    assert sys.stderr.closed is False


# The counts


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a service's counts, to which this process writes as one of its processes."""
    folder = tmp_path / "dmarc-milter-metrics-test"
    folder.mkdir()
    monkeypatch.setenv(metrics._FOLDER, str(folder))
    monkeypatch.setattr(metrics._writer_name, "name", metrics.SUPERVISOR)
    metrics.prepare(folder)
    return folder


def value(name: str, **labels: str) -> float | None:
    return metrics.collect().get_sample_value(f"dmarc_milter_{name}", labels)


def test_records_that_nobody_wrote_are_known_after_the_worker(shared: Path) -> None:
    assert metrics.unwritten_records(7) == 0
    (shared / "counter_7.db").touch()
    assert metrics.unwritten_records(7) == 0
    metrics.write_as(7)
    worker = WorkerMetrics(["crm"])
    worker.observe(told(record()))
    for _ in range(5):
        worker.note_taken()
    assert metrics.unwritten_records(7) == 5
    worker.note_journal("dropped", 1)
    worker.note_journal("written", 2)
    assert metrics.unwritten_records(7) == 2
    assert metrics.unwritten_records(8) == 0


def test_only_what_was_written_is_a_sign_of_life_of_the_journal(shared: Path) -> None:
    worker = WorkerMetrics()
    worker.note_journal("dropped", 3)
    assert value("journal_last_write_timestamp_seconds") == 0
    worker.note_journal("written", 1)
    assert (value("journal_last_write_timestamp_seconds") or 0) > 0
    assert value("journal_records_total", outcome="dropped") == 3


def test_the_settings_in_force_are_one(shared: Path) -> None:
    counted = SupervisorMetrics(["silent"])
    counted.configured("first", 1.0)
    counted.configured("second", 2.0)
    assert [value("configuration_info", sha256=each) for each in ("first", "second")] == [0, 1]
    assert value("configuration_loaded_timestamp_seconds") == 2.0


def test_what_the_supervisor_counts(shared: Path) -> None:
    counted = SupervisorMetrics(["silent"])
    assert [value("worker_hangs_total", how="silent"), value("worker_restarts_total")] == [0, 0]
    counted.workers(2, 1, 0)
    counted.restarted()
    counted.hung("silent")
    counted.lost_records(4)
    counted.reloaded("refused")
    assert {each: value("workers", state=each) for each in ("ready", "starting", "leaving")} == {
        "ready": 2,
        "starting": 1,
        "leaving": 0,
    }
    assert value("worker_restarts_total") == 1
    assert value("worker_hangs_total", how="silent") == 1
    assert value("journal_records_total", outcome="lost") == 4
    assert [value("reloads_total", outcome=each) for each in ("done", "refused")] == [0, 1]
