"""Verifying signatures (RFC 6376 6.1): what to expect of a message before its body came, and what to say after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmarc_milter.dkim import key, signature
from dmarc_milter.dkim.body import BodyHash, BodyHashKind
from dmarc_milter.dkim.header import header_hash
from dmarc_milter.dkim.key import Key, KeyFault
from dmarc_milter.dkim.signature import Refused, Result, Signature
from dmarc_milter.dns.answer import Answer, Outcome, Question, RecordType, Resolver, text_records
from dmarc_milter.dns.name import is_at_or_below
from dmarc_milter.message.header import Field, Header


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found out about one signature."""

    result: Result
    reason: str
    """For people; empty for a pass."""
    domain: str | None = None
    """d="""
    selector: str | None = None
    algorithm: str | None = None
    shown: str | None = None
    """The start of b= (RFC 6008)."""
    key_bits: int | None = None
    is_test: bool = False
    """The key says t=y: this domain is testing DKIM."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A signature worth verifying and the hash of the header it is to be right for."""

    signature: Signature
    header_hash: bytes

    @property
    def body(self) -> BodyHashKind:
        return BodyHashKind(self.signature.body_canonicalization, self.signature.body_length)

    @property
    def key_question(self) -> Question:
        return Question(self.signature.key_name, RecordType.TXT)


@dataclass(frozen=True, slots=True)
class Expectations:
    """All signatures of a message, those that will be verified and those that were refused, as their fields stand."""

    items: tuple[Expected | Verified, ...]
    left_out: int = 0
    """Signatures beyond the bound, which are not looked at."""

    @property
    def expected(self) -> list[Expected]:
        return [item for item in self.items if isinstance(item, Expected)]


def expect(header: Header, author_domain: str | None, now: int, most: int) -> Expectations:
    """Read the signatures of `header`; at most `most`, those that may align with `author_domain` first."""
    fields = header.all("dkim-signature")
    chosen: Sequence[Field] = fields
    if len(fields) > most:
        chosen = _nearest(fields, author_domain, now, most)
    items = tuple(_expectation(header, field, signature.parse(field.value, now)) for field in chosen)
    return Expectations(items, len(fields) - len(items))


_MOST_READ = 100
"""Of very many signatures only the first are read at all."""


def _nearest(fields: Sequence[Field], author_domain: str | None, now: int, most: int) -> list[Field]:
    """The `most` fields that are nearest to the Author Domain, in their order."""
    ranks = []
    for index, field in enumerate(fields[:_MOST_READ]):
        parsed = signature.parse(field.value, now)
        ranks.append((_distance(parsed, author_domain), index))
    return [fields[index] for index in sorted(index for _, index in sorted(ranks)[:most])]


def _distance(parsed: Signature | Refused, author_domain: str | None) -> int:
    if isinstance(parsed, Refused):
        return 3
    if author_domain is None:
        return 2
    if parsed.domain == author_domain:
        return 0
    related = is_at_or_below(author_domain, parsed.domain) or is_at_or_below(parsed.domain, author_domain)
    return 1 if related else 2


def _expectation(header: Header, field: Field, parsed: Signature | Refused) -> Expected | Verified:
    if isinstance(parsed, Refused):
        return Verified(parsed.result, parsed.reason, parsed.domain, parsed.selector, parsed.algorithm, parsed.shown)
    digest = header_hash(header, parsed.signed_fields, field, parsed.header_canonicalization)
    return Expected(parsed, digest)


async def verify_all(
    resolver: Resolver,
    expectations: Expectations,
    bodies: Mapping[BodyHashKind, BodyHash],
    *,
    allow_partial_body: bool = False,
) -> tuple[Verified, ...]:
    """The result of every signature, once the body's hashes are known."""
    results = []
    for item in expectations.items:
        if isinstance(item, Expected):
            answer = await text_records(resolver, item.signature.key_name)
            item = judge(item, answer, bodies[item.body], allow_partial_body=allow_partial_body)
        results.append(item)
    return tuple(results)


def judge(expected: Expected, answer: Answer[bytes], body: BodyHash, *, allow_partial_body: bool = False) -> Verified:
    """One signature, given its key record and the body hash (6.1.2, 6.1.3)."""
    keys = keys_for(expected.signature, answer)
    if isinstance(keys, KeyFault):
        return _verified(expected, keys.result, keys.reason)
    by = next((each for each in keys if each.verifies(expected.signature.signature, expected.header_hash)), None)
    result, reason = _outcome(expected.signature, by, body, allow_partial_body=allow_partial_body)
    used = by or keys[0]
    if result is Result.FAIL and used.is_test:
        # 3.6.1: a failure of a domain that is testing is treated as no signature.
        result, reason = Result.NEUTRAL, f"{reason}; the key is for tests (t=y)"
    return _verified(expected, result, reason, used)


def keys_for(wanted: Signature, answer: Answer[bytes]) -> list[Key] | KeyFault:
    """The keys published for a signature, or why there is none (6.1.2)."""
    if answer.failed:
        return KeyFault(Result.TEMPERROR, f"key look-up failed: {answer.detail}")
    if answer.outcome is not Outcome.RECORDS:
        return KeyFault(Result.PERMERROR, f"no key published at {wanted.key_name}")
    return key.usable(answer.records, wanted)


def _outcome(wanted: Signature, by: Key | None, body: BodyHash, *, allow_partial_body: bool) -> tuple[Result, str]:
    """Header and body are compared apart, so that the reason says which of them was changed (6.1.3)."""
    length = wanted.body_length
    if length is not None and length > body.octets:
        return Result.FAIL, f"l={length} is longer than the body"
    if body.digest != wanted.body_hash:
        return Result.FAIL, "body was changed" if by else "body and header were changed"
    if by is None:
        return Result.FAIL, "signature does not fit header or key"
    if length is not None and length < body.octets and not allow_partial_body:
        return Result.POLICY, f"only the first {length} of {body.octets} octets of the body are signed (l=)"
    return Result.PASS, ""


def _verified(expected: Expected, result: Result, reason: str, used: Key | None = None) -> Verified:
    wanted = expected.signature
    return Verified(
        result,
        reason,
        wanted.domain,
        wanted.selector,
        wanted.algorithm.value,
        wanted.shown,
        used.bits if used else None,
        used.is_test if used else False,
    )
