"""Verifying signatures (RFC 6376 6.1): what to expect of a message before its body came, and what to say after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmarc_milter.common.reason import Reason, Unreadable
from dmarc_milter.dkim import key, signature
from dmarc_milter.dkim.body import BodyHash, BodyHashKind
from dmarc_milter.dkim.key import Key
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult, result_of
from dmarc_milter.dkim.signature import Signature
from dmarc_milter.dkim.work import Exceeded, Work
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType, Resolver, text_records
from dmarc_milter.dns.name import is_at_or_below
from dmarc_milter.message.header import Field, Header


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """What was found out about one signature."""

    result: DkimResult
    reason: Reason | None
    """None for a pass."""
    domain: str | None = None
    """d="""
    selector: str | None = None
    algorithm: str | None = None
    header_b: str | None = None
    """The start of b= (RFC 6008)."""
    key_bits: int | None = None
    is_test: bool = False
    """The key says t=y: this domain is testing DKIM."""
    identity_domain: str | None = None
    """The domain of i=; None where the signature could not be read."""


@dataclass(frozen=True, slots=True)
class PreparedSignature:
    """A signature worth verifying, and the field that holds it."""

    signature: Signature
    field: Field

    @property
    def body(self) -> BodyHashKind:
        """The body hash that it needs."""
        return BodyHashKind(self.signature.body_canonicalization, self.signature.body_length)

    @property
    def key_question(self) -> Question:
        """Where its key is published: a question for TXT records (RFC 6376 3.6.2.1)."""
        return Question(self.signature.key_name, RecordType.TXT)


@dataclass(frozen=True, slots=True)
class PreparedSignatures:
    """All signatures of a message, those that will be verified and those that were refused, as their fields stand."""

    items: tuple[PreparedSignature | SignatureResult, ...]
    work: Work
    """Shared with the message's ARC chain."""
    left_out: int = 0
    """Signatures beyond the bound, which are not looked at."""

    @property
    def prepared(self) -> list[PreparedSignature]:
        """Those that will be verified."""
        return [item for item in self.items if isinstance(item, PreparedSignature)]

    @property
    def key_questions(self) -> list[Question]:
        """What to ask before the body came: the keys of the first signatures, each once."""
        return list(dict.fromkeys(item.key_question for item in self.prepared))[:MAX_KEYS_PREFETCHED]


MAX_KEYS_PREFETCHED = 10
"""Key records that are asked for early; any more are asked for one by one, in their turn."""


def prepare(
    header: Header, author_domain: str | None, now: int, limit: int, work: Work | None = None
) -> PreparedSignatures:
    """Read the signatures of `header`; at most `limit`, those that may align with `author_domain` first.

    `author_domain` is None where there is no single one. `now` is seconds since 1970. `work` is what the message's
    DKIM signatures and its ARC chain share; none of it is done yet.
    """
    fields = header.all("dkim-signature")
    chosen: Sequence[Field] = fields
    if len(fields) > limit:
        chosen = _nearest(fields, author_domain, limit)
    items = tuple(_expectation(field, signature.parse(field.value, now)) for field in chosen)
    return PreparedSignatures(items, work or Work(header), len(fields) - len(items))


_MOST_RANKED = 100
"""Of very many signatures only the first are looked at."""


def _nearest(fields: Sequence[Field], author_domain: str | None, limit: int) -> list[Field]:
    """The `most` fields whose d= is nearest to the Author Domain, in their order.

    Fields with the Author Domain in d= that nobody can verify may take the place of one that is right. Then the
    message fails: whoever put them there has spoiled it, and gained nothing.
    """
    ranked = fields[:_MOST_RANKED]
    distances = [_distance(signature.claims(field.value).domain, author_domain) for field in ranked]
    nearest = sorted(range(len(ranked)), key=distances.__getitem__)[:limit]
    return [ranked[index] for index in sorted(nearest)]


def _distance(domain: str | None, author_domain: str | None) -> int:
    if domain is None:
        return 3
    if author_domain is None:
        return 2
    if domain == author_domain:
        return 0
    return 1 if is_at_or_below(author_domain, domain) or is_at_or_below(domain, author_domain) else 2


