"""What a header field costs, beside a filter that does nothing.

Used by benchmarks.report; by itself it prints the table:
sudo .venv/bin/python -m benchmarks.fields [--rounds N] [--messages N]   (root: a name server on port 53 of a loopback
address of its own)

Messages of 2 KB, signed once, with 13 fields and with 53. The difference of the two, by 40, is the cost of a field.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import corpus
from benchmarks.comparison import CONNECTIONS, Round, in_turns, median_of, round_of
from benchmarks.contenders import NOTHING, OURS, Contender, floor, name_server, ours

MORE_FIELDS = 40
SENDERS = 20
CONTENDERS: dict[str, Contender] = {NOTHING: floor, OURS: ours}
SHAPES = {"13": 0, "53": MORE_FIELDS}
"""More fields, by the fields in all."""
FEW, MANY = SHAPES


def _cases(count: int) -> dict[tuple[str, str], Callable[[], Round]]:
    def case(contender: Contender, messages: list[corpus.Message]) -> Callable[[], Round]:
        return lambda: round_of(contender, messages, CONNECTIONS)

    mail = {
        fields: [corpus.plain(each, each % SENDERS, 2_000, more) for each in range(count)]
        for fields, more in SHAPES.items()
    }
    return {
        (name, fields): case(contender, messages)
        for name, contender in CONTENDERS.items()
        for fields, messages in mail.items()
    }


def table(rounds: int, count: int) -> str:
    """Medians of several rounds, and what a field costs."""
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(SENDERS))
        with name_server(zone, 0):
            found = in_turns(_cases(count), rounds)
    lines = ["| | fields | messages/s | CPU ms | µs per field |", "|---|---|---|---|---|"]
    for (name, fields), each in found.items():
        figures = median_of(each)
        cost = f"{_field_cost(found[name, FEW], each):.1f}" if fields == MANY else ""
        lines.append(f"| {name} | {fields} | {figures.messages_a_second:.0f} | {figures.cpu:.2f} | {cost} |")
    return "\n".join([*lines, ""])


def _field_cost(few: list[Round], many: list[Round]) -> float:
    """Microseconds of CPU: the median of the rounds."""
    pairs = zip(few, many, strict=True)
    return median((more.cpu - less.cpu) / MORE_FIELDS * 1e3 for less, more in pairs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    options = parser.parse_args()
    print(table(options.rounds, options.messages))


if __name__ == "__main__":
    main()
