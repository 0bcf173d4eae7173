"""DKIM and ARC of both chains: signatures are paired by what their results tell of them."""

import re
from collections.abc import Iterator, Sequence

from dmarc_milter import wording
from dmarc_milter.comparing.cause import Cause, of_chain, of_signature
from dmarc_milter.comparing.facts import Compared, Facts, Method, Missing, Uncomparable
from dmarc_milter.comparing.told import UNKNOWN, Signature, Told
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.verification import SignatureResult

_NOT_COUNTING = frozenset(("fail", "invalid", "neutral", "permerror", "policy", "softfail"))
"""Words for a signature that proves nothing (RFC 8601 2.7.1). Programs do not agree on which of them they use."""
_NO_KEY = re.compile(r"\b(?:no key|key not found|key missing|public key: not available|invalid dkim record)\b")


def compare(old: Told, new: Told, facts: Facts) -> Iterator[Compared | Uncomparable]:
    """RFC 6376; a result for each signature, and one where the message has none."""
    if not old.dkim:
        yield Uncomparable(Method.DKIM, Missing.NO_METHOD)
        return
    if not new.dkim:
        yield Uncomparable(Method.DKIM, Missing.NOT_JUDGED)
        return
    theirs, ours = _unique(old.dkim), list(new.dkim)
    pairs, left = _paired(theirs, ours)
    for one, other in pairs:
        yield _compared(one, other, old, facts)
    matched = {one.domain for one, _ in pairs}
    for each in left:
        if each.header_b is not None or each.domain not in matched:
            yield from _alone(each, ours, Missing.SIGNATURE_GONE)
    seen = {id(other) for _, other in pairs}
    for each in ours:
        if id(each) not in seen:
            yield from _alone(each, theirs, Missing.NOT_LOOKED_AT)


def compare_arc(old: Told, new: Told, facts: Facts) -> Iterator[Compared | Uncomparable]:
    """RFC 8617; one result at most."""
    if old.arc is None:
        yield Uncomparable(Method.ARC, Missing.NO_METHOD)
    elif new.arc is None:
        yield Uncomparable(Method.ARC, Missing.NOT_JUDGED)
    elif old.arc == UNKNOWN:
        yield Uncomparable(Method.ARC, Missing.UNKNOWN_RESULT)
    elif old.arc == new.arc:
        yield Compared(Method.ARC, old.arc, new.arc)
    elif new.arc == "none":
        yield Uncomparable(Method.ARC, Missing.SIGNATURE_GONE)
    else:
        chain = facts.verdict.arc if facts.verdict is not None and facts.verdict.arc.status.value == new.arc else None
        reason = chain.reason if chain is not None else None
        if not facts.has_time and reason is not None and of_chain(reason) is Cause.EXPIRED:
            yield Uncomparable(Method.ARC, Missing.NO_TIME)
        else:
            cause = of_chain(reason) if old.arc == "pass" else Cause.UNKNOWN
            yield Compared(Method.ARC, old.arc, new.arc, None, cause, wording.text(reason))


def _unique(told: Sequence[Signature]) -> list[Signature]:
    """Two programs of one chain may tell of the same signature: the first counts."""
    found = {(each.domain, each.selector, (each.header_b or "")[:8].lower()): each for each in reversed(told)}
    unique = list(found.values())[::-1]
    return [each for each in unique if each.result != "none" or each.domain is not None] or unique[:1]


def _paired(
    theirs: Sequence[Signature], ours: Sequence[Signature]
) -> tuple[list[tuple[Signature, Signature]], list[Signature]]:
    """Signatures of both that are the same, the surest first; and those of theirs that are left."""
    pairs: list[tuple[Signature, Signature]] = []
    left, free = list(theirs), list(ours)
    for fits in (_has_same_value, _has_same_key, _has_same_domain, _may_be_any):
        for one in list(left):
            other = next((each for each in free if fits(one, each)), None)
            if other is not None:
                pairs.append((one, other))
                left.remove(one)
                free.remove(other)
    return pairs, left


def _has_same_value(one: Signature, other: Signature) -> bool:
    """header.b (RFC 6008)"""
    if not one.header_b or not other.header_b:
        return False
    first, second = one.header_b.lower(), other.header_b.lower()
    return first.startswith(second) or second.startswith(first)


def _may_be_same(one: Signature, other: Signature) -> bool:
    """Whether header.b, where both tell it, does not say that they are two."""
    return not one.header_b or not other.header_b or _has_same_value(one, other)


def _has_same_key(one: Signature, other: Signature) -> bool:
    has_key = one.domain is not None and one.selector is not None
    return has_key and (one.domain, one.selector) == (other.domain, other.selector) and _may_be_same(one, other)


def _has_same_domain(one: Signature, other: Signature) -> bool:
    selectors = one.selector is None or other.selector is None
    return one.domain is not None and one.domain == other.domain and selectors and _may_be_same(one, other)


def _may_be_any(one: Signature, other: Signature) -> bool:
    """One that tells nothing of itself: a field of a single ``dkim=none``, or of a program that is short."""
    return one.domain is None and one.header_b is None and (one.result == "none") is (other.result == "none")


def _alone(each: Signature, others: Sequence[Signature], why: Missing) -> Iterator[Compared | Uncomparable]:
    """One that only one chain tells of: the other said that there is none, or did not say so."""
    is_theirs = why is Missing.SIGNATURE_GONE
    if each.result == "none":
        return
    if others and others[0].result == "none" and not is_theirs:
        yield Compared(Method.DKIM, "none", each.result, each.domain, Cause.UNKNOWN)
    else:
        yield Uncomparable(Method.DKIM, why)


def _compared(one: Signature, other: Signature, old: Told, facts: Facts) -> Compared | Uncomparable:
    if one.result == UNKNOWN:
        return Uncomparable(Method.DKIM, Missing.UNKNOWN_RESULT)
    about = other.domain or one.domain
    if one.result == other.result or (_is_nothing(one) and _is_nothing(other)):
        return Compared(Method.DKIM, one.result, other.result, about)
    judged = _judged(other, facts)
    code = judged.reason.code if judged is not None and judged.reason is not None else None
    if code is DkimReason.EXPIRED and not facts.has_time:
        return Uncomparable(Method.DKIM, Missing.NO_TIME)
    detail = wording.text(judged.reason) if judged is not None else ""
    return Compared(Method.DKIM, one.result, other.result, about, _cause(one, other, judged, old), detail)


def _is_nothing(told: Signature) -> bool:
    """Whether the signature proves nothing; rspamd says none of one whose key is not there."""
    return told.result in _NOT_COUNTING or (told.result == "none" and told.domain is not None)


def _cause(one: Signature, other: Signature, judged: SignatureResult | None, old: Told) -> Cause:
    if "temperror" in (one.result, other.result):
        return Cause.TEMPORARY_ERROR
    if other.result != "pass":
        return of_signature(judged)
    if judged is not None and (judged.algorithm or "").startswith("ed25519"):
        return Cause.ED25519
    return Cause.KEY_MISSING_THEN if _NO_KEY.search(old.text) else Cause.UNKNOWN


def _judged(signature: Signature, facts: Facts) -> SignatureResult | None:
    """The signature as we judge it now, where that is what was said of it."""
    for each in facts.verdict.signatures if facts.verdict is not None else ():
        found = Signature(each.result.value, each.domain, each.selector, each.header_b)
        if found.result == signature.result and (_has_same_value(signature, found) or _has_same_key(signature, found)):
            return each
    return None
