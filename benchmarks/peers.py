"""dmarc-milter beside its peers: the same mail in one run, in turns, medians of several rounds.

Used by benchmarks.report; by itself it prints the tables:
sudo .venv/bin/python -m benchmarks.peers [--rounds N] [--messages N]   (root: a name server on port 53 of a loopback
address of its own, a private /etc/resolv.conf; Debian's opendkim and opendmarc; rspamd, pyspf-milter and dkimpy-milter
where they are installed)

CPU is that of the filters and all their processes; the load and the DNS are not counted.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from benchmarks import corpus, load
from benchmarks.contenders import ADDRESS, WORKERS, Contender, installed
from benchmarks.processes import cpu_seconds, peak_megabytes, tree

CONNECTIONS = 20


class Round(NamedTuple):
    """One round of one contender."""

    messages_a_second: float
    cpu: float
    """Milliseconds per message."""
    p50: float
    p99: float
    last_p50: float
    last_p99: float
    memory: float
    """Megabytes of the largest process."""
    right: int


@contextmanager
def name_server(zone: Path, delay: float) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.name_server", str(zone), ADDRESS, "53", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


def round_of(
    contender: Contender, messages: list[corpus.Message], connections: int, pause: float = 0.0, idle: int = 0
) -> Round:
    """One round; with `idle` further connections that say nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with contender(folder) as (pids, paths):
            silent = [load.Connection(path) for path in paths for _ in range(idle)]
            before = sum(map(cpu_seconds, pids))
            seconds, timing = load.run(paths, messages, connections, pause)
            time.sleep(1)  # what is written later counts too
            cpu = sum(map(cpu_seconds, pids)) - before
            memory = max(peak_megabytes(each) for pid in pids for each in tree(pid))
            for each in silent:
                each.close()
    whole = quantiles(timing.whole, n=100)
    count = len(messages)
    return Round(
        count / seconds,
        cpu / count * 1e3,
        median(timing.whole) * 1e3,
        whole[98] * 1e3,
        median(timing.last_step) * 1e3,
        quantiles(timing.last_step, n=100)[98] * 1e3,
        memory,
        timing.verdicts[True],
    )


def medians(rounds: list[Round]) -> Round:
    return Round(*(median(each) for each in zip(*rounds, strict=True)))


def compare(messages: list[corpus.Message], connections: int, rounds: int, pause: float = 0.0) -> dict[str, Round]:
    """All contenders in turns, so that a slow minute of the machine is everybody's."""
    contenders = installed()
    found: dict[str, list[Round]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            found[name].append(round_of(contender, messages, connections, pause))
    return {name: medians(each) for name, each in found.items()}


def table(title: str, found: dict[str, Round], count: int) -> str:
    lines = [
        f"### {title}",
        "",
        "| | messages/s | CPU ms | p50 ms | p99 ms | last step p50, p99 ms | peak MB | right |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in found.items():
        lines.append(
            f"| {name} | {each.messages_a_second:.0f} | {each.cpu:.2f} | {each.p50:.1f} | {each.p99:.1f} | "
            f"{each.last_p50:.1f}, {each.last_p99:.1f} | {each.memory:.0f} | {each.right:.0f} of {count} |"
        )
    own, other, *_ = found.values()
    lines.append(
        f"| ours to the C pair | {own.messages_a_second / other.messages_a_second:.2f} | {own.cpu / other.cpu:.2f} | "
        f"{own.p50 / other.p50:.2f} | {own.p99 / other.p99:.2f} | "
        f"{own.last_p50 / other.last_p50:.2f}, {own.last_p99 / other.last_p99:.2f} | | |"
    )
    return "\n".join([*lines, ""])


PAUSE = 0.025
"""A client's round trip: one of the DNS's, and a little."""


def tables(rounds: int, count: int) -> tuple[str, dict[str, dict[str, Round]]]:
    """The comparison in words and figures."""
    senders = max(1, count // 5)
    messages = corpus.messages(count, senders)
    average = sum(len(each.body) for each in messages) / len(messages)
    few = messages[: len(messages) // 10]
    again = corpus.messages(len(few), max(1, len(few) // 5))
    found: dict[str, dict[str, Round]] = {}
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(senders))
        with name_server(zone, 0):
            found[f"DNS on this host, {CONNECTIONS} connections"] = compare(messages, CONNECTIONS, rounds)
        with name_server(zone, 20):
            found["DNS 20 ms away, one connection, five messages per sender"] = compare(again, 1, rounds)
            found["DNS 20 ms away, one connection, nearly every sender new"] = compare(few, 1, rounds)
            found["The same, the client a round trip away"] = compare(few, 1, rounds, PAUSE)
    head = f"{count} messages, {average / 1000:.0f} KB on average, {senders} senders, {WORKERS} workers, cold caches.\n"
    counts = [count, len(again), len(few), len(few)]
    shown = [table(title, each, number) for (title, each), number in zip(found.items(), counts, strict=True)]
    return "\n".join([head, *shown]), found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    options = parser.parse_args()
    print(tables(options.rounds, options.messages)[0])


if __name__ == "__main__":
    main()
