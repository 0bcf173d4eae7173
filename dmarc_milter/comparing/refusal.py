"""What the old chain refused, beside what the journal of the new filter says of it."""

from dmarc_milter import wording
from dmarc_milter.columns.column import Row
from dmarc_milter.comparing.cause import Cause, of_code
from dmarc_milter.comparing.dmarc import likely_organizational_domain
from dmarc_milter.comparing.facts import Compared, Method, Missing, Uncomparable
from dmarc_milter.comparing.mail_log import Refusal
from dmarc_milter.judging.verdict import SpfFinding, Verdict


def of_row(refusal: Refusal, row: Row) -> Compared | Uncomparable:
    """The refusal, and the row of the same message in our journal."""
    method = refusal.method
    if method is None:
        return Uncomparable(None, Missing.OTHER_REFUSAL)
    if row["spf"] is None:
        return Uncomparable(method, Missing.NOT_JUDGED)
    if method is Method.SPF:
        cause = Cause.OTHER_CLIENT if row["outer_client"] else Cause.UNKNOWN
        return _compared(refusal, row["spf"], row["spf_domain"], cause, row["spf_reason"])
    if method is Method.DKIM:
        return _of_signatures(refusal, row)
    return _compared(refusal, row["dmarc"], row["author_domain"], _dmarc_cause(row), row["dmarc_reason"])


def of_spf(refusal: Refusal, verdict: Verdict) -> Compared:
    """A refusal on SPF before the message came, and SPF as we judge it now, with the envelope of the log."""
    spf: SpfFinding = verdict.spf
    reason = wording.text(spf.check.reason)
    return _compared(refusal, spf.check.result.value, spf.domain, Cause.SPF_CHANGED, reason)


def _of_signatures(refusal: Refusal, row: Row) -> Compared:
    signatures = row["dkim"] or []
    passing = next((each for each in signatures if each["result"] == "pass"), None)
    told = passing or (signatures[0] if signatures else None)
    if told is None:
        return _compared(refusal, "none", row["author_domain"], Cause.UNKNOWN, "")
    if told["result"] != "pass":
        # Refused there, believed by neither.
        return Compared(Method.DKIM, _refused(refusal), told["result"], told["domain"])
    return _compared(refusal, told["result"], told["domain"], of_code(told["code"]), told["reason"] or "")


def _compared(refusal: Refusal, ours: str, about: str | None, cause: Cause, reason: str | None) -> Compared:
    assert refusal.method is not None
    if refusal.result == ours:
        return Compared(refusal.method, _refused(refusal), ours, about)
    if "temperror" in (refusal.result, ours):
        cause = Cause.TEMPORARY_ERROR
    return Compared(refusal.method, _refused(refusal), ours, about, cause, reason or "")


def _refused(refusal: Refusal) -> str:
    return f"{refusal.result} (refused)"


def _dmarc_cause(row: Row) -> Cause:
    """Why a message that the old chain refused passes."""
    if row["dmarc"] == "permerror":
        return Cause.UNUSABLE_FROM
    author, policy_domain = row["author_domain"], row["policy_domain"]
    if author and policy_domain and policy_domain not in (author, likely_organizational_domain(author)):
        return Cause.TREE_WALK
    return Cause.NOT_COUNTED if row["dmarc"] == "pass" else Cause.UNKNOWN
