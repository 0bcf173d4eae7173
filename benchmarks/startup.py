"""What starting takes: `serve` with two workers until its first message is answered, and `check` of one message.

Used by benchmarks.report; by itself it prints the table: .venv/bin/python -m benchmarks.startup [--rounds N]

Seconds by the clock, from the start of the process, and CPU seconds, which other programs change less. Python keeps
what it compiled, as a package has it compiled: the first round, which compiles, does not count.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import check
from benchmarks.contenders import WORKERS
from benchmarks.processes import cpu_seconds
from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.mta import Mta
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.waiting import is_listening, wait_for


class Start(NamedTuple):
    """Of one process, in seconds."""

    elapsed: float
    cpu: float


class _Starting:
    """Starts the command in a folder of its own, with what Python compiled kept there."""

    def __init__(self, folder: Path, server: NameServerThread) -> None:
        self._folder = folder
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        (folder / "filter.toml").write_text(
            f'[milter]\nworkers = {WORKERS}\nlisten = "unix:{folder}/s"\n[dns]\nnameservers = ["{server.address}"]\n'
            f'[metrics]\nlisten = "127.0.0.1:0"\n[journal]\ndatabase = "sqlite:///{folder}/journal.sqlite"\n'
        )
        (folder / "zone").write_text(check.ZONE)
        (folder / "message.eml").write_bytes(check.message(0))

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "dmarc_milter", *arguments]

    def serve(self) -> Start:
        """Until the first message is answered."""
        started = time.perf_counter()
        command = self._command("serve", "--config", f"{self._folder}/filter.toml")
        with subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL) as process:
            wait_for(lambda: is_listening(self._folder / "s"), "the filter")
            self._send()
            found = Start(time.perf_counter() - started, cpu_seconds(process.pid))
            process.terminate()
        return found

    def _send(self) -> None:
        scene = EXAMPLES[0]
        with socket.socket(socket.AF_UNIX) as connected:
            connected.connect(f"{self._folder}/s")
            mta = Mta(connected)
            mta.connect(scene.helo, scene.client)
            mta.helo(scene.helo)
            answer = mta.message(scene.mail_from, ["you@example.org"], *scene.content)
            assert "dmarc=pass" in answer.results, answer
            mta.quit()

    def check(self) -> Start:
        """Until it has ended."""
        started = time.perf_counter()
        command = self._command("check", f"{self._folder}/message.eml", "--zone", f"{self._folder}/zone")
        process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return Start(time.perf_counter() - started, used.ru_utime + used.ru_stime)


def _median(start: Callable[[], Start], rounds: int) -> Start:
    start()
    return Start(*(median(each) for each in zip(*(start() for _ in range(rounds)), strict=True)))


def table(rounds: int) -> str:
    """Medians of several rounds."""
    with tempfile.TemporaryDirectory() as name, NameServerThread(ZoneResolver.from_text(zone_text())) as server:
        starting = _Starting(Path(name), server)
        found = {
            f"`serve`, {WORKERS} workers, to the first message's answer": _median(starting.serve, rounds),
            "`check` of one message": _median(starting.check, rounds),
        }
    lines = ["| | seconds | CPU seconds, all processes |", "|---|---|---|"]
    lines += [f"| {name} | {each.elapsed:.2f} | {each.cpu:.2f} |" for name, each in found.items()]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    print(table(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
