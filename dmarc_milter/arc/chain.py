"""Validating an Authenticated Received Chain (RFC 8617 5.2)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dmarc_milter.arc.results import SealedResults, parse
from dmarc_milter.dkim import signature, tags
from dmarc_milter.dkim.body import BodyHash, BodyHashKind
from dmarc_milter.dkim.header import canonical, header_hash, without_signature
from dmarc_milter.dkim.key import KeyFault
from dmarc_milter.dkim.signature import Canonicalization, Refused, Signature
from dmarc_milter.dkim.verification import Expected, judge, keys_for
from dmarc_milter.dns.answer import Question, RecordType, Resolver, text_records
from dmarc_milter.message.header import Field, Header

MAX_SETS = 50
"""4.2.1: instances run from 1 to 50."""


class Status(Enum):
    """Chain Validation Status (4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - an ARC result
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Chain:
    """What was found. Failures of any kind, the DNS's too, are permanent here (5.2.1)."""

    status: Status
    reason: str = ""
    """For people: what broke the chain."""
    oldest_pass: int | None = None
    """The oldest instance whose message signature still validates, 0 if all do (5.2, step 5)."""
    sealers: tuple[str, ...] = ()
    """The d= of each seal, from instance 1 on. Proven only if the status is pass."""
    results: tuple[SealedResults, ...] = ()
    """What each sealer found, from instance 1 on. Proven only if the status is pass."""


@dataclass(frozen=True, slots=True)
class _Set:
    """The three fields of one instance, read."""

    message_signature: Expected
    seal: Signature
    seal_hash: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class ExpectedChain:
    """A chain of sound structure: what remains are the keys and the body."""

    sets: tuple[_Set, ...]

    @property
    def bodies(self) -> list[BodyHashKind]:
        return [each.message_signature.body for each in self.sets]

    @property
    def key_questions(self) -> list[Question]:
        names = [each.seal.key_name for each in self.sets]
        names += [each.message_signature.signature.key_name for each in self.sets]
        return [Question(name, RecordType.TXT) for name in dict.fromkeys(names)]


class _BrokenError(Exception):
    """The chain cannot be valid; the text says why."""


_KEYS = ("arc-authentication-results", "arc-message-signature", "arc-seal")
_RESULT_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")


def expect(header: Header, now: int) -> ExpectedChain | Chain:
    """5.2, steps 1 to 3: collect the sets, check their structure. `now` is seconds since 1970."""
    if not any(header.all(key) for key in _KEYS):
        return Chain(Status.NONE)
    try:
        fields = [_by_instance(header, key) for key in _KEYS]
        count = _check_sequence(fields)
        _check_chain_values(fields[2], count)
        return ExpectedChain(_read(header, fields, count, now))
    except _BrokenError as error:
        return Chain(Status.FAIL, str(error))


def _by_instance(header: Header, key: str) -> dict[int, Field]:
    found: dict[int, Field] = {}
    fields = header.all(key)
    if len(fields) > MAX_SETS:
        raise _BrokenError(f"more than {MAX_SETS} sets")
    for field in fields:
        instance = _instance(field, key)
        if instance in found:
            raise _BrokenError(f"{field.name} i={instance} more than once")
        found[instance] = field
    return found


def _instance(field: Field, key: str) -> int:
    if key == "arc-authentication-results":
        match = _RESULT_INSTANCE.match(field.value)
        text = match.group(1) if match else b""
    else:
        text = _tags(field).get("i", b"")
    if not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= MAX_SETS:
        raise _BrokenError(f"{field.name} has no valid i=")
    return int(text)


def _tags(field: Field) -> dict[str, bytes]:
    try:
        return tags.parse(field.value)
    except tags.TagError as error:
        raise _BrokenError(f"{field.name} cannot be read: {error}") from None


def _check_sequence(fields: list[dict[int, Field]]) -> int:
    """5.2, step 3, A and B: one of each field an instance, and no gaps."""
    count = max(len(each) for each in fields)
    if any(sorted(each) != list(range(1, count + 1)) for each in fields):
        raise _BrokenError("sets are not complete")
    return count


def _check_chain_values(seals: Mapping[int, Field], count: int) -> None:
    """5.2, steps 2 and 3 C; cv is none for the first seal, pass for all others."""
    for instance in range(count, 0, -1):
        value = _tags(seals[instance]).get("cv", b"").lower()
        if value != (b"none" if instance == 1 else b"pass"):
            raise _BrokenError(f"seal i={instance} says cv={value[:8].decode('ascii', 'replace')}")


def _read(header: Header, fields: list[dict[int, Field]], count: int, now: int) -> tuple[_Set, ...]:
    results, signatures, seals = fields
    sets = []
    sealed: list[bytes] = []
    for instance in range(1, count + 1):
        own = seals[instance]
        sealed.append(canonical(results[instance], Canonicalization.RELAXED))
        sealed.append(canonical(signatures[instance], Canonicalization.RELAXED))
        last = canonical(without_signature(own), Canonicalization.RELAXED)
        # 5.1.1: every earlier set in order, then this one, its seal without b= and without CRLF.
        seal_hash = hashlib.sha256(b"\r\n".join([*sealed, last])).digest()
        sealed.append(canonical(own, Canonicalization.RELAXED))
        sets.append(
            _Set(
                _message_signature(header, signatures[instance], instance, now),
                _seal(own, instance, now),
                seal_hash,
                _RESULT_INSTANCE.sub(b"", results[instance].value, count=1),
            )
        )
    return tuple(sets)


def _message_signature(header: Header, field: Field, instance: int, now: int) -> Expected:
    parsed = signature.parse_arc(field.value, now)
    if isinstance(parsed, Refused):
        raise _BrokenError(f"message signature i={instance}: {parsed.reason}")
    if "arc-seal" in parsed.signed_fields:
        # 4.1.2; the other ARC fields must not be signed either, but their presence breaks nothing.
        raise _BrokenError(f"message signature i={instance} signs seals")
    return Expected(parsed, header_hash(header, parsed.signed_fields, field, parsed.header_canonicalization))


def _seal(field: Field, instance: int, now: int) -> Signature:
    """4.1.3: a signature without body and without h=; its canonicalization is relaxed."""
    found = _tags(field)
    if "h" in found:
        raise _BrokenError(f"seal i={instance} has h=")
    parsed = signature.parse_seal(found, now)
    if isinstance(parsed, Refused):
        raise _BrokenError(f"seal i={instance}: {parsed.reason}")
    return parsed


async def validate(
    resolver: Resolver, expected: ExpectedChain | Chain, bodies: Mapping[BodyHashKind, BodyHash]
) -> Chain:
    """5.2, steps 4 to 7, once the body's hashes are known."""
    if isinstance(expected, Chain):
        return expected
    sets = expected.sets
    sealers = tuple(each.seal.domain for each in sets)
    results = tuple(parse(each.seal.domain, each.result) for each in sets)
    failure = await _message_failure(resolver, sets[-1], bodies)
    if failure is not None:
        return Chain(Status.FAIL, f"message signature i={len(sets)}: {failure}", None, sealers, results)
    oldest_pass = await _oldest_pass(resolver, sets, bodies)
    for instance in range(len(sets), 0, -1):
        failure = await _seal_failure(resolver, sets[instance - 1])
        if failure is not None:
            return Chain(Status.FAIL, f"seal i={instance}: {failure}", oldest_pass, sealers, results)
    return Chain(Status.PASS, "", oldest_pass, sealers, results)


async def _message_failure(resolver: Resolver, checked: _Set, bodies: Mapping[BodyHashKind, BodyHash]) -> str | None:
    expected = checked.message_signature
    answer = await text_records(resolver, expected.signature.key_name)
    verified = judge(expected, answer, bodies[expected.body])
    return None if verified.result is signature.Result.PASS else verified.reason


async def _oldest_pass(resolver: Resolver, sets: tuple[_Set, ...], bodies: Mapping[BodyHashKind, BodyHash]) -> int:
    """5.2, step 5; the newest signature is known to validate."""
    for instance in range(len(sets) - 1, 0, -1):
        if await _message_failure(resolver, sets[instance - 1], bodies) is not None:
            return instance + 1
    return 0


async def _seal_failure(resolver: Resolver, checked: _Set) -> str | None:
    seal = checked.seal
    keys = keys_for(seal, await text_records(resolver, seal.key_name))
    if isinstance(keys, KeyFault):
        return keys.reason
    if any(key.verifies(seal.signature, checked.seal_hash) for key in keys):
        return None
    return "seal does not fit the fields or the key"
