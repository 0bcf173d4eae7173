"""What dmarc-milter trace runs."""

import argparse
import ipaddress
import json
import sys
import time
from collections.abc import Iterator, Sequence

from sqlalchemy.engine import Engine

from dmarc_milter.cli import moments
from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail, open_journal
from dmarc_milter.cli.trace import table
from dmarc_milter.columns.column import Row
from dmarc_milter.common.terminal import Severity, columns, hanging, is_coloured, painted, severity_of, wrapped
from dmarc_milter.common.text import printable
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal import reader
from dmarc_milter.journal.advice import advice
from dmarc_milter.journal.location import database
from dmarc_milter.journal.reader import Criteria
from dmarc_milter.journal.story import outcome, story
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings

FOUND, NOT_FOUND = 0, 1
LABEL = 11
MAX_TEXT = 2_000
"""Characters of what is told of one finding."""
POLL_SECONDS = 1.0
COUNTED = 10_000
"""More are not counted: that would take longer than the answer."""


def trace(options: argparse.Namespace) -> int:
    """dmarc-milter trace"""
    try:
        settings = config.load_default(options.config)
        criteria = _criteria(options)
        engine = open_journal(options.journal or database(settings.journal))
        if options.follow:
            return _follow(engine, criteria, options)
        found = reader.find(engine, criteria, options.limit)
        count = len(found) if len(found) < options.limit else reader.count(engine, criteria, COUNTED)
    except ValueError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    except JOURNAL_ERRORS as error:
        return fail(error)
    if not found:
        print("dmarc-milter: no such message in the journal", file=sys.stderr)
        return NOT_FOUND
    oldest_first = found[::-1]
    if options.json:
        _print_json(oldest_first)
    elif len(found) == 1 or options.verbose:
        _print_stories(oldest_first, settings, options)
    else:
        _print_table(oldest_first, count, columns(sys.stdout))
    return FOUND


def _print_json(rows: Sequence[Row]) -> None:
    for row in rows:
        print(json.dumps({**row, "moment": moments.written(row["time"])}))


def _print_table(rows: Sequence[Row], count: int, width: int) -> None:
    for text in _table(rows, width):
        print(text)
    more = f"more than {COUNTED}" if count > COUNTED else str(count)
    older = f"; older ones: --until {moments.written(rows[0]['time'])}" if count > len(rows) else ""
    print("\n".join([*table.legend(rows), f"{len(rows)} of {more} messages shown{older}"]))


def _table(rows: Sequence[Row], width: int) -> Iterator[str]:
    id_width = table.id_width(rows)
    day = ""
    for row in rows:
        if moments.told(row["time"])[:10] != day:
            if not day:
                yield table.heading(id_width, width)
            day = moments.told(row["time"])[:10]
            yield f"{day} ({moments.zone(row['time'])})"
        yield table.line(row, id_width, width)


def _print_stories(rows: Sequence[Row], settings: Settings, options: argparse.Namespace) -> None:
    width, coloured = columns(sys.stdout), is_coloured(options.color, sys.stdout)
    for index, row in enumerate(rows):
        print(("\n" if index else "") + "\n".join(_story(row, settings, width, coloured=coloured)))


def _story(row: Row, settings: Settings, width: int, *, coloured: bool) -> Iterator[str]:
    title = f"{printable(row['queue_id'], MAX_TEXT)}: {printable(outcome(row), MAX_TEXT)}"
    for text in wrapped(title, width):
        yield painted(text, severity_of(row["wanted"]), is_coloured=coloured)
    yield from _pair("when", f"{moments.told(row['time'])} {moments.zone(row['time'])}, on {row['host']}", width)
    for line in story(row, is_held=settings.policy.quarantine == "hold"):
        severity = severity_of(line.result)
        yield from _pair(line.label, line.text, width, severity if coloured else Severity.PLAIN)
    for sentence in advice(row):
        yield from _pair("advice", sentence, width)


def _pair(label: str, text: str, width: int, severity: Severity = Severity.PLAIN) -> Iterator[str]:
    said = printable(text, MAX_TEXT)
    yield from hanging(said, width, f"  {label:{LABEL}}", " " * (LABEL + 2), severity, is_coloured=True)


def _follow(engine: Engine, criteria: Criteria, options: argparse.Namespace) -> int:
    """What fits, as it comes, until somebody ends it."""
    width, since = columns(sys.stdout), criteria.since if criteria.since is not None else time.time()
    seen: dict[str, float] = {}
    day = ""
    while True:
        rows = reader.find(engine, criteria.from_(since), options.limit)[::-1]
        # A file that nobody has open is read as one that nobody changes: who writes next is seen by opening it again.
        engine.dispose()
        for row in rows:
            if row["uid"] in seen:
                continue
            seen[row["uid"]] = row["time"]
            if options.json:
                _print_json([row])
                continue
            if moments.told(row["time"])[:10] != day:
                day = moments.told(row["time"])[:10]
                print(f"{table.heading(table.MAX_ID, width)}\n{day} ({moments.zone(row['time'])})")
            print(table.line(row, table.MAX_ID, width))
        sys.stdout.flush()
        # A record comes some time after its message: a little is read again.
        since = max(since, (max(seen.values()) if seen else since) - OVERLAP_SECONDS)
        seen = {uid: when for uid, when in seen.items() if when >= since}
        time.sleep(POLL_SECONDS)


OVERLAP_SECONDS = 60.0


def _criteria(options: argparse.Namespace) -> Criteria:
    """Raises ValueError, whose text names the option."""
    message_id = options.message_id
    if message_id is not None and not message_id.startswith("<"):
        message_id = f"<{message_id}>"
    sealer = _domain(options.sealer, "--sealer")
    criteria = Criteria(
        tuple(dict.fromkeys(options.queue_id)),
        message_id,
        _domain(options.author_domain, "--from"),
        _network(options.client),
        options.since,
        options.until,
        options.action,
        options.dmarc,
        options.spf,
        options.rule,
        options.list_id.lower() if options.list_id is not None else None,
        sealers=() if sealer is None else (sealer,),
    )
    if criteria == Criteria() and not options.follow:
        raise ValueError("name a QUEUE-ID, or say which messages: --from, --action, --since, ... (trace --help)")
    return criteria


def _domain(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    domain = to_identifier(text.rpartition("@")[2])
    if domain is None:
        raise ValueError(f"{option} {text!r} is no domain")
    return domain


def _network(text: str | None) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if text is None:
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"--client {text!r} is no address or network") from None
