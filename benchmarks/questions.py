"""How long the questions to a large journal take, and how long an older one takes to be brought up to date.

.venv/bin/python -m benchmarks.questions FILE [--messages 1000000] [--days 7] [--migrate]

FILE is made where it is missing, with made-up mail of some 50,000 domains. With --migrate it is made a journal of
version 3 first (in place), and filled.
"""

import argparse
import ipaddress
import itertools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dmarc_milter.columns.origin import FINDING
from dmarc_milter.columns.table import told
from dmarc_milter.journal import insertion, schema
from dmarc_milter.journal.database import open_engine, open_for_reading
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.filling import fill
from dmarc_milter.journal.reader import Criteria, find
from dmarc_milter.journal.row import row
from dmarc_milter.journal.summary import summary
from dmarc_milter.journal.tallying import tally
from dmarc_milter.journal.upkeep import keep_up
from tests.support.journals import make_old
from tests.support.mail import KINDS

BATCH = 2_000
DOMAINS = 50_000
_OUTCOMES = ("pass", "none", "fail", "fail, p=none", "temperror")
_WEIGHTS = (70, 20, 4, 5, 1)
_SIGNATURE = {
    "domain": "other.example",
    "selector": "s1",
    "reason": "",
    "code": None,
    "algorithm": "rsa-sha256",
    "key_bits": 2048,
    "is_test": False,
}


def made_up(count: int, since: float, until: float) -> Iterator[dict[str, Any]]:
    """Rows, oldest first."""
    chance = random.Random(1)
    template = told(KINDS["somebody else's"][0])
    base = row(template, uid="", host="mx1", worker_number=0, addresses=False)
    for number in range(count):
        found = {**base, "uid": f"{number:040x}", "time": since + (until - since) * number / count}
        domain = f"d{int(DOMAINS ** chance.random())}.example"
        network = chance.randrange(20_000)
        found |= {
            "host": f"mx{number % 2}",
            "queue_id": f"4X{number:08x}",
            "message_id": f"<{number}@{domain}>",
            "author_domain": domain,
            "client": f"198.{18 + network % 2}.{network % 256}.{chance.randrange(256)}",
            "list_id": f"list{network % 300}.example" if chance.random() < 0.03 else None,
        }
        found |= _outcome(chance)
        for column in FINDING.columns:
            assert column.derive is not None
            found[column.name] = column.derive(found)
        yield found


def _outcome(chance: random.Random) -> dict[str, Any]:
    (outcome,) = chance.choices(_OUTCOMES, _WEIGHTS)
    dmarc = outcome.partition(",")[0]
    wanted = "reject" if outcome == "fail" else "tempfail" if outcome == "temperror" else "accept"
    is_spared = outcome == "fail" and chance.random() < 0.02
    (signature,) = chance.choices(("pass", "fail", "temperror", None), (60, 9, 1, 30))
    return {
        "dmarc": dmarc,
        "policy": "reject" if outcome == "fail" else "none",
        "wanted": "accept" if is_spared else wanted,
        "action": "accept" if is_spared else wanted,
        "override": chance.choice(("mailing_list", "trusted_forwarder", "local_policy")) if is_spared else None,
        "rule": f"rule{chance.randrange(9)}" if is_spared else None,
        "spf": chance.choice(("pass", "pass", "none", "softfail")),
        "dkim": [] if signature is None else [{**_SIGNATURE, "result": signature}],
        "arc": "none" if chance.random() < 0.97 else "pass",
    }


def make(path: Path, count: int, days: float) -> None:
    engine = open_engine(f"sqlite:///{path}", create=True)
    schema.prepare(engine)
    database = insertion.connect(f"sqlite:///{path}")
    now = time.time()
    rows, writing = made_up(count, now - days * 86_400, now), 0.0
    while batch := list(itertools.islice(rows, BATCH)):
        started = time.perf_counter()
        database.insert(batch)
        writing += time.perf_counter() - started
    print(f"{count} records written, {writing / count * 1e6:.0f} us each")
    database.close()
    keep_up(engine, 0)
    engine.dispose()


def migrate(path: Path) -> None:
    engine = open_engine(f"sqlite:///{path}", create=False)
    make_old(engine, [])
    _timed("tables of this version", lambda: schema.prepare(engine))
    _timed("rows filled, indexes made", lambda: fill(engine))
    _timed("days tallied", lambda: tally(engine, time.time()))
    _timed("upkeep where all is done", lambda: keep_up(engine, 0))
    engine.dispose()


def ask(path: Path) -> None:
    engine = open_for_reading(f"sqlite:///{path}")
    for name, question in questions(engine).items():
        _timed(name, question)


def questions(engine: sa.Engine) -> dict[str, Callable[[], object]]:
    """What people ask. The answer to a second one is warm."""
    now = time.time()
    found: dict[str, Callable[[], object]] = {}
    for turn in ("cold", "warm"):
        for days in (1, 7, 30):
            period = Period(now - days * 86_400, now)
            found[f"summary of {days} days, {turn}"] = partial(summary, engine, period)
            found[f"the largest domain in {days} days, {turn}"] = partial(summary, engine, period, "d1.example")
    for name, criteria in {
        "a /24": Criteria(client=ipaddress.ip_network("198.18.7.0/24")),
        "a /24 without mail": Criteria(client=ipaddress.ip_network("203.0.113.0/24")),
        "the largest domain": Criteria(author_domain="d1.example"),
    }.items():
        found[f"newest 50 of {name}"] = partial(find, engine, criteria, 50)
    return found


def _timed(name: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    print(f"{name}: {(time.perf_counter() - started) * 1e3:.0f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--migrate", action="store_true")
    options = parser.parse_args()
    if not options.file.exists():
        make(options.file, options.messages, options.days)
    print(f"SQLite {sqlite3.sqlite_version}, {options.file.stat().st_size / 1e6:.0f} MB")
    if options.migrate:
        migrate(options.file)
    ask(options.file)


if __name__ == "__main__":
    main()
