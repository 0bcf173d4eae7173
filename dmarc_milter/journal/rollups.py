"""Counts that are kept beside the records, so that figures of a month need not read a month of records (pure).

They are written in the transaction of the rows that they count. Without SQLAlchemy, because workers write them.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dmarc_milter.columns.column import Row

HOUR, DAY = 3_600, 86_400
Key = tuple[Any, ...]


class Rollup(NamedTuple):
    """A table of counts."""

    name: str
    keys: tuple[tuple[str, int | None], ...]
    """The columns that are told apart, with the lengths of texts (empty: there is none); None: a whole number."""
    of: Callable[[Row], Iterable[Key]]
    """Where one row of `messages` counts."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what it counts by."""
        return tuple(name for name, _ in self.keys)

    def statement(self, placeholder: str) -> str:
        """Adds to a count."""
        names = (*self.columns, "messages")
        values = ", ".join(placeholder.format(name) for name in names)
        return (
            f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({values}) "  # noqa: S608 - names of our own
            f"ON CONFLICT ({', '.join(self.columns)}) DO UPDATE SET messages = {self.name}.messages + excluded.messages"
        )


def _start(time: float, seconds: int) -> int:
    return int(time // seconds) * seconds


def _hours(row: Row) -> Iterable[Key]:
    texts = (row[name] or "" for name in ("host", "mode", "dmarc", "wanted", "action", "override", "rule"))
    yield (_start(row["time"], HOUR), *texts)


def _results(row: Row) -> Iterable[Key]:
    if row["spf"] is None:
        return
    hour = _start(row["time"], HOUR)
    for method, result in (("spf", row["spf"]), ("dkim", dkim_result(row)), ("arc", row["arc"]), ("kind", row["kind"])):
        yield hour, row["host"], method, result or ""


def dkim_result(row: Row) -> str:
    """That of a message: a signature that passes counts first, then one that the DNS could not tell of."""
    found = {each["result"] for each in row["dkim"] or ()}
    return next((each for each in ("pass", "temperror") if each in found), "fail" if found else "none")


def _days(row: Row) -> Iterable[Key]:
    if row["author_domain"]:
        yield _start(row["time"], DAY), row["author_domain"], row["dmarc"] or "", row["wanted"], row["action"]


HOURS = Rollup(
    "hours",
    (
        ("hour", None),
        ("host", 255),
        ("mode", 16),
        ("dmarc", 16),
        ("wanted", 16),
        ("action", 16),
        ("override", 32),
        ("rule", 64),
    ),
    _hours,
)
"""What was decided. `hour` is its start, in seconds since 1970. No personal data."""
RESULTS = Rollup("results", (("hour", None), ("host", 255), ("method", 16), ("result", 16)), _results)
"""What `spf`, `dkim` and `arc` said, and of which `kind` messages are. No personal data."""
DAYS = Rollup("days", (("day", None), ("author_domain", 253), ("dmarc", 16), ("wanted", 16), ("action", 16)), _days)
"""By Author Domain; `day` is its start in UTC."""

ROLLUPS = (HOURS, RESULTS, DAYS)
KEEP_HOURS_DAYS = 400
"""`hours` and `results` outlive the messages: last year's November beside this one."""


def days(rows: Iterable[Row]) -> list[int]:
    """Those of the rows, each once, by their starts in UTC."""
    return sorted({_start(row["time"], DAY) for row in rows})


def counted(rows: Iterable[Row]) -> list[tuple[Rollup, list[Row]]]:
    """What to add to each table, sorted by key: workers that add to the same counts then never wait in a circle."""
    found: dict[str, Counter[Key]] = {each.name: Counter() for each in ROLLUPS}
    for row in rows:
        for rollup in ROLLUPS:
            found[rollup.name].update(rollup.of(row))
    return [
        (
            rollup,
            [
                {**dict(zip(rollup.columns, key, strict=True)), "messages": count}
                for key, count in sorted(found[rollup.name].items())
            ],
        )
        for rollup in ROLLUPS
    ]
