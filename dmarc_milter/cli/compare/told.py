"""The comparison as people read it, and as one JSON object."""

from collections.abc import Iterator
from typing import Any

from dmarc_milter.common.terminal import Severity, hanging, painted, wrapped
from dmarc_milter.common.text import printable
from dmarc_milter.comparing.cause import WORDS
from dmarc_milter.comparing.facts import MISSING_WORDS, Method
from dmarc_milter.comparing.tally import Difference, Row, Tally
from dmarc_milter.explaining.tree import Style

SCHEMA = 1
"""Of the JSON object; goes up when a key changes its meaning or goes away."""
MAX_NAME = 1_000
"""Characters of the name of a message."""
MAX_IDS = 10
_CELLS = (8, 33, 21)
"""Widths of method and both results."""
_TABLE = 79
"""Characters of a row."""


def lines(tally: Tally, our_id: str | None, limit: int, style: Style) -> Iterator[str]:
    """What there was, the table, the differences with their causes, what could not be compared."""
    yield from wrapped(_headline(tally), style.width)
    ids = ", ".join(printable(each, MAX_NAME) for each, _ in tally.ids.most_common(MAX_IDS))
    yield from wrapped(f"old chain: {ids or 'no field'}; ours: {our_id or 'judged again'}", style.width)
    if tally.compared:
        yield ""
        yield from _table(tally, style)
    if tally.differences:
        yield ""
        yield from _differences(tally, limit, style)
    if tally.missing:
        yield ""
        yield _title("cannot be compared", style)
        for (method, why), count in sorted(tally.missing.items(), key=lambda item: -item[1]):
            of = f"{method.value}: " if method is not None else ""
            yield from hanging(f"{of}{MISSING_WORDS[why]}", style.width, f"  {count:7}  ", " " * 11)


def _headline(tally: Tally) -> str:
    parts = [f"{tally.live} with the fields of both", f"{tally.judged_again} judged again"]
    if tally.refused:
        parts.append(f"{tally.refused} {'refusal' if tally.refused == 1 else 'refusals'} of the log")
    told = f"{tally.messages} {'message' if tally.messages == 1 else 'messages'}: {', '.join(parts)}"
    if not tally.compared:
        return f"{told}; nothing could be compared"
    return f"{told}; {_results(tally)}"


def _results(tally: Tally) -> str:
    differing = tally.differing
    if not differing:
        return "the one result is alike" if tally.compared == 1 else f"all {tally.compared} results are alike"
    results = "result" if tally.compared == 1 else "results"
    return f"{differing} of {tally.compared} {results} {'differs' if differing == 1 else 'differ'}"


def _table(tally: Tally, style: Style) -> Iterator[str]:
    is_narrow = style.width < _TABLE
    if not is_narrow:
        yield _title(_row("method", "old", "new", "messages"), style)
    for method in Method:
        for index, row in enumerate(tally.rows(method)):
            severity = Severity.BAD if row.differs else Severity.PLAIN
            if is_narrow:
                text = printable(f"{method.value}: {row.old} -> {row.new}: {row.messages}{_mark(row)}", MAX_NAME)
                yield from hanging(text, style.width, "", "  ", severity, is_coloured=style.is_coloured)
            else:
                cells = _row(method.value if index == 0 else "", row.old, row.new, f"{row.messages:8}{_mark(row)}")
                yield painted(cells, severity, is_coloured=style.is_coloured)


def _row(method: str, old: str, new: str, rest: str) -> str:
    cells = zip((method, old, new), _CELLS, strict=True)
    return "".join(printable(cell, width - 1).ljust(width) for cell, width in cells) + rest


def _mark(row: Row) -> str:
    """Two words for a signature that does not count are as good as alike."""
    if row.differs:
        return "  differs"
    return "" if row.old.partition(" ")[0] == row.new.partition(" ")[0] else "  alike"


def _differences(tally: Tally, limit: int, style: Style) -> Iterator[str]:
    yield _title("causes", style)
    for (method, cause), count in tally.causes.most_common():
        yield from hanging(f"{method.value}: {WORDS[cause]}", style.width, f"  {count:7}  ", " " * 11)
    yield ""
    yield _title("differences", style)
    message = ""
    for each in tally.differences[:limit]:
        if each.message != message:
            yield from hanging(printable(each.message, MAX_NAME), style.width, "  ", "    ")
        message = each.message
        yield from _difference(each, style)
    left = tally.differing - min(limit, len(tally.differences))
    if left > 0:
        yield f"  and {left} more: --limit, --json"


def _difference(each: Difference, style: Style) -> Iterator[str]:
    compared = each.compared
    of = f" {compared.about}" if compared.about else ""
    assert compared.cause is not None
    told = f"{compared.method.value}{of}: {compared.old} -> {compared.new}: {WORDS[compared.cause]}"
    detail = f" ({compared.detail})" if compared.detail else ""
    yield from hanging(printable(told + detail, MAX_NAME), style.width, "    ", "      ")


def _title(text: str, style: Style) -> str:
    return painted(text, Severity.TITLE, is_coloured=style.is_coloured)


def as_json(tally: Tally, our_id: str | None) -> dict[str, Any]:
    """All of it as one object."""
    return {
        "schema": SCHEMA,
        "messages": tally.messages,
        "live": tally.live,
        "judged_again": tally.judged_again,
        "refused": tally.refused,
        "compared": tally.compared,
        "differing": tally.differing,
        "old_ids": dict(tally.ids.most_common()),
        "our_id": our_id,
        "table": [
            {"method": of.value, "old": row.old, "new": row.new, "messages": row.messages, "differs": row.differs}
            for of in Method
            for row in tally.rows(of)
        ],
        "causes": [
            {"method": method.value, "cause": cause.value, "text": WORDS[cause], "messages": count}
            for (method, cause), count in tally.causes.most_common()
        ],
        "differences": [_difference_as_json(each) for each in tally.differences],
        "differences_left_out": tally.differing - len(tally.differences),
        "not_compared": [
            {
                "method": method.value if method is not None else None,
                "why": why.value,
                "text": MISSING_WORDS[why],
                "messages": count,
            }
            for (method, why), count in tally.missing.most_common()
        ],
    }


def _difference_as_json(each: Difference) -> dict[str, Any]:
    compared = each.compared
    assert compared.cause is not None
    return {
        "message": each.message,
        "method": compared.method.value,
        "domain": compared.about,
        "old": compared.old,
        "new": compared.new,
        "cause": compared.cause.value,
        "text": WORDS[compared.cause],
        "detail": compared.detail,
    }
