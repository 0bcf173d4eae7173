"""What dmarc-milter migrate runs."""

import argparse
import json
import sys
from pathlib import Path

from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.common import terminal
from dmarc_milter.migrating import report
from dmarc_milter.migrating.migration import Migration
from dmarc_milter.migrating.migration import migrate as migration_of
from dmarc_milter.migrating.steps import SETTINGS
from dmarc_milter.migrating.tree import Tree

_STANDARD_OUTPUT = "-"


def migrate(options: argparse.Namespace) -> int:
    """dmarc-milter migrate"""
    root: Path = options.root
    if not root.is_dir():
        return _fail([f"{root} is no folder"])
    output = None if options.output == _STANDARD_OUTPUT else _output(options, root)
    found = migration_of(Tree(root), _on_the_host(output, root))
    problems = [str(each) for each in found.problems]
    if output is not None and output.exists():
        problems.append(
            f"{output}: {output.name} is there, and is never overwritten. Name another file with --output; the first "
            "step puts it in its place."
        )
    if problems:
        return _fail(problems)
    if output is None:
        sys.stdout.write(found.draft.text())
    else:
        try:
            _write(output, found.draft.text())
        except OSError as error:
            return _fail([f"{output}: {error.strerror}"])
    _tell(found, options, "standard output" if output is None else str(output))
    return 0


def _output(options: argparse.Namespace, root: Path) -> Path:
    return Path(options.output) if options.output is not None else root / SETTINGS.lstrip("/")


def _on_the_host(output: Path | None, root: Path) -> str:
    """Where the file is, as the steps name it: below a root, it has its place already."""
    if output is None:
        return "dmarc-milter.toml"
    return SETTINGS if output == root / SETTINGS.lstrip("/") else str(output)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _tell(found: Migration, options: argparse.Namespace, written: str) -> None:
    stream = sys.stderr if options.output == _STANDARD_OUTPUT else sys.stdout
    if options.json:
        json.dump(report.as_json(found, written), stream, indent=2, sort_keys=True)
        stream.write("\n")
    else:
        stream.write(report.text(found, written, terminal.columns(stream) if stream.isatty() else None))


def _fail(problems: list[str]) -> int:
    for problem in problems:
        print(f"dmarc-milter: {problem}", file=sys.stderr)
    print("dmarc-milter: nothing was written", file=sys.stderr)
    return USAGE_ERROR
