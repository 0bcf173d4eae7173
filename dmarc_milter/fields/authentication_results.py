"""Our Authentication-Results field (RFC 8601)."""

import re

import authres

from dmarc_milter import wording
from dmarc_milter.common.network import address_text
from dmarc_milter.common.reason import Reason
from dmarc_milter.common.text import plain
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.judging.verdict import Action, Disposition, SpfFinding, SpfIdentity, Verdict

NAME = "Authentication-Results"

MAX_REASON = 200
"""Characters of a reason= that we write."""

_WORD = re.compile(r'(?:[^ "(]|"[^"]*"|\([^)]*\))+')
_COLUMN = 78


def field_value(
    authserv_id: str, verdict: Verdict, disposition: Disposition, *, disposition_property: bool = False
) -> str:
    """The value of our field, folded by ``\\n\\t``.

    With `disposition_property`, that of quarantined mail has policy.disposition.

    DMARC stands first: operators' rules are keyed on what OpenDMARC writes, ``mx.example.org; dmarc=fail (p=reject``.
    Every domain in it is made of letters, digits, hyphens, underscores and dots (dns.name), so nothing that a sender
    wrote can end a value, a comment or the line.
    """
    results = [_dmarc(verdict, disposition, disposition_property=disposition_property), _spf(verdict.spf)]
    results += [_dkim(each) for each in verdict.signatures] or [_result("dkim", "none")]
    if verdict.has_arc:
        results.append(_arc(verdict))
    return _folded(authserv_id, [str(each) for each in results])


def unjudged(authserv_id: str, reason: Reason) -> str:
    """The value of the field for a message that could not be judged because of an error of ours: dmarc=temperror."""
    return _folded(authserv_id, [str(_result("dmarc", "temperror", wording.text(reason)))])


def _folded(authserv_id: str, results: list[str]) -> str:
    return ";\n\t".join([quoted(authserv_id), *(_fold(each) for each in results)])


def _fold(result: str) -> str:
    """One result over several lines where it is long, never broken inside a quoted-string or a comment."""
    lines = [""]
    for part in _WORD.findall(result):
        if lines[-1] and len(lines[-1]) + len(part) + 9 > _COLUMN:
            lines.append(part)
        else:
            lines[-1] = f"{lines[-1]} {part}" if lines[-1] else part
    return "\n\t ".join(lines)


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")


class _Value(authres.core.QuotableValue):  # type: ignore[misc]  # authres has no types
    """A value of RFC 2045 5.1: a token as it is, anything else a quoted-string. authres leaves an @ unquoted."""

    def quote_if_needed(self) -> str:
        return str(self) if _TOKEN.fullmatch(self) else f'"{self}"'


def quoted(value: str) -> str:
    """`value` as a token, else a quoted-string (RFC 2045 5.1); it is made safe first."""
    return _Value(safe(value)).quote_if_needed()


def safe(text: str) -> str:
    """`text` in printable ASCII without quotes and backslashes, in at most MAX_REASON characters."""
    return plain(text, MAX_REASON)


def _result(
    method: str,
    result: str,
    reason: str = "",
    properties: list[tuple[str, str, str | None]] | None = None,
    comment: str | None = None,
) -> object:
    found = authres.AuthenticationResult(method=method, result=result, result_comment=comment)
    found.reason = _Value(safe(reason)) if reason else None
    for type_, name, value in properties or []:
        if value:
            written = authres.AuthenticationResultProperty(type_, name)
            written.value = _Value(safe(value))
            found.properties.append(written)
    return found


def _spf(spf: SpfFinding) -> object:
    """RFC 8601 2.7.2; the domain alone stands for the address."""
    property_ = "mailfrom" if spf.identity is SpfIdentity.MAIL_FROM else "helo"
    result = spf.check.result.value
    reason = wording.text(spf.check.reason) if result in ("temperror", "permerror") else ""
    return _result("spf", result, reason, [("smtp", property_, spf.domain)])


def _dkim(verified: SignatureResult) -> object:
    """RFC 8601 2.7.1, RFC 6008 for header.b."""
    return _result(
        "dkim",
        verified.result.value,
        wording.text(verified.reason),
        [
            ("header", "d", verified.domain),
            ("header", "s", verified.selector),
            ("header", "a", verified.algorithm),
            ("header", "b", verified.header_b),
        ],
    )


def _arc(verdict: Verdict) -> object:
    """RFC 8617 6."""
    address = verdict.client_address
    oldest = verdict.arc.oldest_pass
    return _result(
        "arc",
        verdict.arc.status.value,
        wording.text(verdict.arc.reason),
        [
            ("header", "oldest-pass", None if oldest is None else str(oldest)),
            ("smtp", "remote-ip", address_text(address)),
        ],
    )


_DISPOSITIONS = {Action.QUARANTINE: "quarantine", Action.REJECT: "reject"}


def _dmarc(verdict: Verdict, disposition: Disposition, *, disposition_property: bool) -> object:
    """RFC 9989 9.1; a reason where something else than the policy decided, or nothing could be decided."""
    evaluation = verdict.dmarc
    reason = ""
    if disposition.override is not None:
        reason = f"{disposition.override.value}: {wording.text(disposition.comment)}"
    elif evaluation.result.value in ("temperror", "permerror"):
        reason = wording.text(evaluation.reason)
    policy = evaluation.policy.value if evaluation.policy else None
    done = _DISPOSITIONS.get(disposition.action, "none")
    properties = [("header", "from", evaluation.author_domain), ("policy", "dmarc", policy)]
    if disposition_property and disposition.action is Action.QUARANTINE:
        properties.append(("policy", "disposition", done))
    # OpenDMARC and Gmail write this comment. p= is none where no policy was found.
    return _result("dmarc", evaluation.result.value, reason, properties, f"p={policy or 'none'} dis={done}")
