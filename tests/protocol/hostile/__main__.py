"""Plays all attacks to the filter of this tree and prints what came of them; exit status 1 if anything got through.

python -m tests.protocol.hostile [--verbose] [PART OF A GROUP'S NAME]
"""

import argparse
import sys

from tests.protocol.hostile.message import ACCEPTED, DEFERRED, REFUSED
from tests.protocol.hostile.results import MB, Row, play_all

HEAD = f"{'':>5} {'group':45} {'msgs':>5} {'refus':>5} {'defer':>5} {'in':>5} {'other':>5} {'CPU s':>6} {'sec':>5} {'quest':>5} {'MB':>4}"


def line(row: Row) -> str:
    counts = " ".join(f"{row.outcomes[each] or '':>5}" for each in (REFUSED, DEFERRED, ACCEPTED))
    cpu = "" if row.cpu is None else f"{row.cpu:.2f}"
    memory = row.memory // MB or ""
    measured = f"{row.others or '':>5} {cpu:>6} {row.seconds:>5.1f} {row.questions or '':>5} {memory:>4}"
    judged = f"{len(row.faults)} wrong" if row.faults else f"{len(row.late)} late" if row.late else "holds"
    return f"{row.point:>5} {row.name:45.45} {row.messages:>5} {counts} {measured} {judged}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.hostile", description=__doc__)
    parser.add_argument("--verbose", action="store_true", help="show what is wrong in each group")
    parser.add_argument("name", nargs="?", default="", help="only groups whose name holds this")
    options = parser.parse_args()
    print(HEAD)
    wrong = 0
    for row in play_all(options.name):
        print(line(row), flush=True)
        wrong += bool(row.faults or row.late)
        for fault in (*row.faults, *row.late) if options.verbose else ():
            print(f"{'':12}{fault[:200]}")
    print(f"{wrong} groups do not hold" if wrong else "all groups hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
