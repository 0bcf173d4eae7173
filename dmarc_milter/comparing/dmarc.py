"""DMARC of both chains, and what RFC 9989 changes."""

import re
from collections.abc import Iterator, Sequence

from dmarc_milter import wording
from dmarc_milter.comparing.cause import Cause, of_signature
from dmarc_milter.comparing.facts import Compared, Facts, Method, Missing, Uncomparable
from dmarc_milter.comparing.spf import IGNORED
from dmarc_milter.comparing.told import UNKNOWN, Dmarc, Told
from dmarc_milter.dmarc.evaluation import Alignment, Authenticated, Discovery
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.judging.verdict import Verdict

_STRENGTH = ("none", "quarantine", "reject")
_PCT = re.compile(rb"(?:^|;)[ \t]*pct[ \t]*=[ \t]*([0-9]{1,2})[ \t]*(?:;|$)")
"""One that is below 100."""
_SECOND_LEVEL = frozenset(("ac", "co", "com", "edu", "gob", "gov", "ltd", "me", "mil", "net", "ne", "or", "org", "sch"))


def compare(
    old: Told, new: Told, facts: Facts, others: Sequence[Compared | Uncomparable]
) -> Iterator[Compared | Uncomparable]:
    """RFC 9989; one result at most. `others` is what came of SPF and DKIM, on which DMARC stands."""
    if old.dmarc is None:
        ignored = IGNORED.search(old.text) is not None
        yield Uncomparable(Method.DMARC, Missing.CLIENT_IGNORED if ignored else Missing.NO_METHOD)
        return
    if new.dmarc is None:
        yield Uncomparable(Method.DMARC, Missing.NOT_JUDGED)
        return
    missing = Missing.UNKNOWN_RESULT if old.dmarc.result == UNKNOWN else _missing(new.dmarc, facts, others)
    if missing is not None:
        yield Uncomparable(Method.DMARC, missing)
        return
    verdict = facts.verdict
    about = verdict.dmarc.author_domain if verdict is not None else None
    if old.dmarc.result != new.dmarc.result:
        cause = _cause(old.dmarc, new.dmarc, facts, others)
        yield Compared(Method.DMARC, old.dmarc.result, new.dmarc.result, about, cause, _detail(new.dmarc, verdict))
        return
    told = _of_policy(old.dmarc, new.dmarc, facts)
    if told is None:
        yield Compared(Method.DMARC, old.dmarc.result, new.dmarc.result, about)
    else:
        theirs, ours, policy_cause = told
        yield Compared(Method.DMARC, theirs, ours, about, policy_cause, _record(verdict))


def _missing(new: Dmarc, facts: Facts, others: Sequence[Compared | Uncomparable]) -> Missing | None:
    """Why a result that is no pass says nothing: what was not judged again might have made it one."""
    if facts.is_live or new.result not in ("fail", "temperror"):
        return None
    if facts.why_no_envelope is not None:
        return facts.why_no_envelope
    is_timeless = any(isinstance(each, Uncomparable) and each.why is Missing.NO_TIME for each in others)
    return Missing.NO_TIME if is_timeless else None


def _cause(old: Dmarc, new: Dmarc, facts: Facts, others: Sequence[Compared | Uncomparable]) -> Cause:
    verdict = facts.verdict
    if "temperror" in (old.result, new.result):
        return Cause.TEMPORARY_ERROR
    if verdict is not None and verdict.author.unusable is not None:
        return Cause.UNUSABLE_FROM
    inherited = _inherited(old, new, others)
    if inherited is not None:
        return inherited
    if verdict is None:
        return Cause.UNKNOWN
    if _is_walk(verdict):
        return Cause.TREE_WALK
    if (old.result, new.result) == ("fail", "pass"):
        return Cause.NOT_COUNTED if _is_believed(others) else Cause.UNKNOWN
    if (old.result, new.result) == ("pass", "fail") and not _is_believed(others):
        return _likely(verdict, facts)
    has_changed = not facts.is_live and {old.result, new.result} <= {"none", "pass", "fail"}
    return Cause.DMARC_CHANGED if has_changed else Cause.UNKNOWN


def _inherited(old: Dmarc, new: Dmarc, others: Sequence[Compared | Uncomparable]) -> Cause | None:
    """The cause of what SPF or DKIM came to, where that is why."""
    for each in others:
        if isinstance(each, Compared) and each.cause is not None and each.cause is not Cause.UNKNOWN:
            passed, passes = each.old == "pass", each.new == "pass"
            if (old.result, new.result) == ("pass", "fail") and passed and not passes:
                return each.cause
            if (old.result, new.result) == ("fail", "pass") and passes and not passed:
                return each.cause
    return None


