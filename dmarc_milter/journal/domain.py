"""One Author Domain: its mail day by day, who sends it, and whose keys sign it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.origin import KINDS
from dmarc_milter.journal.criteria import signed_by
from dmarc_milter.journal.domain_kinds import kinds
from dmarc_milter.journal.fetching import fetched
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.particulars import network_of
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.schema import messages, rollups
from dmarc_milter.journal.seen_lists import authenticated_domains

SAMPLE = 2_000
"""Messages, the newest, that sources and signers are read from: the records of a large domain would be too many."""
MAX_SOURCES = 15
MAX_SIGNERS = 15


@dataclass
class Source:
    """A network from where mail of the domain came, as one kind."""

    kind: str
    network: str
    messages: int = 0
    failing: int = 0
    proves_to_be: "Counter[str]" = field(default_factory=Counter)


@dataclass
class Signer:
    """A key that signed mail of the domain, and how many messages have a signature by it that passes, or does not."""

    domain: str
    selector: str
    key_bits: int | None = None
    passing: int = 0
    failing: int = 0


@dataclass(frozen=True)
class DomainFound:
    """What the journal has of one Author Domain."""

    name: str
    days: tuple[tuple[int, "Counter[str]"], ...]
    """Start of a day in UTC, messages by the result of DMARC; only days with mail."""
    kinds: "Counter[str]"
    """Messages of the period by whose they are."""
    newest: Row | None
    sampled: int
    """How many of the newest messages `sources` and `signers` are of."""
    sampled_since: float | None
    sources: tuple[Source, ...]
    signers: tuple[Signer, ...]


def domain(engine: Engine, name: str, period: Period) -> DomainFound:
    """Of the mail of `name`; days are whole ones."""
    with engine.connect() as connection:
        rows = _newest(connection, name, period)
        return DomainFound(
            name=name,
            days=_days(connection, name, period),
            kinds=kinds(connection, name, period),
            newest=rows[0] if rows else None,
            sampled=len(rows),
            sampled_since=rows[-1]["time"] if rows else None,
            sources=sources(rows),
            signers=signers(rows),
        )


_COLUMNS = (
    *("time", "kind", "client", "outer_client", "dmarc", "dkim", "spf", "spf_domain", "policy_domain"),
    "published_policy",
)
"""Of a sample: the others are not made into values."""


def _newest(connection: Connection, name: str, period: Period) -> list[Row]:
    query = sa.select(*(messages.c[each] for each in _COLUMNS)).where(
        messages.c.author_domain == name, messages.c.time >= period.since
    )
    return list(fetched(connection, query.order_by(messages.c.time.desc()).limit(SAMPLE)))


def _days(connection: Connection, name: str, period: Period) -> "tuple[tuple[int, Counter[str]], ...]":
    days = rollups["days"].c
    # The day is the first part of the key: named one by one, each is looked up and not all domains of them are read.
    wanted = list(range(int(period.since // DAY) * DAY, int(period.until) + 1, DAY))
    query = sa.select(days.day, days.dmarc, sa.func.sum(days.messages)).group_by(days.day, days.dmarc)
    found: dict[int, Counter[str]] = {}
    query = query.where(days.day.in_(wanted), days.author_domain == name)
    for day, dmarc, count in connection.execute(query.order_by(days.day)):
        found.setdefault(int(day), Counter())[dmarc or "unjudged"] += int(count)
    return tuple(found.items())


def sources(rows: Iterable[Row]) -> tuple[Source, ...]:
    """The largest, those of one kind beside each other (pure)."""
    found: dict[tuple[str, str], Source] = {}
    for row in rows:
        key = (row["kind"] or "unknown", network_of(row["outer_client"] or row["client"]))
        each = found.setdefault(key, Source(*key))
        each.messages += 1
        each.failing += row["dmarc"] == "fail"
        each.proves_to_be.update(name for name in authenticated_domains(row) if name)
    largest = sorted(found.values(), key=lambda each: (-each.messages, each.network))[:MAX_SOURCES]
    order = {kind: number for number, kind in enumerate(KINDS)}
    return tuple(sorted(largest, key=lambda each: (order.get(each.kind, len(order)), -each.messages, each.network)))


def signers(rows: Iterable[Row]) -> tuple[Signer, ...]:
    """The most frequent keys (pure)."""
    found: dict[tuple[str, str], Signer] = {}
    bits: dict[tuple[str, str], int] = {}
    for row in rows:
        bits.update(_key_sizes(row))
        for domain, selector, is_pass in signed_by(row):
            signer = found.setdefault((domain, selector), Signer(domain, selector))
            signer.passing += is_pass
            signer.failing += not is_pass
    for key, signer in found.items():
        signer.key_bits = bits.get(key)
    ranked = sorted(found.values(), key=lambda each: (-each.passing - each.failing, each.domain, each.selector))
    return tuple(ranked[:MAX_SIGNERS])


def _key_sizes(row: Row) -> dict[tuple[str, str], int]:
    """Of the keys that were found."""
    return {(each["domain"], each["selector"]): each["key_bits"] for each in row["dkim"] or () if each.get("key_bits")}
