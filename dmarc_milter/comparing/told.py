"""What a chain of filters said of a message: read out of its Authentication-Results fields, or out of a verdict.

Fields of OpenDKIM, OpenDMARC, policyd-spf, rspamd, Amavis, authentication_milter and Gmail are read, and both forms of
our own. They are read generously, as those of sealers are (arc/results.py), within the same bounds.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmarc_milter.arc import results
from dmarc_milter.arc.results import MethodResult
from dmarc_milter.judging.verdict import Verdict
from dmarc_milter.message.authserv_id import comparable
from dmarc_milter.message.lexer import text_of

MAX_TEXT = 16 << 10
"""Characters of a field."""
_NO_ID = re.compile(rb"[ \t\r\n]*[A-Za-z0-9-]+[ \t\r\n]*=")
"""Microsoft writes results without an id in front."""
UNKNOWN = ""
"""Stands for a word that is no result."""
_RESULTS = frozenset(["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy", "invalid"])
"""RFC 8601 2.7; 'invalid' is authentication_milter's."""
_OLD_NAMES = {"hardfail": "fail", "error": "temperror", "unknown": "permerror", "bestguesspass": "none"}
"""Results of RFC 5451 and of programs before it. Microsoft's 'bestguesspass' is said where no record is published."""


@dataclass(frozen=True, slots=True)
class ResultsField:
    """One Authentication-Results field."""

    authserv_id: str
    """As :func:`~dmarc_milter.message.authserv_id.comparable` has it."""
    results: tuple[MethodResult, ...]
    text: str
    """The whole value in lower case, comments too."""


def read(value: bytes) -> ResultsField | None:
    """The field with this value; None where it has no id, or cannot be read to its end."""
    if len(value) > MAX_TEXT or _NO_ID.match(value):
        return None
    found = results.parse("", value)
    if not found.authserv_id:
        return None
    return ResultsField(comparable(found.authserv_id), found.results, " ".join(text_of(value).lower().split()))


@dataclass(frozen=True, slots=True)
class Spf:
    """One result of SPF."""

    result: str
    identity: str
    """'mailfrom' or 'helo'; empty where that is not told."""
    domain: str | None


@dataclass(frozen=True, slots=True)
class Signature:
    """One result of DKIM; 'none' of a message without signatures has nothing else."""

    result: str
    domain: str | None = None
    selector: str | None = None
    header_b: str | None = None


@dataclass(frozen=True, slots=True)
class Dmarc:
    """DMARC's result."""

    result: str
    policy: str | None = None
    """none, quarantine or reject, where the field tells the policy of the domain."""
    disposition: str | None = None
    """What was done, where the field tells it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a chain said. A method that it said nothing of is empty or None."""

    spf: tuple[Spf, ...] = ()
    dkim: tuple[Signature, ...] = ()
    dmarc: Dmarc | None = None
    arc: str | None = None
    text: str = ""
    """All that its fields say, in lower case."""

    @property
    def is_empty(self) -> bool:
        """Whether it said nothing of any method."""
        return not self.spf and not self.dkim and self.dmarc is None and self.arc is None


def of_fields(fields: Sequence[ResultsField]) -> Told:
    """What the fields of one chain say together; several programs write one each."""
    all_results = [each for field in fields for each in field.results]
    dmarc = next(((field, each) for field in fields for each in field.results if each.method == "dmarc"), None)
    return Told(
        tuple(_spf(each) for each in all_results if each.method == "spf"),
        tuple(_signature(each) for each in all_results if each.method == "dkim"),
        _dmarc(*dmarc) if dmarc is not None else None,
        next((_of_chain(each.result) for each in all_results if each.method == "arc"), None),
        " ".join(field.text for field in fields),
    )


