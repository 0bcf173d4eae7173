"""Many messages, a line each, in 80 columns (pure)."""

from collections.abc import Iterable, Iterator, Sequence

from dmarc_milter.cli import moments
from dmarc_milter.columns.column import Row
from dmarc_milter.common.text import printable
from dmarc_milter.wording.actions import DONE

_SHORT = {"temperror": "temp", "permerror": "perm", "softfail": "soft", "neutral": "neut", None: "-"}
MAX_ID, CLIENT, LEAST = 20, 15, 12
MAX_DONE = 8
"""Characters of what was done, without its mark."""
MONITOR, SPARED = "*", "+"
LEGEND = {
    MONITOR: "* mode enforce would not have accepted it",
    SPARED: "+ a rule, a list or a sealer of yours decided",
}


def heading(id_width: int, width: int) -> str:
    """The names of the columns."""
    return _line(("time", "queue id", "done", "dmar", "spf", "dkim", "From", "client"), id_width, width)


def line(row: Row, id_width: int, width: int) -> str:
    """One message; its day is told by whoever lists them."""
    mark = MONITOR if row["wanted"] != row["action"] else SPARED if row["override"] else ""
    values = (
        moments.told(row["time"])[11:],
        printable(row["queue_id"], MAX_ID),
        _cut(DONE[row["action"]], MAX_DONE) + mark,
        _short(row["dmarc"]),
        _short(row["spf"]),
        _dkim(row),
        row["author_domain"] or "-",
        row["outer_client"] or row["client"] or "local",
    )
    return _line(values, id_width, width)


def legend(rows: Iterable[Row]) -> Iterator[str]:
    """What the marks of these messages mean."""
    seen = {MONITOR if row["wanted"] != row["action"] else SPARED if row["override"] else "" for row in rows}
    yield from (text for mark, text in LEGEND.items() if mark in seen)


def id_width(rows: Iterable[Row]) -> int:
    """How wide the column of queue ids has to be."""
    return min(MAX_ID, max((len(row["queue_id"]) for row in rows), default=8))


def _cut(word: str, most: int) -> str:
    return word if len(word) <= most else f"{word[: most - 1]}."


def _short(result: str | None) -> str:
    return _SHORT.get(result) or str(result)[:4]


def _dkim(row: Row) -> str:
    if row["dkim"] is None:
        return "-"
    results = [each["result"] for each in row["dkim"]]
    return _short("pass" if "pass" in results else results[0] if results else "none")


def _line(values: Sequence[str], id_width: int, width: int) -> str:
    time, queue_id, done, dmarc, spf, dkim, author, client = values
    fixed = f"{time:8} {queue_id:{id_width}} {done:9} {dmarc:4} {spf:4} {dkim:4} "
    room = max(LEAST, width - len(fixed) - 1 - max(CLIENT, len(client)))
    shown = author if len(author) <= room else f"..{author[-(room - 2) :]}"
    return f"{fixed}{shown:{room}} {client}".rstrip()
