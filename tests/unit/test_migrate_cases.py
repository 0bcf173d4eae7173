"""dmarc-milter migrate on whole hosts: what is written, said, and what Postfix says once the steps were followed."""

import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.settings import config
from tests.support.conformance import MIGRATE
from tests.support.postfix import HAS_POSTFIX


def _cases() -> list[Any]:
    if not MIGRATE.is_dir():
        return [pytest.param(MIGRATE, marks=pytest.mark.skip(reason=f"no cases in {MIGRATE}"))]
    return [pytest.param(each, id=each.name) for each in sorted(MIGRATE.iterdir()) if each.is_dir()]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("case", _cases())
def test_the_case(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, output = tmp_path / "in", tmp_path / "dmarc-milter.toml"
    if (case / "in").exists():
        shutil.copytree(case / "in", root)
    root.mkdir(exist_ok=True)
    if _is_of_postfix(root) and not HAS_POSTFIX:
        pytest.skip("Postfix's postconf is not installed")
    is_refused_for_the_file = "dmarc-milter.toml is there" in (case / "says").read_text()
    options = [] if is_refused_for_the_file else ["--output", str(output)]
    status = main(["migrate", "--root", str(root), *options])
    told = capsys.readouterr()
    assert status == int((case / "status").read_text()), told.err
    for line in _lines(case / "says"):
        assert (line.removeprefix("! ") in told.out + told.err) is not line.startswith("! "), told.out + told.err
    if status:
        assert not output.exists()
        return
    written = tomllib.loads(output.read_text())
    expected = tomllib.loads((case / "expected.toml").read_text())
    assert written["policy"]["mode"] == "monitor"
    assert f'"{expected["policy"]["mode"]}"' in output.read_text()
    written["policy"]["mode"] = expected["policy"]["mode"]
    assert written == expected
    config.parse(written)
    for line in _lines(case / "maincf"):
        assert line in told.out
    _follow(told.out, root)
    shown = _shown(root) if (case / "after").exists() else []
    for line in _lines(case / "after"):
        assert line in shown


def _is_of_postfix(root: Path) -> bool:
    return (root / "main.cf").exists()


def _follow(report: str, root: Path) -> None:
    """The postconf commands of all three steps, in order, on the copy."""
    for line in report.splitlines():
        if line.strip().startswith("postconf -"):
            command = shlex.split(line)
            subprocess.run([command[0], "-c", str(root), *command[1:]], check=True, capture_output=True)


def _shown(root: Path) -> list[str]:
    lines = []
    for option in ("-n", "-P"):
        done = subprocess.run(["postconf", "-c", str(root), option], capture_output=True, text=True, check=True)
        lines += [" = ".join(map(str.strip, line.split("=", 1))).rstrip() for line in done.stdout.splitlines()]
    return [line.removesuffix(" =") + " =" if line.endswith("=") else line for line in lines]