def _expectation(field: Field, parsed: Signature | Unreadable) -> PreparedSignature | SignatureResult:
    if isinstance(parsed, Signature):
        return PreparedSignature(parsed, field)
    claims = signature.claims(field.value)
    return SignatureResult(
        result_of(parsed.reason), parsed.reason, claims.domain, claims.selector, claims.algorithm, claims.header_b
    )


async def verify_all(
    resolver: Resolver,
    expectations: PreparedSignatures,
    bodies: Mapping[BodyHashKind, BodyHash],
    *,
    allow_partial_body: bool = False,
) -> tuple[SignatureResult, ...]:
    """The result of every signature (RFC 6376 6.1), once the body's hashes are known, in the order of their fields.

    `bodies` has the hash of each kind that the prepared signatures name (:class:`~dmarc_milter.dkim.body.BodyHashes`).
    With `allow_partial_body`, a signature whose l= leaves a part of the body unsigned may pass; else its result is
    policy.
    """
    results = []
    for item in expectations.items:
        if isinstance(item, PreparedSignature):
            answer = await text_records(resolver, item.signature.key_name)
            body = bodies[item.body]
            item = judge(item, answer, body, expectations.work, allow_partial_body=allow_partial_body)
        results.append(item)
    return tuple(results)


def judge(
    prepared: PreparedSignature, answer: Answer[bytes], body: BodyHash, work: Work, *, allow_partial_body: bool = False
) -> SignatureResult:
    """The result of one signature, given its key records and the body hash (RFC 6376 6.1.2, 6.1.3).

    `answer` is what the DNS said to :attr:`PreparedSignature.key_question`; that it failed is a temperror.
    `allow_partial_body` is as for :func:`verify_all`.
    """
    keys = keys_for(prepared.signature, answer)
    if isinstance(keys, Unreadable):
        return _verified(prepared, keys.reason)
    by = _key_of(keys, prepared, work)
    if isinstance(by, Exceeded):
        return _verified(prepared, by.reason)
    reason = _fault(prepared.signature, by, body, allow_partial_body=allow_partial_body)
    used = by or keys[0]
    if reason is not None and used.is_test and result_of(reason) is DkimResult.FAIL:
        # 3.6.1: a failure of a domain that is testing is treated as no signature.
        reason = DkimReason.TESTING(because=reason)
    return _verified(prepared, reason, used)


def _key_of(keys: Sequence[Key], prepared: PreparedSignature, work: Work) -> Key | Exceeded | None:
    digest = work.header_hash(prepared.signature, prepared.field)
    return digest if isinstance(digest, Exceeded) else work.key_of(keys, prepared.signature.signature, digest)


def keys_for(wanted: Signature, answer: Answer[bytes]) -> list[Key] | Unreadable:
    """The keys published for a signature (RFC 6376 6.1.2), not empty; else why there is none."""
    if answer.failed:
        return Unreadable(DkimReason.KEY_LOOKUP_FAILED(because=answer.failure))
    if answer.outcome is not AnswerOutcome.RECORDS:
        return Unreadable(DkimReason.NO_KEY(name=wanted.key_name))
    return key.usable(answer.records, wanted)


def _fault(wanted: Signature, by: Key | None, body: BodyHash, *, allow_partial_body: bool) -> Reason | None:
    """Header and body are compared apart, so that the reason says which of them was changed (6.1.3)."""
    length = wanted.body_length
    if length is not None and length > body.octets:
        return DkimReason.LENGTH_BEYOND_BODY(length=str(length))
    if body.digest != wanted.body_hash:
        return DkimReason.BODY_CHANGED() if by else DkimReason.BODY_AND_HEADER_CHANGED()
    if by is None:
        return DkimReason.SIGNATURE_DOES_NOT_FIT()
    if length is not None and length < body.octets and not allow_partial_body:
        return DkimReason.BODY_PARTLY_SIGNED(length=length, octets=body.octets)
    return None


def _verified(prepared: PreparedSignature, reason: Reason | None, used: Key | None = None) -> SignatureResult:
    wanted = prepared.signature
    return SignatureResult(
        result_of(reason),
        reason,
        wanted.domain,
        wanted.selector,
        wanted.algorithm.value,
        wanted.header_b,
        used.bits if used else None,
        used.is_test if used else False,
        wanted.identity_domain,
    )
