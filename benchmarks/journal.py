"""What the journal costs, and what counting for reports does: the same load with both, one and none, in turns.

.venv/bin/python -m benchmarks.journal
"""

import argparse
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


OFF, ON, REPORTS = "journal off", "journal on", "journal and reports on"
SETTINGS = {
    OFF: "[journal]\nenabled = false\n",
    ON: "",
    REPORTS: '[report]\nenabled = true\norganization = "E"\nemail = "d@r.example.org"\nsubmitter = "example.org"\n',
}


def round_of(server: NameServerThread, settings: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        text = f'workers = 2\n[dns]\nnameservers = ["{server.address}"]\n' + settings
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
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found: dict[str, list[Figures]] = {name: [] for name in SETTINGS}
    with NameServerThread(ZoneResolver.from_text(zone_text())) as server:
        for _ in range(rounds):
            for name, settings in SETTINGS.items():
                found[name].append(round_of(server, settings))
    rates = {name: median(each.messages_a_second for each in some) for name, some in found.items()}
    costs = {name: median(each.cpu_milliseconds for each in some) for name, some in found.items()}
    for name in SETTINGS:
        print(f"{name}: {rates[name]:.0f} messages/s, {costs[name]:.3f} ms of CPU a message")
    print(f"    throughput with the journal: {rates[ON] / rates[OFF] * 100:.1f} % (wanted: over 90 %)")
    print(f"    CPU for reports: {(costs[REPORTS] / costs[ON] - 1) * 100:.1f} % more (wanted: 3 % at most)")


if __name__ == "__main__":
    main()
