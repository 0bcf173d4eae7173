"""Whether memory stays flat: the same mail again and again, and senders that are never seen again.

For each worker its resident memory, 'in all' the proportional set size of supervisor and workers.

sudo .venv/bin/python -m benchmarks.soak [--messages N]
"""

import argparse
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import corpus, load
from benchmarks.comparison import CONNECTIONS
from benchmarks.contenders import name_server, ours
from benchmarks.processes import proportional_megabytes, tree

STEP = 10_000


def megabytes_now(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def workers_of(pid: int) -> list[int]:
    return [each for each in tree(pid) if Path(f"/proc/{each}/comm").read_text().startswith("milter-worker")]


def batch(known: list[corpus.Message], number: int) -> list[corpus.Message]:
    """Half of it known senders, half strangers, whose names exist once in the world."""
    made = []
    for index in range(STEP):
        message = known[(number * STEP + index) % len(known)]
        if index % 2:
            stranger = f"s{number}-{index}.strangers.example"
            fields = tuple(
                (name, f" news@{stranger}".encode() if name == b"From" else value)
                for name, value in message.fields
                if name != b"DKIM-Signature"
            )
            message = replace(message, helo=stranger, mail_from=f"a@{stranger}", fields=fields, body=b"Hello\r\n")
        made.append(message)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    senders = 100
    known = corpus.messages(500, senders)
    strangers = '*.strangers.example. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        (folder / "zone").write_text(corpus.zone(senders) + strangers)
        with name_server(folder / "zone", 0), ours(folder) as (pids, paths):
            for number in range(options.messages // STEP):
                seconds, _ = load.run(paths, batch(known, number), CONNECTIONS)
                workers = ", ".join(f"{megabytes_now(each):.1f}" for each in workers_of(pids[0]))
                memory = f"workers {workers} MB, in all {proportional_megabytes(pids[0]):.1f} MB"
                size = (folder / "journal.sqlite").stat().st_size / ((number + 1) * STEP)
                print(
                    f"{(number + 1) * STEP} messages: {memory}; "
                    f"{STEP / seconds:.0f} messages/s; journal {size:.0f} octets per record",
                    flush=True,
                )


if __name__ == "__main__":
    main()
