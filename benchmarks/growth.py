"""How cost grows: with size, header fields, signatures, connections, workers, and how often a sender is seen.

Used by benchmarks.report; by itself it prints the tables: sudo .venv/bin/python -m benchmarks.growth
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks import corpus
from benchmarks.comparison import Round, round_of
from benchmarks.contenders import Contender, name_server, ours, with_workers
from benchmarks.corpus import Message

SENDERS = 400
COUNT = 600


def same(count: int = COUNT, senders: int = 20, **shape: int) -> list[Message]:
    """`count` messages of one shape; a few are signed, and sent again and again."""
    made = [corpus.plain(number, number % senders, **shape) for number in range(min(count, 2 * senders))]
    return [made[number % len(made)] for number in range(count)]


def table(what: str, unit: str, rounds: Iterable[tuple[object, Round]]) -> str:
    lines = [
        f"### {what}",
        "",
        f"| {unit} | CPU ms per message | messages/s | p50 ms | p99 ms | MB of the largest process |",
        "|---|---|---|---|---|---|",
    ]
    for value, each in rounds:
        lines.append(
            f"| {value} | {each.cpu:.2f} | {each.messages_a_second:.0f} | {each.p50:.1f} | {each.p99:.1f} | "
            f"{each.memory:.0f} |"
        )
    return "\n".join([*lines, ""])


def measured(messages: list[Message], connections: int = 20, contender: Contender = ours, idle: int = 0) -> Round:
    found = round_of(contender, messages, connections, idle=idle)
    assert found.right == len(messages), f"{found.right} of {len(messages)} verdicts are right"
    return found


def tables() -> str:
    """All of them."""
    sizes = {"2 KB": (2_000, COUNT), "20 KB": (20_000, COUNT), "200 KB": (200_000, 300), "2 MB": (2_000_000, 60)}
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(SENDERS))
        with name_server(zone, 0):
            found = [
                table(
                    "Size",
                    "a message",
                    ((name, measured(same(count, size=size))) for name, (size, count) in sizes.items()),
                ),
                table(
                    "Header fields", "more fields", ((n, measured(same(extra_fields=n))) for n in (0, 50, 200, 1000))
                ),
                table(
                    "Signatures", "signatures (RSA 2048)", ((n, measured(same(signatures=n))) for n in (0, 1, 3, 10))
                ),
                table("Connections", "at a time", ((n, measured(same(1_500), n)) for n in (1, 5, 20, 100, 500))),
                table("Idle connections", "beside 20", ((n, measured(same(), idle=n)) for n in (0, 100, 400))),
                table("Workers", "processes", ((n, measured(same(1_500), 20, with_workers(n))) for n in (1, 2, 4))),
                table(
                    "Messages of one sender",
                    "messages per sender",
                    ((n, measured(same(COUNT, COUNT // n if n > 1 else SENDERS))) for n in (2, 5, 60)),
                ),
            ]
    return "\n".join(found)


if __name__ == "__main__":
    print(tables())
