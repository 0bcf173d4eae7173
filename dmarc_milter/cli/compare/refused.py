"""What the old chain refused: the MTA's log, joined with our journal."""

import gzip
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import islice
from pathlib import Path
from typing import TextIO

from sqlalchemy.engine import Engine

from dmarc_milter.api import Dns, evaluate
from dmarc_milter.cli.asking import OptionError, in_order
from dmarc_milter.cli.compare.judging import Outcome
from dmarc_milter.columns.column import Row
from dmarc_milter.common.network import address_text
from dmarc_milter.comparing import mail_log, refusal
from dmarc_milter.comparing.facts import Compared, Method, Missing, Uncomparable
from dmarc_milter.comparing.mail_log import Refusal
from dmarc_milter.journal import reader
from dmarc_milter.journal.reader import Criteria
from dmarc_milter.judging.verdict import Envelope
from dmarc_milter.settings.config import Settings

BATCH = 200
NEAR = 86_400.0
"""Seconds between the log's time and the journal's: queue ids are used again."""
SOON = 600.0
"""The same where there is no queue id: another try, or another recipient of the same message."""
MAX_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Where refusals are looked for."""

    journal: Engine | None
    """None where there is no journal."""
    settings: Settings
    dns: Dns


def outcomes(paths: Sequence[Path], asked: Asked) -> Iterator[Outcome]:
    """Each refusal that the logs tell of. Raises OptionError, and the errors of the journal."""
    for path in paths:
        refusals = _refusals(path)
        while batch := list(islice(refusals, BATCH)):
            yield from _of_batch(batch, asked)


def _refusals(path: Path) -> Iterator[Refusal]:
    now = time.time()
    try:
        with _opened(path) as stream:
            while line := stream.readline(mail_log.MAX_LINE):
                found = mail_log.read(line, now)
                if found is not None:
                    yield found
    except (OSError, EOFError) as error:
        raise OptionError(f"{path}: {getattr(error, 'strerror', None) or 'cannot be read'}") from None


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape")
    return path.open(encoding="utf-8", errors="surrogateescape")


def _of_batch(batch: Sequence[Refusal], asked: Asked) -> Iterator[Outcome]:
    queue_ids = tuple({each.queue_id for each in batch if each.queue_id is not None})
    rows = reader.find(asked.journal, Criteria(queue_ids), MAX_ROWS) if asked.journal and queue_ids else []
    joined = [(each, _row(each, rows, asked.journal)) for each in batch]
    yield from in_order(joined, lambda pair: Outcome(_name(pair[0]), [_compared(*pair, asked)], is_refusal=True))


def _name(each: Refusal) -> str:
    return f"{each.queue_id or 'NOQUEUE'} from {address_text(each.client)} <{each.mail_from}>"


def _row(each: Refusal, rows: Sequence[Row], journal: Engine | None) -> Row | None:
    """The row of the journal nearest to the refusal in time."""
    fitting = [row for row in rows if row["queue_id"] == each.queue_id and _is_near(each, row)]
    if each.queue_id is None and journal is not None and each.method is not None and each.time is not None:
        network = ip_network(ip_address(each.client))
        found = reader.find(journal, Criteria(client=network, since=each.time - SOON, until=each.time + SOON), MAX_ROWS)
        fitting = [row for row in found if _is_same_sender(each, row)]
    return min(fitting, key=lambda row: abs(row["time"] - (each.time or 0.0)), default=None)


def _is_near(each: Refusal, row: Row) -> bool:
    return each.time is None or abs(float(row["time"]) - each.time) <= NEAR


def _is_same_sender(each: Refusal, row: Row) -> bool:
    """Journals may hold domains alone ([journal] addresses)."""
    kept = str(row["mail_from"]).lower()
    return kept in (each.mail_from.lower(), each.mail_from.rpartition("@")[2].lower())


def _compared(each: Refusal, row: Row | None, asked: Asked) -> Compared | Uncomparable:
    if each.method is None:
        return Uncomparable(None, Missing.OTHER_REFUSAL)
    if row is not None and not each.is_of_helo:
        is_ours = row["action"] not in ("accept", "quarantine") and each.queue_id == row["queue_id"]
        return Uncomparable(each.method, Missing.OUR_REFUSAL) if is_ours else refusal.of_row(each, row)
    if each.method is not Method.SPF:
        return Uncomparable(each.method, Missing.NOT_IN_JOURNAL)
    # Refused before there was a message: with the envelope, SPF can be judged all the same.
    session = Envelope(each.client, each.helo, "" if each.is_of_helo else each.mail_from)
    verdict = evaluate(b"\r\n", session, asked.dns, asked.settings, at=each.time).verdict
    if verdict is None:
        return Uncomparable(Method.SPF, Missing.NOT_JUDGED)
    # A trusted relay's client is told by the header alone.
    return Uncomparable(Method.SPF, Missing.NO_CLIENT) if verdict.relayed is not None else refusal.of_spf(each, verdict)
