"""Validating an Authenticated Received Chain (RFC 8617 5.2)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from dmarc_milter.arc.reasons import ArcReason
from dmarc_milter.arc.results import SealedResults, parse
from dmarc_milter.common.reason import Reason, Unreadable, UnreadableError
from dmarc_milter.dkim import signature, tags
from dmarc_milter.dkim.body import BodyHash, BodyHashKind
from dmarc_milter.dkim.header import canonical, without_signature
from dmarc_milter.dkim.signature import Canonicalization, Signature
from dmarc_milter.dkim.verification import MAX_KEYS_PREFETCHED, PreparedSignature, judge, keys_for
from dmarc_milter.dkim.work import Exceeded, Work
from dmarc_milter.dns.answer import Question, RecordType, Resolver, text_records
from dmarc_milter.message.header import Field, Header

MAX_SETS = 50
"""4.2.1: instances run from 1 to 50."""


class ArcStatus(Enum):
    """Chain Validation Status (4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - an ARC result
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Chain:
    """What was found. Failures of any kind, the DNS's too, are permanent here (5.2.1)."""

    status: ArcStatus
    reason: Reason | None = None
    """What broke the chain."""
    oldest_pass: int | None = None
    """The oldest instance whose message signature still validates, 0 if all do (5.2, step 5). Known if it passes."""
    sealers: tuple[str, ...] = ()
    """The d= of each seal, from instance 1 on. Proven only if the status is pass."""
    results: tuple[SealedResults, ...] = ()
    """What each sealer found, from instance 1 on. Read only if the status is pass."""


@dataclass(frozen=True, slots=True)
class _Set:
    """The three fields of one instance, read."""

    message_signature: PreparedSignature
    seal: Signature
    result_field: Field
    seal_field: Field


@dataclass(frozen=True, slots=True)
class PreparedChain:
    """A chain of sound structure: what remains are the keys and the body."""

    sets: tuple[_Set, ...]
    work: Work

    @property
    def bodies(self) -> list[BodyHashKind]:
        """The body hashes that its message signatures need, from instance 1 on."""
        return [each.message_signature.body for each in self.sets]

    @property
    def key_questions(self) -> list[Question]:
        """What to ask before the body came: the keys that decide first, which are those of the newest sets."""
        newest_first = self.sets[::-1]
        names = [newest_first[0].message_signature.signature.key_name, *(each.seal.key_name for each in newest_first)]
        return [Question(name, RecordType.TXT) for name in dict.fromkeys(names)][:MAX_KEYS_PREFETCHED]


_KEYS = ("arc-authentication-results", "arc-message-signature", "arc-seal")
_RESULT_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")


class _Read(NamedTuple):
    """A field of a set with its tags; an ARC-Authentication-Results field has only its instance."""

    field: Field
    tags: dict[str, bytes]


_Instances = dict[int, _Read]


def prepare(header: Header, now: int, work: Work | None = None) -> PreparedChain | Chain:
    """The sets of a header and their structure (RFC 8617 5.2, steps 1 to 3). `now` is seconds since 1970.

    A :class:`Chain` where it ends here: without any ARC field none, with a fault in the structure fail, with its
    reason. `work` is what the chain and the message's DKIM signatures share; none of it is done yet.
    """
    if not any(header.all(key) for key in _KEYS):
        return Chain(ArcStatus.NONE)
    try:
        results, signatures, seals = [_by_instance(header, key) for key in _KEYS]
        count = _check_sequence(results, signatures, seals)
        _check_chain_values(seals, count)
        sets = [_set(instance, results, signatures, seals, now) for instance in range(1, count + 1)]
        return PreparedChain(tuple(sets), work or Work(header))
    except UnreadableError as error:
        return Chain(ArcStatus.FAIL, error.unreadable.reason)


def _by_instance(header: Header, key: str) -> _Instances:
    found: _Instances = {}
    fields = header.all(key)
    if len(fields) > MAX_SETS:
        raise UnreadableError(ArcReason.TOO_MANY_SETS(limit=MAX_SETS))
    for field in fields:
        read = _Read(field, _tags(field, key))
        instance = _instance(read)
        if instance in found:
            raise UnreadableError(ArcReason.REPEATED_INSTANCE(field=field.name, instance=instance))
        found[instance] = read
    return found


def _instance(read: _Read) -> int:
    text = read.tags.get("i", b"")
    if not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= MAX_SETS:
        raise UnreadableError(ArcReason.NO_INSTANCE(field=read.field.name))
    return int(text)


def _tags(field: Field, key: str) -> dict[str, bytes]:
    if key == "arc-authentication-results":
        match = _RESULT_INSTANCE.match(field.value)
        return {"i": match.group(1)} if match else {}
    found = tags.parse(field.value)
    if isinstance(found, Unreadable):
        raise UnreadableError(ArcReason.UNREADABLE_FIELD(field=field.name, because=found.reason))
    return found


def _check_sequence(*fields: _Instances) -> int:
    """5.2, step 3, A and B: one of each field an instance, and no gaps."""
    count = max(len(each) for each in fields)
    if any(sorted(each) != list(range(1, count + 1)) for each in fields):
        raise UnreadableError(ArcReason.INCOMPLETE_SETS())
    return count


def _check_chain_values(seals: _Instances, count: int) -> None:
    """5.2, steps 2 and 3 C; cv is none for the first seal, pass for all others."""
    for instance in range(count, 0, -1):
        value = seals[instance].tags.get("cv", b"").lower()
        if value != (b"none" if instance == 1 else b"pass"):
            shown = value[:8].decode("ascii", "replace")
            raise UnreadableError(ArcReason.CHAIN_VALUE(instance=instance, value=shown))


def _set(instance: int, results: _Instances, signatures: _Instances, seals: _Instances, now: int) -> _Set:
    return _Set(
        _message_signature(signatures[instance], instance, now),
        _seal(seals[instance], instance, now),
        results[instance].field,
        seals[instance].field,
    )


def _message_signature(read: _Read, instance: int, now: int) -> PreparedSignature:
    parsed = signature.parse_arc(read.tags, now)
    if isinstance(parsed, Unreadable):
        raise UnreadableError(ArcReason.MESSAGE_SIGNATURE(instance=instance, because=parsed.reason))
    if "arc-seal" in parsed.signed_fields:
        # 4.1.2; the other ARC fields must not be signed either, but their presence breaks nothing.
        raise UnreadableError(ArcReason.SIGNS_SEALS(instance=instance))
    return PreparedSignature(parsed, read.field)


def _seal(read: _Read, instance: int, now: int) -> Signature:
    """4.1.3: a signature without body and without h=; its canonicalization is relaxed."""
    if "h" in read.tags:
        raise UnreadableError(ArcReason.SEAL_WITH_FIELDS(instance=instance))
    parsed = signature.parse_seal(read.tags, now)
    if isinstance(parsed, Unreadable):
        raise UnreadableError(ArcReason.SEAL(instance=instance, because=parsed.reason))
    return parsed


async def validate(
    resolver: Resolver, prepared: PreparedChain | Chain, bodies: Mapping[BodyHashKind, BodyHash]
) -> Chain:
    """The chain of a message (RFC 8617 5.2, steps 4 to 7), once the body's hashes are known: none, pass or fail.

    `bodies` are the hashes of all kinds that :attr:`PreparedChain.bodies` names. What is no :class:`PreparedChain` is
    decided already, and comes back as it is. What fails ends it. The older message signatures and the results come
    last: they count only where all seals hold.
    """
    if isinstance(prepared, Chain):
        return prepared
    sets, work = prepared.sets, prepared.work
    sealers = tuple(each.seal.domain for each in sets)
    failure = await _newest_failure(resolver, sets, bodies, work) or await _seals_failure(resolver, sets, work)
    if failure is not None:
        return Chain(ArcStatus.FAIL, failure, None, sealers)
    oldest_pass = await _oldest_pass(resolver, sets, bodies, work)
    results = tuple(parse(each.seal.domain, _without_instance(each.result_field)) for each in sets)
    return Chain(ArcStatus.PASS, None, oldest_pass, sealers, results)


def _without_instance(field: Field) -> bytes:
    match = _RESULT_INSTANCE.match(field.value)
    return field.value[match.end() :] if match else field.value


async def _newest_failure(
    resolver: Resolver, sets: Sequence[_Set], bodies: Mapping[BodyHashKind, BodyHash], work: Work
) -> Reason | None:
    """5.2, step 4."""
    failure = await _message_failure(resolver, sets[-1].message_signature, bodies, work)
    return None if failure is None else ArcReason.MESSAGE_SIGNATURE(instance=len(sets), because=failure)


async def _message_failure(
    resolver: Resolver, prepared: PreparedSignature, bodies: Mapping[BodyHashKind, BodyHash], work: Work
) -> Reason | None:
    answer = await text_records(resolver, prepared.signature.key_name)
    verified = judge(prepared, answer, bodies[prepared.body], work)
    return verified.reason


async def _oldest_pass(
    resolver: Resolver, sets: Sequence[_Set], bodies: Mapping[BodyHashKind, BodyHash], work: Work
) -> int:
    """5.2, step 5; the newest signature is known to validate."""
    for instance in range(len(sets) - 1, 0, -1):
        if await _message_failure(resolver, sets[instance - 1].message_signature, bodies, work) is not None:
            return instance + 1
    return 0


async def _seals_failure(resolver: Resolver, sets: Sequence[_Set], work: Work) -> Reason | None:
    """5.2, step 6: from the newest seal to the oldest."""
    hashes = _seal_hashes(sets)
    for instance in range(len(sets), 0, -1):
        failure = await _seal_failure(resolver, sets[instance - 1].seal, hashes[instance - 1], work)
        if failure is not None:
            return ArcReason.SEAL(instance=instance, because=failure)
    return None


def _seal_hashes(sets: Sequence[_Set]) -> list[bytes]:
    """5.1.1: every earlier set in order, then this one, its seal without b= and without CRLF. Each field once."""
    hashes = []
    earlier = sha256()
    for each in sets:
        earlier.update(_line(each.result_field) + _line(each.message_signature.field))
        own = earlier.copy()
        own.update(canonical(without_signature(each.seal_field), Canonicalization.RELAXED))
        hashes.append(own.digest())
        earlier.update(_line(each.seal_field))
    return hashes


def _line(field: Field) -> bytes:
    return canonical(field, Canonicalization.RELAXED) + b"\r\n"


async def _seal_failure(resolver: Resolver, seal: Signature, seal_hash: bytes, work: Work) -> Reason | None:
    keys = keys_for(seal, await text_records(resolver, seal.key_name))
    if isinstance(keys, Unreadable):
        return keys.reason
    by = work.key_of(keys, seal.signature, seal_hash)
    if isinstance(by, Exceeded):
        return by.reason
    return ArcReason.SEAL_DOES_NOT_FIT() if by is None else None
