"""What the old chain refused, beside what the journal of the new filter says of it."""

from dmarc_milter import wording
from dmarc_milter.columns.column import Row
from dmarc_milter.comparing.cause import Cause, of_code
from dmarc_milter.comparing.dmarc import likely_organizational_domain
from dmarc_milter.comparing.facts import Compared, Method, Missing, Uncomparable
from dmarc_milter.comparing.mail_log import Refusal
from dmarc_milter.judging.verdict import Verdict


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
    return _of_policy(refusal, row) or _compared(
        refusal, row["dmarc"], row["author_domain"], _dmarc_cause(row), row["dmarc_reason"]
    )


def _of_policy(refusal: Refusal, row: Row) -> Compared | None:
    """Failing mail that the old chain refused, though the policy that applies by RFC 9989 does not ask for that."""
    if (refusal.result, row["dmarc"]) != ("fail", "fail") or row["policy"] not in ("none", "quarantine"):
        return None
    if row["published_policy"] != row["policy"]:
        cause = Cause.TEST_MODE
    else:
        cause = Cause.TREE_WALK if _is_walk(row) else Cause.UNKNOWN
    ours = f"fail (p={row['policy']})"
    return Compared(Method.DMARC, _refused(refusal), ours, row["author_domain"], cause, row["dmarc_reason"] or "")


def of_spf(refusal: Refusal, verdict: Verdict) -> Compared:
    """A refusal on SPF before the message came, and SPF as we judge it now, with the envelope of the log."""
    spf = verdict.spf
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
    if _is_walk(row):
        return Cause.TREE_WALK
    return Cause.NOT_COUNTED if row["dmarc"] == "pass" else Cause.UNKNOWN


def _is_walk(row: Row) -> bool:
    """Whether the record is not where a public suffix list would have looked for it."""
    author, policy_domain = row["author_domain"], row["policy_domain"]
    return bool(author and policy_domain) and policy_domain not in (author, likely_organizational_domain(author))
