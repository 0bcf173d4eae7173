"""dmarc-milter beside OpenDKIM + OpenDMARC: the same mail in one run, in turns, medians of several rounds.

sudo .venv/bin/python -m benchmarks.peers [--rounds N] [--messages N]   (root: a name server on port 53 of a loopback
address of its own, a private /etc/resolv.conf)

CPU is that of the filters and all their processes; the load and the DNS are not counted.
"""

import argparse
import os
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
from benchmarks.processes import cpu_seconds, peak_megabytes, tree
from tests.running import RunningFilter
from tests.system.postfix import wait_for

ADDRESS = "127.0.0.153"
CONNECTIONS = 20
WORKERS = 2


class Round(NamedTuple):
    """One round of one contender."""

    messages_a_second: float
    cpu: float
    """Milliseconds a message."""
    p50: float
    p99: float
    last_p50: float
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


@contextmanager
def ours(folder: Path) -> Iterator[tuple[list[int], list[str]]]:
    text = f'workers = {WORKERS}\n[dns]\nnameservers = ["{ADDRESS}"]\n[policy]\nmode = "enforce"\n'
    running = RunningFilter(folder, f"unix:{folder}/s", text)
    try:
        yield [running.process.pid], [f"{folder}/s"]
    finally:
        assert running.stop() == 0


@contextmanager
def c_pair(folder: Path) -> Iterator[tuple[list[int], list[str]]]:
    """OpenDKIM and OpenDMARC, the latter with its own SPF; no logging."""
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    (folder / "hosts").write_text("")
    (folder / "opendkim.conf").write_text(
        f"Mode v\nSocket local:{folder}/dkim\nSyslog no\nAuthservID mx.example.org\nAlwaysAddARHeader yes\n"
        f"Nameservers {ADDRESS}\nOn-Default accept\nRequireSafeKeys no\n"
    )
    (folder / "opendmarc.conf").write_text(
        f"Socket local:{folder}/dmarc\nSyslog false\nAuthservID mx.example.org\nTrustedAuthservIDs mx.example.org\n"
        "RejectFailures true\nSPFSelfValidate true\nSPFIgnoreResults true\n"
    )
    processes = []
    for program, flags in (("opendkim", "-f -x"), ("opendmarc", "-f -c")):
        script = f"mount --bind {folder}/resolv.conf /etc/resolv.conf; exec {program} {flags} {folder}/{program}.conf"
        command, path = ["unshare", "-m", "sh", "-c", script], "/usr/sbin:/usr/bin:/sbin:/bin"
        processes.append(subprocess.Popen(command, env={**os.environ, "PATH": path}))
    paths = [f"{folder}/dkim", f"{folder}/dmarc"]
    wait_for(lambda: all(os.path.exists(path) for path in paths), "the C filters")
    try:
        yield [each.pid for each in processes], paths
    finally:
        for each in processes:
            each.kill()
            each.wait()


def round_of(contender: object, messages: list[corpus.Message], connections: int) -> Round:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with contender(folder) as (pids, paths):  # type: ignore[operator]
            before = sum(map(cpu_seconds, pids))
            seconds, timing = load.run(paths, messages, connections)
            time.sleep(1)  # what is written later counts too
            cpu = sum(map(cpu_seconds, pids)) - before
            memory = max(peak_megabytes(each) for pid in pids for each in tree(pid))
    whole = quantiles(timing.whole, n=100)
    count = len(messages)
    return Round(
        count / seconds,
        cpu / count * 1e3,
        median(timing.whole) * 1e3,
        whole[98] * 1e3,
        median(timing.last_step) * 1e3,
        memory,
        timing.verdicts[True],
    )


def medians(rounds: list[Round]) -> Round:
    return Round(*(median(each) for each in zip(*rounds, strict=True)))


def compare(messages: list[corpus.Message], connections: int, rounds: int) -> dict[str, Round]:
    found: dict[str, list[Round]] = {"dmarc-milter": [], "OpenDKIM + OpenDMARC": []}
    for _ in range(rounds):
        for name, contender in (("dmarc-milter", ours), ("OpenDKIM + OpenDMARC", c_pair)):
            found[name].append(round_of(contender, messages, connections))
    return {name: medians(each) for name, each in found.items()}


def table(title: str, found: dict[str, Round], count: int) -> str:
    lines = [
        f"### {title}",
        "",
        "| | messages/s | CPU ms | p50 ms | p99 ms | last step p50 ms | peak MB | right |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in found.items():
        lines.append(
            f"| {name} | {each.messages_a_second:.0f} | {each.cpu:.2f} | {each.p50:.1f} | {each.p99:.1f} | "
            f"{each.last_p50:.2f} | {each.memory:.0f} | {each.right:.0f} of {count} |"
        )
    own, other = found.values()
    lines.append(
        f"| ratio | {own.messages_a_second / other.messages_a_second:.2f} | {own.cpu / other.cpu:.2f} | "
        f"{own.p50 / other.p50:.2f} | {own.p99 / other.p99:.2f} | {own.last_p50 / other.last_p50:.2f} | | |"
    )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    options = parser.parse_args()
    senders = max(1, options.messages // 5)
    messages = corpus.messages(options.messages, senders)
    average = sum(len(each.body) for each in messages) / len(messages)
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(senders))
        print(f"{len(messages)} messages, {average / 1000:.0f} KB on average, {senders} senders, {WORKERS} workers")
        with name_server(zone, 0):
            found = compare(messages, CONNECTIONS, options.rounds)
        print(table(f"DNS on this host, {CONNECTIONS} connections", found, len(messages)))
        few = messages[: len(messages) // 10]
        with name_server(zone, 20):
            found = compare(few, 1, options.rounds)
        print(table("DNS 20 ms away, one connection, cold cache", found, len(few)))


if __name__ == "__main__":
    main()
