"""What journal and metrics cost: the same load with the journal on and off, in turns in one run.

.venv/bin/python -m benchmarks.journal
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.processes import cpu_seconds
from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter

ROUNDS = 5
CONNECTIONS = 20
MESSAGES = 3_000


class Figures(NamedTuple):
    """Of one round."""

    messages_a_second: float
    cpu_milliseconds: float
    """A message, of the filter and all its processes."""


def send(running: RunningFilter, count: int) -> None:
    """Messages over one connection."""
    scene = EXAMPLES[0]
    fields, body = scene.content
    mta = running.mta()
    mta.connect(scene.helo, scene.client)
    mta.helo(scene.helo)
    for number in range(count):
        answer = mta.message(scene.mail_from, ["you@example.org"], fields, body, queue_id=f"4X{number}")
        assert answer.action == "accept"
    mta.quit()


def round_of(server: NameServerThread, *, journal: bool) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        text = f'workers = 2\n[dns]\nnameservers = ["{server.address}"]\n'
        if not journal:
            text += "[journal]\nenabled = false\n"
        running = RunningFilter(Path(folder), f"unix:{folder}/s", text)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda _: send(running, 5), range(CONNECTIONS)))
            cpu, started = cpu_seconds(running.process.pid), time.perf_counter()
            list(pool.map(lambda _: send(running, MESSAGES // CONNECTIONS), range(CONNECTIONS)))
            seconds = time.perf_counter() - started
        time.sleep(1)  # what is queued gets written, and its cost counts
        cpu = cpu_seconds(running.process.pid) - cpu
        running.stop()
    return Figures(MESSAGES / seconds, cpu / MESSAGES * 1e3)


def main() -> None:
    """Medians over the rounds."""
    found: dict[bool, list[Figures]] = {True: [], False: []}
    with NameServerThread(ZoneResolver.from_text(zone_text())) as server:
        for _ in range(ROUNDS):
            for journal in (True, False):
                found[journal].append(round_of(server, journal=journal))
    rates = {on: median(each.messages_a_second for each in rounds) for on, rounds in found.items()}
    costs = {on: median(each.cpu_milliseconds for each in rounds) for on, rounds in found.items()}
    for on in (False, True):
        print(f"journal {'on ' if on else 'off'}: {rates[on]:.0f} messages/s, {costs[on]:.2f} ms of CPU a message")
    print(f"    throughput with it: {rates[True] / rates[False] * 100:.1f} % (wanted: over 90 %)")


if __name__ == "__main__":
    main()
