"""What a header field costs, and mail as it really is: beside a filter that does nothing, and OpenDKIM with OpenDMARC.

sudo .venv/bin/python -m benchmarks.fields [--rounds N] [--messages N]   (root: a name server on port 53 of a loopback
address of its own)

Messages of 2 KB, signed once, with 13 fields and with 53. The difference of the two, by 40, is the cost of a field.
The whole message is compared on mail as it really is (corpus.real).
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks import corpus
from benchmarks.contenders import Contender, c_pair, ours
from benchmarks.peers import CONNECTIONS, Round, name_server, round_of
from tests.support.waiting import is_listening, wait_for

MORE_FIELDS = 40
SENDERS = 20


@contextmanager
def floor(folder: Path) -> Iterator[tuple[list[int], list[str]]]:
    """A pymilter filter that does nothing, in one process."""
    path = f"{folder}/floor"
    with subprocess.Popen([sys.executable, "-m", "benchmarks.floor", path]) as process:
        wait_for(lambda: is_listening(path), "the floor")
        yield [process.pid], [path]
        process.kill()


NOTHING, OURS, PAIR = "a filter that does nothing", "dmarc-milter", "OpenDKIM + OpenDMARC"
CONTENDERS: dict[str, Contender] = {NOTHING: floor, OURS: ours, PAIR: c_pair}
FEW, MANY, REAL = "13 fields", "53 fields", "as it really is"
Found = dict[tuple[str, str], list[Round]]


def measured(mail: dict[str, list[corpus.Message]], rounds: int) -> Found:
    """The rounds by contender and mail, all in turns."""
    found: Found = {}
    for _ in range(rounds):
        for name, contender in CONTENDERS.items():
            for kind, messages in mail.items():
                if name != PAIR or kind == REAL:
                    found.setdefault((name, kind), []).append(round_of(contender, messages, CONNECTIONS))
    return found


def ratio(found: Found, other: str, figure: str) -> float:
    """Of ours to another on real mail: the median of the ratios of all rounds."""
    pairs = zip(found[OURS, REAL], found[other, REAL], strict=True)
    return float(median(getattr(own, figure) / getattr(its, figure) for own, its in pairs))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    options = parser.parse_args()
    count = options.messages
    mail = {
        FEW: [corpus.plain(each, each % SENDERS, 2_000) for each in range(count)],
        MANY: [corpus.plain(each, each % SENDERS, 2_000, MORE_FIELDS) for each in range(count)],
        REAL: corpus.real(count, max(1, count // 5)),
    }
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(max(SENDERS, count // 5)))
        with name_server(zone, 0):
            found = measured(mail, options.rounds)
    print("| | mail | messages/s | CPU ms | p50 ms | p99 ms |\n|---|---|---|---|---|---|")
    for (name, kind), rounds in found.items():
        each = Round(*(median(figures) for figures in zip(*rounds, strict=True)))
        print(f"| {name} | {kind} | {each.messages_a_second:.0f} | {each.cpu:.2f} | {each.p50:.1f} | {each.p99:.1f} |")
    cpu = {key: median(each.cpu for each in rounds) for key, rounds in found.items()}
    nothing, own = ((cpu[name, MANY] - cpu[name, FEW]) / MORE_FIELDS * 1e3 for name in (NOTHING, OURS))
    print(f"\nA field: {nothing:.1f} us by a filter that does nothing, {own:.1f} us by ours.")
    print(f"Mail as it really is: {ratio(found, NOTHING, 'cpu'):.2f} times the CPU of a filter that does nothing;")
    to_pair = (ratio(found, PAIR, figure) for figure in ("cpu", "messages_a_second", "p99"))
    print("to the C pair: CPU {:.2f}, messages/s {:.2f}, p99 {:.2f}.".format(*to_pair))


if __name__ == "__main__":
    main()
