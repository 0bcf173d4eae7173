"""The command line: which settings its commands read, and how little it loads before it knows what to do."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dmarc_milter.cli.main import COMMANDS, main, make_parser
from dmarc_milter.service import supervisor
from dmarc_milter.settings import config, renamed
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError, NotPermittedError
from dmarc_milter.settings.renamed import Renamed, with_new_names
from dmarc_milter.telemetry import log

LOADED = """
import sys
from dmarc_milter.cli.main import main
try:
    main({arguments})
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
MAY_BE_LOADED = (
    "dmarc_milter.cli",
    "dmarc_milter.common.moments",
    "dmarc_milter.common.version",
    "dmarc_milter.settings",
)
MOST_MODULES = 130
"""Python itself has about 40 at its start, argparse and pathlib bring 50. With the protocols there are 600."""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["serve", "--help"], ["check", "--help"], ["trace", "-h"]]
)
def test_help_and_version_load_next_to_nothing(arguments: list[str]) -> None:
    command = [sys.executable, "-c", LOADED.format(arguments=arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    ours = {name for name in loaded if name.startswith("dmarc_milter.")} - {"dmarc_milter.common"}
    assert done.stdout
    assert {name for name in ours if not name.startswith(MAY_BE_LOADED)} == set()
    assert not any(name.startswith("dmarc_milter.cli.") and name.endswith(".run") for name in ours)
    assert len(loaded) <= MOST_MODULES


def test_every_command_is_in_the_table_once() -> None:
    names = [command.name for command in COMMANDS]
    assert (
        " ".join(names)
        == "serve reload demo check attach detach migrate status summary trace what-if compare console report prune"
    )
    for command in COMMANDS:
        needed = {"attach": ["postfix"], "detach": ["postfix"], "report": ["make"]}
        arguments = [command.name, *needed.get(command.name, [])]
        assert make_parser().parse_args(arguments).run is command.run


def installed(monkeypatch: pytest.MonkeyPatch, path: Path) -> Path:
    """The file of /etc, at `path`."""
    monkeypatch.setattr(config, "DEFAULT_PATH", path)
    return path


def test_the_installed_file_is_read_where_it_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = installed(monkeypatch, tmp_path / "x.toml")
    assert config.load_file(None) == (Settings(), "built-in settings", (), None)
    path.write_text("[milter]\nworkers = 3\n")
    loaded = config.load_file(None)
    assert (loaded.settings.milter.workers, loaded.source) == (3, str(path))
    other = tmp_path / "other.toml"
    other.write_text("")
    assert config.load_file(other) == (Settings(), str(other), (), other)


COMMAND_LINES = {
    "serve": ["serve", "--check-config"],
    "summary": ["summary"],
    "trace": ["trace", "4XY"],
    "what-if": ["what-if"],
    "prune": ["prune"],
    "check": ["check", "--domain", "example.com"],
    "attach": ["attach", "sendmail"],
}


@pytest.mark.parametrize("arguments", COMMAND_LINES.values(), ids=COMMAND_LINES)
def test_every_command_reads_the_same_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    path = installed(monkeypatch, tmp_path / "x.toml")
    path.write_text('[milter]\nlissten = "x"\n')
    assert main(arguments) == 2
    assert f"{path}: unknown key milter.lissten" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['[policy.indirect]\ntrusted_lists = ["a b"]\n', '[policy.reply]\nreject = "no"\n'])
def test_what_only_judging_can_check_is_checked_before_serving(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = installed(monkeypatch, tmp_path / "x.toml")
    path.write_text(text)
    assert main(["serve", "--check-config"]) == 2
    assert capsys.readouterr().err.startswith(f"dmarc-milter: {path}: policy.")


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading fails as it does for an ordinary user; whoever runs this may be root."""

    def read_bytes(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = installed(monkeypatch, tmp_path / "x.toml")
    refuse(monkeypatch)
    with pytest.raises(NotPermittedError, match="Permission denied") as error:
        config.load_file(None)
    assert str(path) in str(error.value)
    assert "sudo" in str(error.value)
    assert "--config /dev/null" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_may_really_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.toml").touch(0o000)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        with pytest.raises(NotPermittedError):
            config.load_file(tmp_path / "x.toml")
    finally:
        os.seteuid(user)


def test_whoever_may_not_read_the_settings_can_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(monkeypatch, tmp_path / "x.toml")
    (tmp_path / "zone").write_text("bad.example. 60 TXT x\n")
    refuse(monkeypatch)
    arguments = ["check", "--domain", "bad.example", "--zone", str(tmp_path / "zone")]
    status = main(arguments)
    shown = capsys.readouterr()
    assert status == 1
    assert "bad.example" in shown.out
    assert "Permission denied" in shown.err
    assert "The built-in settings are used now." in shown.err
    assert main([*arguments, "--config", str(tmp_path / "x.toml")]) == 2
    assert capsys.readouterr().out == ""


def test_no_settings_for_real() -> None:
    assert config.load_default(Path("/dev/null")) == Settings()


OLD = Renamed("milter", "processes", "workers", "0.9")
OLD_CONDITION = Renamed("override", "author_domain", "from_domain", "0.9")


def test_a_renamed_setting_is_read_and_reported() -> None:
    data = {"milter": {"processes": 3}, "policy": {"mode": "enforce"}}
    read, warnings = with_new_names(data, [OLD])
    assert config.parse(read).milter.workers == 3
    assert config.parse(read).policy.mode == "enforce"
    assert warnings == ("milter.processes is called workers now; version 0.9 will not know the old name",)
    assert data == {"milter": {"processes": 3}, "policy": {"mode": "enforce"}}


def test_a_renamed_condition_of_rules() -> None:
    rules = "".join(
        f'[[override]]\nname = "{name}"\naction = "accept"\nauthor_domain = ["example.com"]\n' for name in "ab"
    )
    read, warnings = with_new_names(tomllib.loads(rules), [OLD_CONDITION])
    assert [rule.from_domain for rule in config.parse(read).override] == [("example.com",), ("example.com",)]
    assert len(warnings) == 1


def test_old_and_new_name_at_once() -> None:
    with pytest.raises(ConfigError, match=r"milter\.processes is the old name of workers, and both are set"):
        with_new_names({"milter": {"processes": 3, "workers": 2}}, [OLD])


def test_nothing_else_is_touched() -> None:
    for data in ({}, {"milter": 3}, {"milter": {"workers": 2}}, {"override": 1}):
        assert with_new_names(data, [OLD, OLD_CONDITION]) == (data, ())


def test_a_renamed_setting_in_check_config(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(renamed, "RENAMED", (OLD,))
    path = tmp_path / "x.toml"
    path.write_text("[milter]\nprocesses = 3\n")
    assert main(["serve", "--check-config", "--config", str(path)]) == 0
    assert capsys.readouterr().out == (
        f"{path}: warning: milter.processes is called workers now; version 0.9 will not know the old name\n"
        f"{path}: no errors\n"
    )


class RecordingSupervisor:
    """Takes the place of the supervisor: remembers what it is given, and reloads once."""

    settings: list[Settings]

    def __init__(self, settings: Settings, reload: Callable[[], Settings], config: Path | None) -> None:
        assert config is not None
        self.reload = reload
        RecordingSupervisor.settings = [settings]

    def run(self) -> int:
        RecordingSupervisor.settings.append(self.reload())
        return 0


def test_a_renamed_setting_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the start and at a reload."""
    monkeypatch.setattr(renamed, "RENAMED", (OLD,))
    monkeypatch.setattr(supervisor, "Supervisor", RecordingSupervisor)
    monkeypatch.setattr(log.logger, "handlers", [])
    path = tmp_path / "x.toml"
    path.write_text("[milter]\nprocesses = 3\n")
    assert main(["serve", "--config", str(path)]) == 0
    said = "WARNING milter.processes is called workers now; version 0.9 will not know the old name\n"
    assert capsys.readouterr().err == 2 * said
    assert [each.milter.workers for each in RecordingSupervisor.settings] == [3, 3]


@pytest.mark.parametrize("arguments", [["--help"], ["demo"]])
def test_a_reader_that_has_seen_enough_is_no_error_to_be_told(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "dmarc_milter", *arguments], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
