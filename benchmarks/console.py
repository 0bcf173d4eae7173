"""How long the console's pages take with a large journal, in SQLite or PostgreSQL.

.venv/bin/python -m benchmarks.console FOLDER [--rows 2000000] [--postgresql]

FOLDER keeps the journal: made where it is missing, with a month of made-up mail (root for PostgreSQL, whose server it
starts). Each page is asked twice: the first time is called cold, though the disk's pages may be in memory.
"""

import argparse
import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from benchmarks.questions import made_up
from dmarc_milter.cli.progress import Progress
from dmarc_milter.journal import insertion, schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.partitions import AHEAD, keep_ahead
from dmarc_milter.journal.reader import Criteria, find
from dmarc_milter.journal.rollups import DAY, HOUR
from dmarc_milter.journal.schema import PARTITIONED, messages, rollups
from dmarc_milter.journal.upkeep import keep_up
from tests.support.console import ask, console
from tests.system.servers import PostgreSql

PIECES = 15
PIECE_SECONDS = 2 * DAY
BATCH = 2_000
COLD_MS, WARM_MS = 1_000, 300


def fill(url: str, rows: int) -> None:
    """Two days are written as the filter writes them, and copied to the other days of the month."""
    engine = open_engine(url, create=True)
    schema.prepare(engine)
    first = (time.time() // HOUR) * HOUR - PIECES * PIECE_SECONDS
    for each in PARTITIONED:
        for day in range(0, PIECES * 2, AHEAD):
            keep_ahead(engine, each, first + day * DAY)
    each_piece = rows // PIECES
    progress = Progress(rows)
    database, made = insertion.connect(url), made_up(each_piece, first, first + PIECE_SECONDS)
    while batch := list(itertools.islice(made, BATCH)):
        database.insert(batch)
        progress.show(int(batch[-1]["uid"], 16))
    database.close()
    for number in range(1, PIECES):
        with engine.begin() as connection:
            _copy(connection, number, first)
        progress.show((number + 1) * each_piece)
    progress.hide()
    keep_up(engine, 0)
    engine.dispose()


def _copy(connection: Connection, number: int, first: float) -> None:
    names = [each.name for each in messages.c]
    later = {"time": f"time + {number * PIECE_SECONDS}", "uid": f"'{number:02d}' || substr(uid, 3)"}
    values = ", ".join(later.get(name, name) for name in names)
    end = first + PIECE_SECONDS
    connection.execute(
        sa.text(
            f"INSERT INTO messages ({', '.join(names)}) SELECT {values} FROM messages "
            "WHERE time >= :first AND time < :end ORDER BY time"
        ),
        {"first": first, "end": end},
    )
    for name, table in rollups.items():
        columns = [each.name for each in table.c]
        moment = "day" if name == "days" else "hour"
        shifted = ", ".join(f"{each} + {number * PIECE_SECONDS}" if each == moment else each for each in columns)
        connection.execute(
            sa.text(
                f"INSERT INTO {name} ({', '.join(columns)}) SELECT {shifted} FROM {name} "
                f"WHERE {moment} >= :first AND {moment} < :end "
                f"ON CONFLICT ({', '.join(columns[:-1])}) DO UPDATE SET messages = {name}.messages + excluded.messages"
            ),
            {"first": first - DAY if name == "days" else first, "end": end},
        )


PAGES = """
/ /?range=1h /?range=24h /?range=7d /?range=30d /?host=mx1 /what-if /what-if?days=30 /reports /health
/domains/d1.example /domains/d1.example?range=30d /domains/d40000.example /domains/nowhere.example
/messages /messages.csv?dmarc=fail /messages.json?from=d1.example /messages.csv
"""

FILTERS = """
q=nowhere q=nowhere.example q=d1.example q=-d1.example q=fail+-d1.example q=-pass q=-pass+-none+-fail
q=refused+-d1.example q=198.18.7.0/24 q=-198.18.0.0/15 q=192.0.2.1
from=d1.example from=d1.example&dmarc=fail from=d1.example&spf=softfail from=d1.example&host=mx1 from=none
client=198.18.7.0/24 client=198.18.8.0/24 client=198.18.0.0/15&dkim=temperror client=none
host=mx1 host=nowhere host=mx1&dmarc=fail host=mx1&dkim=temperror
dmarc=pass dmarc=fail dmarc=none dmarc=temperror dmarc=permerror
spf=pass spf=softfail spf=temperror spf=permerror dkim=pass dkim=fail dkim=none dkim=temperror
arc=pass arc=fail arc=none action=accept action=quarantine action=reject action=tempfail
kind=own kind=sent_on kind=other kind=nobody kind=unjudged
wanted=reject&action=accept done=no done=yes judged=no failing=1
spared=mailing_list rule=rule3 rule=nowhere list=list7.example list=list7.example&dmarc=fail
spf=softfail&dkim=none spf=none&dkim=temperror dmarc=none&spf=softfail&arc=pass dmarc=temperror&kind=own
dmarc=pass&arc=pass&spf=none&dkim=temperror from=d1.example&dkim=temperror&arc=pass
since=7d until=20d since=7d&dmarc=fail
"""
"""Of the list of messages: each alone, and some that are rare together."""


def addresses(engine: Engine) -> list[str]:
    """Every page, the list by every filter, and messages that are there."""
    (newest,) = find(engine, Criteria(), 1)
    (old,) = find(engine, Criteria(until=newest["time"] - 20 * DAY), 1)
    begin = f"before={old['time']!r}_{old['uid']}"
    named = [f"q={newest['queue_id']}", f"q={quote(newest['message_id'])}"]
    further = [f"{begin}{more}" for more in ("", "&dmarc=fail", "&dmarc=none", "&spf=softfail&dkim=temperror")]
    stories = [f"/messages/{each['uid']}" for each in (newest, old)]
    return [*PAGES.split(), *stories, *(f"/messages?{each}" for each in (*named, *FILTERS.split(), *further))]


def measure(url: str) -> None:
    engine = open_engine(url, create=False)
    asked = addresses(engine)
    engine.dispose()
    slow = 0
    print("| page | cold ms | warm ms | |\n|---|--:|--:|---|")
    for address in asked:
        app = console(url)
        took, status = [], 0
        for _ in range(3):
            started = time.perf_counter()
            status = ask(app, address).status
            took.append((time.perf_counter() - started) * 1e3)
        cold, warm = took[0], min(took[1:])
        is_file = ".csv" in address or ".json" in address
        is_slow = not is_file and (cold > COLD_MS or warm > WARM_MS)
        slow += is_slow
        said = f"{'slow' if is_slow else ''}{'' if status in (200, 303, 404) else f' status {status}'}"
        print(f"| {address} | {cold:.0f} | {warm:.0f} | {said} |", flush=True)
    print(f"\n{slow} of {len(asked)} pages take more than {COLD_MS} ms cold or {WARM_MS} ms warm.")


@contextlib.contextmanager
def journal(folder: Path, *, is_postgresql: bool) -> Iterator[tuple[str, bool]]:
    """Its URL, and whether it is to be filled."""
    folder.mkdir(parents=True, exist_ok=True)
    if not is_postgresql:
        path = folder / "journal.sqlite"
        yield f"sqlite:///{path}", not path.exists()
        return
    folder.chmod(0o755)
    is_new = not (folder / "postgresql").exists()
    server = PostgreSql(folder)
    try:
        yield server.url, is_new
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    with journal(options.folder, is_postgresql=options.postgresql) as (url, is_new):
        if is_new:
            fill(url, options.rows)
        measure(url)


if __name__ == "__main__":
    main()
