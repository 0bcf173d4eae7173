"""Measures everything that docs/performance.md says between its marks, and writes it there, with docs/performance.svg.

sudo .venv/bin/python -m benchmarks.report [--rounds N] [--messages N] [--only PART ...]
(half an hour; says how long each part took)

What people wrote in that page stays: figures go between its marks.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import fields, growth, peers, stages, startup
from benchmarks.comparison import Comparison, Round
from benchmarks.contenders import NOTHING, OURS
from benchmarks.drawing import Drawing

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
SHOWN: list[tuple[str, Callable[[Round], float]]] = [
    ("CPU ms per message", lambda each: each.cpu),
    ("messages per second", lambda each: each.messages_a_second),
    ("p50 ms", lambda each: each.p50),
    ("p99 ms", lambda each: each.p99),
]
PARTS = ("peers", "fields", "stages", "startup", "growth")
COLOURS = ["#2b6cb0", "#a0aec0", "#cbd5e0", "#e2e8f0"]
WIDTH, LEFT, BAR = 760, 190, 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    rounds, messages = options.rounds, options.messages

    def compared() -> str:
        words, found = peers.tables(rounds, messages)
        (DOCS / "performance.svg").write_text(picture(found), "utf-8")
        write("sizing", sizing(next(iter(found.values())).medians[OURS]))
        return words

    parts: dict[str, Callable[[], str]] = {
        "peers": compared,
        "fields": lambda: fields.table(rounds, messages),
        "stages": stages.table,
        "startup": lambda: startup.table(rounds),
        "growth": growth.tables,
    }
    for mark in options.only:
        started = time.monotonic()
        write(mark, parts[mark]())
        print(f"{mark}: {time.monotonic() - started:.0f} s", file=sys.stderr)


def write(mark: str, text: str) -> None:
    """Put `text` between the marks of that name, so that what was measured is kept whatever comes next."""
    PAGE.write_text(_put(PAGE.read_text("utf-8"), mark, text), "utf-8")


def _put(page: str, mark: str, text: str) -> str:
    pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
    changed, count = re.subn(pattern, lambda found: f"{found[1]}{text.rstrip()}\n{found[2]}", page, flags=re.DOTALL)
    assert count == 1, f"docs/performance.md has no marks for {mark}"
    return changed


def sizing(each: Round) -> str:
    """Messages a day for which one core is enough, at half its time and with a busy hour of a tenth of the day."""
    hour = 3600 / (each.cpu / 1000) * 0.5
    return (
        f"A message of this mix cost {each.cpu:.2f} ms of CPU here. A core that is to be half busy in the busiest "
        "hour, which brings a tenth of the day's mail, is enough for "
        f"**{hour * 10 / 1e6:.1f} million messages per day**."
    )


def picture(found: dict[str, Comparison]) -> str:
    """Bars, a group for each figure of each comparison; longer is more."""
    drawing, y = Drawing(WIDTH), 24
    for title, compared in found.items():
        rounds = {name: each for name, each in compared.medians.items() if name != NOTHING}
        drawing.text(8, y, title, is_bold=True)
        y += 10
        for name, value in SHOWN:
            most = max(map(value, rounds.values()))
            drawing.text(LEFT - 8, y + 12, name, anchor="end")
            for colour, (contender, each) in zip(COLOURS, rounds.items(), strict=False):
                length = value(each) / most * (WIDTH - LEFT - 220)
                drawing.box(LEFT, y, length, BAR - 2, colour)
                drawing.text(LEFT + length + 6, y + 12, f"{value(each):.4g} {contender}")
                y += BAR
            y += 6
        y += 20
    return drawing.svg(y)


if __name__ == "__main__":
    main()
