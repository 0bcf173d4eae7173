"""What a service says of itself in its runtime folder; which settings changed, in words; priorities of log lines."""

import dataclasses
import logging
import os
import sys
from pathlib import Path

import pytest

from dmarc_milter.service import state
from dmarc_milter.service.state import Reload, ReloadOutcome, ServiceState, StateFile
from dmarc_milter.settings import config
from dmarc_milter.settings.changes import changes
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry import log

STATE = ServiceState(
    version="1.2.3",
    pid=42,
    started=1.5,
    config="/etc/dmarc-milter/dmarc-milter.toml",
    mode="enforce",
    addresses=("unix:/run/dmarc-milter/dmarc-milter.sock",),
    settings_digest="0123456789ab",
    workers={"ready": 2, "starting": 0, "leaving": 1},
    reload=Reload(3, ReloadOutcome.REFUSED, 2.5, "policy.mode is wrong", ("policy.mode: monitor -> enforce",)),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = StateFile({"RUNTIME_DIRECTORY": str(tmp_path)})
    file.write(STATE)
    assert state.read(tmp_path / state.NAME) == STATE
    assert [each.name for each in tmp_path.iterdir()] == [state.NAME]
    file.remove()
    assert state.read(tmp_path / state.NAME) is None


def test_without_a_runtime_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = StateFile({})
    file.write(STATE)
    file.remove()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    file = StateFile({"RUNTIME_DIRECTORY": str(tmp_path / "missing")})
    file.write(STATE)
    file.remove()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"reload": {}}', '{"reload": {"outcome": "x", "changes": []}}'])
def test_what_is_no_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / state.NAME).write_text(text)
    assert state.read(tmp_path / state.NAME) is None


@pytest.mark.parametrize(
    ("environment", "folder"),
    [({}, "/run/dmarc-milter"), ({"RUNTIME_DIRECTORY": "/run/x:/run/y"}, "/run/x")],
)
def test_where_it_is(environment: dict[str, str], folder: str) -> None:
    assert state.default_path(environment) == Path(folder) / "state.json"


SETTINGS = {
    "nothing": ({}, {}, ()),
    "a word": ({}, {"policy": {"mode": "enforce"}}, ("policy.mode: monitor -> enforce",)),
    "a number": ({"milter": {"workers": 1}}, {"milter": {"workers": 3}}, ("milter.workers: 1 -> 3",)),
    "an address": (
        {"milter": {"listen": "unix:/a"}}, {"milter": {"listen": "unix:/b"}}, ("milter.listen: [unix:/a] -> [unix:/b]",),
    ),
    "networks": (
        {"policy": {"trusted_networks": []}}, {"policy": {"trusted_networks": ["192.0.2.0/24"]}},
        ("policy.trusted_networks: [] -> [192.0.2.0/24]",),
    ),
    "rules, by their names": (
        {}, {"override": [{"name": "partner", "from_domain": ["a.example"], "action": "accept", "reason": "r"}]},
        ("override: [] -> [partner]",),
    ),
    "no password": (
        {"journal": {"database": "postgresql://u:secret@h/n"}}, {"journal": {"database": "postgresql://u:other@h/n"}},
        ("journal.database: postgresql://u:***@h/n -> postgresql://u:***@h/n",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "said"), SETTINGS.values(), ids=SETTINGS.keys())
def test_changes_in_words(before: dict[str, object], after: dict[str, object], said: tuple[str, ...]) -> None:
    assert changes(config.parse(before), config.parse(after)) == said


def test_every_setting_can_be_told(tmp_path: Path) -> None:
    """Each field of each section, changed to something else of any kind."""

    def other(value: object) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type) and type(value).__str__ is object.__str__:
            return dataclasses.replace(
                value, **{each.name: other(getattr(value, each.name)) for each in dataclasses.fields(value)}
            )
        return "something else"

    settings = Settings()
    names = [line.partition(":")[0] for line in changes(settings, other(settings))]
    sections = [each.name for each in dataclasses.fields(settings)]
    assert {name.partition(".")[0] for name in names} == set(sections)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("level", "prefix"),
    [(logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>")],
)
@pytest.mark.parametrize("format_", ["logfmt", "json"])
def test_priorities_that_journald_reads(
    format_: str, level: int, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "is_read_by_journald", lambda descriptor: True)
    before = log.logger.handlers[:]
    try:
        log.set_up(format_)
        log.logger.log(level, "first\nsecond")
    finally:
        log.logger.handlers[:] = before
        log.logger.propagate = True
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(prefix) for line in lines)


def test_only_journald_is_told_priorities() -> None:
    status = os.fstat(sys.__stderr__.fileno()) if sys.__stderr__ else os.fstat(2)
    assert log.is_read_by_journald(2, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    assert not log.is_read_by_journald(2, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
    assert not log.is_read_by_journald(2, {})
    assert not log.is_read_by_journald(-1, {"JOURNAL_STREAM": "1:1"})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("pass", "pass"),
        ("bank.example/s1", "bank.example/s1"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("b\u00fccher", "b\u00fccher"),
        ("a\nb\x7f", "a?b?"),
        ("\u202ea", "?a"),
        ("x" * log.MAX_VALUE, "x" * log.MAX_VALUE),
        ("x" * (log.MAX_VALUE + 1), "x" * (log.MAX_VALUE - 3) + "..."),
    ],
)
def test_a_value_in_a_line(value: str, shown: str) -> None:
    assert log.formatted([("key", value)], "logfmt") == f"key={shown}"