def of_verdict(verdict: Verdict) -> Told:
    """What we say."""
    spf, dmarc = verdict.spf, verdict.dmarc
    signatures = tuple(
        Signature(each.result.value, each.domain, each.selector, each.header_b) for each in verdict.signatures
    )
    policy = dmarc.policy.value if dmarc.policy is not None else None
    return Told(
        (Spf(spf.check.result.value, spf.identity.value, spf.domain),),
        signatures or (Signature("none"),),
        Dmarc(dmarc.result.value, policy),
        verdict.arc.status.value,
    )


def of_our_fields(fields: Sequence[ResultsField]) -> Told:
    """What our own fields say: without a result of ARC there was no chain."""
    told = of_fields(fields)
    return Told(told.spf, told.dkim, told.dmarc, told.arc or "none", told.text) if not told.is_empty else told


def _usual(result: str) -> str:
    word = _OLD_NAMES.get(result, result)
    return word if word in _RESULTS else UNKNOWN


def _of_chain(result: str) -> str:
    """There is pass, fail and none (RFC 8617 4.4); rspamd writes others for a chain that is broken."""
    return "fail" if result in ("reject", "permerror", "invalid") else _usual(result)


def _spf(found: MethodResult) -> Spf:
    """RFC 8601 2.7.2. Older programs write smtp.mfrom or smtp.mail."""
    for name in ("smtp.mailfrom", "smtp.mfrom", "smtp.mail"):
        for value in found.values(name):
            domain = _domain(value)
            if domain is not None:
                return Spf(_usual(found.result), "mailfrom", domain)
    helo = found.values("smtp.helo")
    return Spf(_usual(found.result), "helo" if helo else "", _domain(helo[0]) if helo else None)


def mail_from(told: Iterable[ResultsField]) -> str | None:
    """The address that SPF was asked about, where the fields tell all of it."""
    for field in told:
        for result in field.results:
            for value in result.values("smtp.mailfrom") if result.method == "spf" else ():
                if "@" in value.strip("<>")[1:]:
                    return value.strip("<>")
    return None


def _signature(found: MethodResult) -> Signature:
    """RFC 8601 2.7.1. Gmail tells header.i alone, rspamd wrote ``header.d=bank.example:s=2026`` for years."""
    told = next(iter(found.values("header.d")), None) or next(iter(found.values("header.i")), None)
    domain, _, behind = (told or "").partition(":s=")
    selector = next(iter(found.values("header.s")), None) or behind or None
    return Signature(
        _usual(found.result),
        _domain(domain) if domain else None,
        comparable(selector) if selector else None,
        next(iter(found.values("header.b")), None) or None,
    )


def _domain(value: str) -> str | None:
    return comparable(value.strip("<>").rpartition("@")[2]) or None


_POLICY = re.compile(r"\b(?:p|policy)=(none|quarantine|reject)\b")
_DISPOSITION = re.compile(r"\b(?:dis|d)=(none|quarantine|reject)\b")
_DMARC = re.compile(r'\bdmarc *= *[a-z]+((?:"[^"]{0,1000}"|\([^()]{0,1000}\)|[^;"()])*)')
"""One result, up to its semicolon."""
_QUOTED = re.compile(r'"[^"]*"')
_COMMENT = re.compile(r"\([^()]*\)")
"""OpenDMARC and Gmail write ``(p=reject dis=none)``, rspamd ``(policy=reject)``, authentication_milter
``(p=none,d=none)``."""


def _dmarc(field: ResultsField, found: MethodResult) -> Dmarc:
    whole = _DMARC.search(field.text)
    text = " ".join(_COMMENT.findall(_QUOTED.sub("", whole[1]))) if whole is not None else ""
    properties = ("policy.dmarc", "policy.published-domain-policy")
    policy = next((value for name in properties for value in found.values(name)), None) or _first(_POLICY, text)
    done = ("policy.applied-disposition", "policy.disposition")
    disposition = next((value for name in done for value in found.values(name)), None) or _first(_DISPOSITION, text)
    return Dmarc(_usual(found.result), policy, disposition)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match is not None else None
