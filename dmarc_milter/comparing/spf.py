"""SPF of both chains."""

import re
from collections.abc import Iterator

from dmarc_milter import wording
from dmarc_milter.comparing.cause import Cause
from dmarc_milter.comparing.envelope import clients
from dmarc_milter.comparing.facts import Compared, Facts, Method, Missing, Uncomparable
from dmarc_milter.comparing.told import UNKNOWN, Spf, Told
from dmarc_milter.spf.reasons import SpfReason

IGNORED = re.compile(
    r"\b(?:skipped|not checked|n/a for|whitelisted|local (?:connection|ip|address|policy)|ignored|internal host"
    r"|trusted (?:network|relay|client|ip)|x-(?:local|trusted)-ip ?= ?pass)\b"
)
"""How programs say that a client is not judged."""
_LIMITS = (SpfReason.TOO_MANY_TERMS, SpfReason.TOO_MANY_VOID_LOOKUPS, SpfReason.TOO_MANY_EXCHANGES)


def compare(old: Told, new: Told, facts: Facts) -> Iterator[Compared | Uncomparable]:
    """RFC 7208; one result at most."""
    if not old.spf:
        ignored = IGNORED.search(old.text) is not None
        yield Uncomparable(Method.SPF, Missing.CLIENT_IGNORED if ignored else Missing.NO_METHOD)
        return
    if facts.why_no_envelope is not None and not facts.is_live:
        yield Uncomparable(Method.SPF, facts.why_no_envelope)
        return
    if not new.spf:
        yield Uncomparable(Method.SPF, Missing.NOT_JUDGED)
        return
    ours = new.spf[0]
    theirs = next((each for each in old.spf if _is_same(each, ours)), None)
    if theirs is None:
        yield Uncomparable(Method.SPF, Missing.OTHER_IDENTITY)
    elif theirs.result == UNKNOWN:
        yield Uncomparable(Method.SPF, Missing.UNKNOWN_RESULT)
    elif theirs.result == ours.result:
        yield Compared(Method.SPF, theirs.result, ours.result, ours.domain)
    else:
        cause = _cause(theirs, ours, old, facts)
        yield Compared(Method.SPF, theirs.result, ours.result, ours.domain, cause, _detail(ours, facts))


def _is_same(theirs: Spf, ours: Spf) -> bool:
    """Whether they are about the same identity. Of a null MAIL FROM, many write that of HELO as smtp.mailfrom."""
    return theirs.identity in ("", ours.identity) or (ours.identity == "helo" and theirs.domain == ours.domain)


def _cause(theirs: Spf, ours: Spf, old: Told, facts: Facts) -> Cause:
    if "temperror" in (theirs.result, ours.result):
        return Cause.TEMPORARY_ERROR
    if IGNORED.search(old.text):
        return Cause.CLIENT_IGNORED
    verdict = facts.verdict
    named = clients(old.text)
    if verdict is not None and ((named and verdict.client_address not in named) or verdict.relayed is not None):
        return Cause.OTHER_CLIENT
    if theirs.domain is not None and theirs.domain != ours.domain:
        return Cause.OTHER_IDENTITY
    if verdict is not None and ours.result == "permerror" and verdict.spf.check.reason.code in _LIMITS:
        return Cause.LIMITS
    return Cause.UNKNOWN if facts.is_live else Cause.SPF_CHANGED


def _detail(ours: Spf, facts: Facts) -> str:
    """Our reason, where what we say now is what was said."""
    if facts.verdict is None or facts.verdict.spf.check.result.value != ours.result:
        return ""
    return wording.text(facts.verdict.spf.check.reason)