def _likely(verdict: Verdict, facts: Facts) -> Cause:
    """What made it pass then, where the old field tells of DMARC alone: whatever would be aligned and fails now."""
    author = likely_organizational_domain(verdict.dmarc.author_domain or "")
    for each in verdict.signatures:
        if each.domain is not None and likely_organizational_domain(each.domain) == author:
            return of_signature(each)
    spf = verdict.spf
    is_near = spf.domain is not None and likely_organizational_domain(spf.domain) == author
    return Cause.SPF_CHANGED if is_near and not facts.is_live else Cause.UNKNOWN


def _is_believed(others: Sequence[Compared | Uncomparable]) -> bool:
    """Whether the old chain's own SPF or DKIM passed, as ours did."""
    return any(isinstance(each, Compared) and (each.old, each.new) == ("pass", "pass") for each in others)


def _is_walk(verdict: Verdict) -> bool:
    """Whether the walk came to another Organizational Domain or record than a public suffix list is likely to give."""
    found = verdict.dmarc.discovery
    if found is not None and found.policy_domain is not None and _is_between(found):
        return True
    if any(
        walk.found and walk.organizational_domain != likely_organizational_domain(walk.start)
        for walk in verdict.dmarc.walks
    ):
        return True
    return any(_is_apart(each, found) for each in verdict.dmarc.alignments)


def _is_between(found: Discovery) -> bool:
    likely = likely_organizational_domain(found.author_domain)
    return found.policy_domain not in (found.author_domain, likely)


def _is_apart(each: Alignment, found: Discovery | None) -> bool:
    """Whether an identifier is not aligned, though a public suffix list would have it of the same organization."""
    if found is None or each.is_aligned is not False or each.identifier.authenticated is not Authenticated.YES:
        return False
    is_strict = each.why.code is DmarcReason.STRICT
    likely = likely_organizational_domain(found.author_domain)
    return not is_strict and likely_organizational_domain(each.identifier.domain) == likely


def likely_organizational_domain(domain: str) -> str:
    """The last two labels, or three below something like co.uk: without a public suffix list no more can be said."""
    labels = domain.split(".")
    is_below = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if is_below else -2 :])


def _of_policy(old: Dmarc, new: Dmarc, facts: Facts) -> tuple[str, str, Cause] | None:
    """Both fail, but the policy for that is another one now; None where it is the same, or is not told."""
    verdict = facts.verdict
    if new.result != "fail" or old.policy is None or verdict is None or verdict.dmarc.policy is None:
        return None
    policy = verdict.dmarc.policy.value
    if new.policy != policy:
        # What we say now is not what was said.
        return None
    ours = f"fail (p={policy})"
    if policy != old.policy:
        policy_cause = _policy_cause(old.policy, verdict, facts)
        return (f"fail (p={old.policy})", ours, policy_cause) if policy_cause is not None else None
    if _is_milder(old.disposition, policy) and _PCT.search(_text(verdict)):
        return f"fail (p={old.policy} dis={old.disposition})", ours, Cause.PCT
    return None


def _policy_cause(told: str, verdict: Verdict, facts: Facts) -> Cause | None:
    """Why the policy is another one; None where the old program may only have told p= for sp=."""
    found = verdict.dmarc.discovery
    record = found.record if found is not None else None
    published = verdict.dmarc.published_policy
    if verdict.dmarc.is_test and published is not None and told == published.value:
        return Cause.TEST_MODE
    if found is not None and record is not None and found.is_inherited:
        existing = record.subdomain_policy or record.policy
        if record.nonexistent_policy is published and published is not existing:
            return Cause.NONEXISTENT
        if record.policy is not None and told == record.policy.value and record.subdomain_policy is not None:
            return None
    if _is_walk(verdict):
        return Cause.TREE_WALK
    if published is not None and _is_milder(told, published.value) and _PCT.search(_text(verdict)):
        return Cause.PCT
    return Cause.UNKNOWN if facts.is_live else Cause.DMARC_CHANGED


def _is_milder(told: str | None, policy: str) -> bool:
    return told in _STRENGTH and _STRENGTH.index(told) < _STRENGTH.index(policy)


def _text(verdict: Verdict) -> bytes:
    found = verdict.dmarc.discovery
    return found.record.text if found is not None and found.record is not None else b""


def _record(verdict: Verdict | None) -> str:
    """The record that applies, as it is published."""
    return _text(verdict).decode("ascii", "surrogateescape") if verdict is not None else ""


def _detail(new: Dmarc, verdict: Verdict | None) -> str:
    if verdict is None or verdict.dmarc.result.value != new.result:
        return ""
    return wording.text(verdict.dmarc.reason)
