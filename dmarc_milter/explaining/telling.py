"""What people and programs are told of a judged message: the verdict in a line, the results, what to do."""

from collections.abc import Iterator

from dmarc_milter import wording
from dmarc_milter.api import Evaluated
from dmarc_milter.columns import message
from dmarc_milter.columns.column import Line, Reader, Row
from dmarc_milter.columns.table import lines, read_by, told
from dmarc_milter.common.network import address_text
from dmarc_milter.common.terminal import Severity, severity_of
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dmarc.evaluation import DmarcResult
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.journal.advice import advice
from dmarc_milter.judging.verdict import Action, Verdict
from dmarc_milter.wording.actions import DONE

_CHECK = tuple(column.name for column in read_by(Reader.CHECK))


def as_row(found: Evaluated) -> Row:
    """The columns that are told of it, without those that only a running filter knows."""
    row = told(found.outcome.record)
    return {name: row[name] for name in _CHECK}


PROMISES = ("decision", "enforce", "reply")
"""Lines that say what the filter would do: the headline has it in short."""


def is_undecided(found: Evaluated, derived: Derived) -> bool:
    """Whether SPF, which was not judged for want of a client, might have made the message pass."""
    if found.verdict is None or derived.has_client:
        return False
    return found.verdict.dmarc.result in (DmarcResult.FAIL, DmarcResult.TEMPERROR)


def headline(name: str, found: Evaluated, derived: Derived) -> tuple[str, Severity]:
    """The verdict in a line."""
    wanted = found.disposition.enforced_action.value
    if is_undecided(found, derived):
        is_accepted = found.disposition.enforced_action is Action.ACCEPT
        all_the_same = "; it would be accepted all the same" if is_accepted else ""
        return f"{name}: not decided: no client is known, so SPF was not judged{all_the_same}", Severity.DOUBTFUL
    if found.verdict is None:
        return f"{name}: would be {DONE[wanted]}, {found.why}", severity_of(wanted)
    override = found.disposition.override
    spared = f" ({override.value})" if override is not None else ""
    return f"{name}: dmarc={found.verdict.dmarc.result.value}, would be {DONE[wanted]}{spared}", severity_of(wanted)


def told_lines(row: Row, found: Evaluated, derived: Derived) -> Iterator[Line]:
    """The table's lines. Without a client, SPF was not judged, and nothing is promised that it might have changed."""
    undecided = is_undecided(found, derived)
    for finding, line in lines(row):
        # The envelope of a file is derived, and told with its sources.
        if finding is message.FINDING or (undecided and line.label in PROMISES):
            continue
        if line.label == "SPF" and not derived.has_client:
            yield Line("SPF", "not judged: no client is known", "temperror")
        elif line.label == "DMARC" and undecided:
            yield Line("DMARC", f"not decided: {_why_undecided(row)}, and SPF was not judged", "temperror")
        else:
            yield line


def _why_undecided(row: Row) -> str:
    return "no signature proves the author" if row["dmarc"] == "fail" else row["dmarc_reason"]


def advice_on(row: Row, found: Evaluated, derived: Derived) -> list[str]:
    """What to do, the most important first."""
    unknown = []
    if is_undecided(found, derived):
        unknown.append(
            "Say who brought the message: --ip ADDRESS and, if you know them, --helo NAME and --mail-from ADDRESS. The "
            "log of the MTA has them."
        )
    if derived.at.is_now and _has_expired(found.verdict):
        unknown.append(
            "Say when the message came in: --at TIME. A signature has expired by now, and may have been valid then."
        )
    return unknown or advice(row)


def _has_expired(verdict: Verdict | None) -> bool:
    signatures = verdict.signatures if verdict is not None else ()
    return any(each.reason is not None and each.reason.code is DkimReason.EXPIRED for each in signatures)


def relayed_by(verdict: Verdict) -> str | None:
    """From whom a trusted relay has the message; None where no trusted relay brought it."""
    if verdict.relayed is None:
        return None
    client = address_text(verdict.client_address)
    if client:
        return f"brought by a trusted relay, from {client}"
    return f"brought by a trusted relay, which does not tell from whom: {wording.text(verdict.relayed.reason)}"
