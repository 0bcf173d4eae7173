"""Records of messages, and the rows that a journal makes of them."""

from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Engine

from dmarc_milter.columns.table import told
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.journal import insertion
from dmarc_milter.journal.row import row
from dmarc_milter.journal.writer import Writer
from dmarc_milter.judging.policy import Mode
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.verdict import Action, Disposition, Envelope
from dmarc_milter.settings.journal import JournalSection
from tests.support.verdicts import verdict

NOW = 1_800_000_000.0
ENVELOPE = Envelope(bytes([192, 0, 2, 7]), "h.example", "joe@sender.example")
FAILS = PolicyReason.DMARC_FAIL(because=DmarcReason.NOTHING_AUTHENTICATED(), domain="sender.example", policy="reject")
REFUSED = Disposition(Action.REJECT, Action.REJECT, FAILS)
SPARED = Disposition(Action.ACCEPT, Action.REJECT, FAILS)
"""What mode monitor lets in."""


def record(queue_id: str = "4X1", **changed: Any) -> MessageRecord:
    """Of a message that mode enforce refused, but for what is `changed`."""
    found = MessageRecord(
        NOW, queue_id, "<1@sender.example>", ENVELOPE, Mode.ENFORCE, REFUSED, verdict("fail", "reject")
    )
    return replace(found, **changed)


def as_row(found: MessageRecord, uid: str = "u") -> dict[str, Any]:
    """As a worker inserts it."""
    return row(told(found), uid=uid, host="mx", worker_number=0, addresses=False)


def write(settings: JournalSection, records: list[MessageRecord]) -> list[tuple[str, int]]:
    """By the filter's own writer; what it tells of them, as outcome and count."""
    notes: list[tuple[str, int]] = []
    writer = Writer(settings, 0, lambda outcome, count: notes.append((outcome, count)))
    writer.start()
    for each in records:
        writer.put(told(each))
    writer.close(30)
    return notes


def fill(engine: Engine, *records: MessageRecord) -> None:
    """Into a database of SQLite, as a worker inserts them."""
    database = insertion.connect(f"sqlite:///{engine.url.database}")
    database.insert([as_row(each, f"u{n}") for n, each in enumerate(records)])
    database.close()


def sent_on(queue_id: str, signer: str = "fwd.example", **changed: Any) -> MessageRecord:
    """What the Author Domain signed, changed and signed again by somebody else."""
    signatures = (
        SignatureResult(DkimResult.FAIL, DkimReason.BODY_CHANGED(), "example.com"),
        SignatureResult(DkimResult.PASS, None, signer),
    )
    found = verdict("fail", "reject", signatures=signatures)
    return record(queue_id, **{"mode": Mode.MONITOR, "disposition": SPARED, "verdict": found, **changed})
