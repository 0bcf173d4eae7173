"""The guard: instructions that a message takes, stage by stage, beside those that were recorded.

.venv/bin/python -m benchmarks.guard            exit status 1 where a stage takes more than 5 % over the record
.venv/bin/python -m benchmarks.guard --record   write down what it takes now (benchmarks/instructions.json)

A short, fixed mix is played on one thread under callgrind. Instructions do not depend on a busy neighbour, and hardly
on the machine: OpenSSL is kept from choosing code by the processor. They depend on Python: each version has a record.
"""

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.stages import as_libmilter, play
from dmarc_milter.columns.column import Row
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.judging.site import Site
from dmarc_milter.milter.worker_state import WorkerState
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry.log import message_line
from tests.support.libmilter import registered

MARK = os.getloadavg
"""A function of libc's name that nothing else calls: callgrind writes down its count there."""
RECORD = Path(__file__).with_name("instructions.json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
MESSAGES, SENDERS = 20, 4
MOST = 1.05
TOGETHER = "together"
_NOTHING = "nothing"
"""What the marks themselves take: taken off."""


class _Marks:
    """Stages whose instructions are counted: a mark before each, and one behind it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def timed(self, name: str, step: Callable[..., Any], *arguments: object) -> Any:
        """As benchmarks.stages has it, with marks in place of a clock."""
        self.names.append(name)
        MARK()
        value = step(*arguments)
        MARK()
        return value


class _Silent(_Marks):
    """Before anything is counted."""

    def timed(self, name: str, step: Callable[..., Any], *arguments: object) -> Any:
        return step(*arguments)


def _inner() -> None:
    """What runs under callgrind: everything once, so that what is kept is there, and once more, counted."""
    source, settings = ZoneResolver.from_text(corpus.zone(SENDERS)), Settings()
    lines: list[str] = []

    def log(row: Row) -> None:
        lines.append(message_line(row, settings.log))

    call = registered(WorkerState(Site.of(settings, Runner(source), source), [log]))
    messages = [as_libmilter(each) for each in corpus.real(MESSAGES, SENDERS)]
    for message in messages:
        play(_Silent(), call, message)
    gc.collect()
    gc.freeze()
    gc.disable()
    marks = _Marks()
    for _ in range(MESSAGES):
        marks.timed(_NOTHING, lambda: None)
    for message in messages:
        play(marks, call, message)
    json.dump(marks.names, sys.stdout)


def measured() -> dict[str, int]:
    """Instructions per message, by stage, and together."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        callgrind = ["valgrind", "--tool=callgrind", "--dump-line=no", f"--callgrind-out-file={folder}/out"]
        command = [*callgrind, f"--dump-before={MARK.__name__}", sys.executable, "-m", "benchmarks.guard", "--inner"]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENSSL_ia32cap": "0:0"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        names = json.loads(ended.stdout)
        # The first dump is all that came before the first mark; then those within stages and between them take turns.
        counts = [_instructions(folder / f"out.{number}") for number in range(2, 2 * len(names) + 1, 2)]
    marking = sum(count for name, count in zip(names, counts, strict=True) if name == _NOTHING) // MESSAGES
    found: dict[str, int] = defaultdict(int)
    for stage, count in zip(names, counts, strict=True):
        if stage != _NOTHING:
            found[stage] += count - marking
    per_message = {stage: count // MESSAGES for stage, count in found.items()}
    return {**per_message, TOGETHER: sum(per_message.values())}


def _instructions(dump: Path) -> int:
    match = re.search(r"^summary: (\d+)", dump.read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1])


def recorded() -> dict[str, int] | None:
    """What was written down for this version of Python; None where nothing was."""
    found: dict[str, int] | None = json.loads(RECORD.read_text()).get(VERSION)
    return found


def exceeded(found: dict[str, int], record: dict[str, int]) -> list[str]:
    """A line for each stage that takes more than is tolerated."""
    return [
        f"{stage}: {count} instructions per message, {_beside(count, record.get(stage))}"
        for stage, count in found.items()
        if count > MOST * record.get(stage, 0)
    ]


def _beside(count: int, before: int | None) -> str:
    return "which nobody recorded" if before is None else f"{count / before:.2f} times the {before} recorded"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        _inner()
        return 0
    found, record = measured(), recorded() or {}
    print("| stage | instructions per message | to the record |\n|---|---|---|")
    for stage, count in found.items():
        print(f"| {stage} | {count} | {f'{count / record[stage]:.3f}' if stage in record else 'none'} |")
    if options.record:
        kept = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        RECORD.write_text(json.dumps({**kept, VERSION: found}, indent=2, sort_keys=True) + "\n")
        return 0
    problems = exceeded(found, record)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
