"""Whether the journal is written, and what it holds."""

from collections import Counter
from collections.abc import Iterator

from dmarc_milter.journal.overview import JournalOverview
from dmarc_milter.service.state import ServiceState
from dmarc_milter.status.finding import Finding, attention, good, note
from dmarc_milter.status.metrics import Counts
from dmarc_milter.status.words import ago, size
from dmarc_milter.wording.actions import DONE

RECENT_SECONDS = 3_600.0
MANY_WAITING = 2_000
"""Records that are no batch on its way any more."""
_TOLD = ("reject", "quarantine", "tempfail")
_RESULTS = ("pass", "none", "fail")


def findings(
    found: JournalOverview, state: ServiceState | None, counts: Counts | None, now: float
) -> Iterator[Finding]:
    """`counts` is what the metrics say, if they could be read."""
    yield from _trouble(state, counts)
    if found.last is None or found.first is None:
        yield note("journal", "it is empty: no message has come in yet")
        return
    waiting = f"; {counts.waiting_records:.0f} on their way" if counts is not None and counts.waiting_records else ""
    yield good(
        "journal",
        f"last record {ago(found.last, now)}, oldest {ago(found.first, now)}; {size(found.octets)}{waiting}",
    )
    yield good("mail", _recent(found.recent))


def _trouble(state: ServiceState | None, counts: Counts | None) -> Iterator[Finding]:
    waiting = f"{counts.waiting_records:.0f} records wait" if counts is not None and counts.waiting_records else ""
    if state is not None and not state.can_write_journal:
        yield attention(
            "journal",
            f"it cannot be written; {waiting or 'records wait in memory'}",
            "the log says why: is its disk full?",
        )
    elif counts is not None and counts.waiting_records > MANY_WAITING:
        yield attention(
            "journal", f"{waiting}: the database is slower than the mail", "docs/operating.md, 'The journal'"
        )
    if counts is not None and counts.lost_records:
        yield attention(
            "journal",
            f"{counts.lost_records:.0f} records were dropped or lost since the start",
            "the log says when, and why",
        )


def _recent(recent: "Counter[tuple[str | None, str]]") -> str:
    total = sum(recent.values())
    if not total:
        return "none in the last hour"
    results: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for (dmarc, action), count in recent.items():
        results["not judged" if dmarc is None else dmarc if dmarc in _RESULTS else "error"] += count
        actions[action] += count
    judged = ", ".join(f"{results[each]:,} {each}" for each in (*_RESULTS, "error", "not judged") if results[each])
    done = ", ".join(f"{actions[name]:,} {DONE[name]}" for name in _TOLD if actions[name])
    return f"{total:,} in the last hour: DMARC {judged}; {done or 'all accepted'}"
