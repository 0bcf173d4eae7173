"""check_host(), RFC 7208 section 4: from a client address and an identity to a result, and why."""

from typing import Any, NamedTuple, TypeVar

from dmarc_milter.common.network import in_network, unmapped
from dmarc_milter.common.reason import Reason, Unreadable
from dmarc_milter.dns.answer import (
    Answer,
    AnswerOutcome,
    Question,
    RecordType,
    Resolver,
    addresses,
    mail_exchanges,
)
from dmarc_milter.dns.name import is_at_or_below, to_identifier
from dmarc_milter.spf import macro, record
from dmarc_milter.spf.check import Check, Explanation, SpfResult, Step
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_EXCHANGES, MAX_VOID_LOOKUPS
from dmarc_milter.spf.macro import MacroString, MacroValues
from dmarc_milter.spf.prefetch import Prefetcher
from dmarc_milter.spf.reasons import SpfReason
from dmarc_milter.spf.record import IP, MX, PTR, A, All, Directive, Exists, Include, Qualifier, SpfRecord
from dmarc_milter.spf.validated import address_type, advised_name, validated_names

_BY_QUALIFIER = {
    Qualifier.PASS: SpfResult.PASS,
    Qualifier.FAIL: SpfResult.FAIL,
    Qualifier.SOFTFAIL: SpfResult.SOFTFAIL,
    Qualifier.NEUTRAL: SpfResult.NEUTRAL,
}


async def check_host(
    resolver: Resolver,
    client_address: bytes,
    domain: str,
    sender: str,
    helo: str,
    *,
    prefetch: bool = True,
    trace: list[Step] | None = None,
) -> Check:
    """check_host() of RFC 7208 4.1: one of all seven results, with the reason.

    `client_address` is 4 or 16 octets (an IPv4-mapped address counts as IPv4, 5). `domain` is the one to check,
    `sender` MAIL FROM, or empty; it gets ``postmaster`` for a missing local part (4.3). With `prefetch`, questions
    that the record's terms will probably need are asked together; limits, order and result are those of asking one
    after the other. Steps are appended to `trace` where one is given.
    """
    name = to_identifier(domain)
    if name is None or "." not in name:
        return Check(SpfResult.NONE, SpfReason.NO_DOMAIN())
    local_part, at, _ = sender.rpartition("@")
    sender = sender if at and local_part else f"postmaster@{sender.rpartition('@')[2] or domain}"
    values = MacroValues(sender, unmapped(client_address), helo, name)
    evaluation = _CheckHost(resolver, values.client_address, Prefetcher(resolver) if prefetch else None, trace)
    ended = await evaluation.check(values, 0)
    return Check(
        ended.result,
        ended.reason,
        ended.explanation,
        evaluation.dns_terms,
        len(evaluation.void_terms),
        ended.is_senders_failure,
    )


class _Ended(NamedTuple):
    result: SpfResult
    reason: Reason
    explanation: Explanation | None = None
    is_senders_failure: bool = False


class _CheckHost:
    """The counters that all records of one check share."""

    def __init__(
        self, resolver: Resolver, client_address: bytes, prefetcher: Prefetcher | None, trace: list[Step] | None
    ) -> None:
        self._resolver = resolver
        self._client = client_address
        self._family = address_type(client_address)
        self._prefetcher = prefetcher
        self._trace = trace
        self._has_asked_sender = False
        """Whether names were asked for that the sender chose: the time that is gone may be theirs."""
        self.dns_terms = 0
        self.void_terms: set[int] = set()

    async def check(self, values: MacroValues, depth: int) -> _Ended:
        """One record: select it (4.5), read it (4.6), evaluate its terms in order."""
        selected = await self._select(values.domain, depth)
        if isinstance(selected, _Ended):
            return selected
        for index, directive in enumerate(selected.directives):
            matched: bool | _Ended | None = self._match_alone(directive, values, depth)
            if matched is None:
                matched = await self._match(index, directive, selected, values, depth)
            if isinstance(matched, _Ended):
                return matched
            if matched:
                return _by_directive(directive, selected, values, depth)
        if selected.redirect is not None:
            return await self._redirect(selected, selected.redirect, values, depth)
        reason = _NO_MATCH if depth else SpfReason.NO_TERM_MATCHED(domain=values.domain)
        return _Ended(SpfResult.NEUTRAL, reason)

    async def _select(self, domain: str, depth: int) -> SpfRecord | _Ended:
        """Record look-up and selection (4.4, 4.5)."""
        answer = await self._resolver.resolve(Question(domain, RecordType.TXT))
        if answer.failed:
            ended = self._temporary_error(answer, RecordType.TXT, domain)
        else:
            texts = [text for text in answer.records if record.is_spf(text)]
            if len(texts) == 1:
                parsed = record.parse(texts[0])
                if isinstance(parsed, SpfRecord):
                    if self._trace is not None:
                        self._note(depth, domain, "record", "", SpfReason.RECORD(record=texts[0].decode("ascii")))
                    return parsed
                ended = _Ended(SpfResult.PERMERROR, _unreadable(domain, parsed))
            elif texts:
                ended = _Ended(SpfResult.PERMERROR, SpfReason.SEVERAL_RECORDS(domain=domain, count=len(texts)))
            else:
                ended = _Ended(SpfResult.NONE, SpfReason.NO_RECORD(domain=domain))
        self._note(depth, domain, "record", "", ended.reason)
        return ended

    async def _redirect(self, written: SpfRecord, redirect: MacroString, values: MacroValues, depth: int) -> _Ended:
        """redirect= (6.1): the target's record decides; none there is a permerror."""
        if over := self._count_term():
            return over
        target = await self._expand(redirect, values)
        if isinstance(target, _Ended):
            return target
        self._prefetch_beside(Question(target, RecordType.TXT), written, -1, values)
        self._note(depth, values.domain, "redirect", target, _REDIRECTS)
        ended = await self.check(values.at(target), depth)
        if ended.result is SpfResult.NONE:
            reason = SpfReason.REDIRECT_FAILED(domain=values.domain, because=ended.reason)
            return _Ended(SpfResult.PERMERROR, reason)
        return _blamed(ended, redirect)

    def _match_alone(self, directive: Directive, values: MacroValues, depth: int) -> bool | None:
        """A mechanism that asks nobody; None for all others."""
        mechanism = directive.mechanism
        if isinstance(mechanism, IP):
            matched = in_network(self._client, mechanism.network, mechanism.length)
        elif isinstance(mechanism, All):
            matched = True
        else:
            return None
        if self._trace is not None:
            self._note(depth, values.domain, directive.text, "", _matches(matched))
        return matched

    async def _match(
        self, index: int, directive: Directive, written: SpfRecord, values: MacroValues, depth: int
    ) -> bool | _Ended:
        mechanism = directive.mechanism
        assert not isinstance(mechanism, IP | All)
        if over := self._count_term():
            return over
        spec = mechanism.domain
        target = values.domain if spec is None else await self._expand(spec, values)
        if isinstance(target, _Ended):
            return target
        if isinstance(mechanism, Include):
            self._prefetch_beside(Question(target, RecordType.TXT), written, index, values)
            return _blamed(await self._include(directive, target, values, depth), mechanism.domain)
        if not isinstance(mechanism, PTR):
            self._prefetch_beside(Question(target, self._type_asked(mechanism)), written, index, values)
        outcome = await self._match_names(mechanism, target)
        note = outcome.reason if isinstance(outcome, _Ended) else _matches(outcome)
        self._note(depth, values.domain, directive.text, target, note)
        if len(self.void_terms) > MAX_VOID_LOOKUPS:
            reason = SpfReason.TOO_MANY_VOID_LOOKUPS(limit=MAX_VOID_LOOKUPS, term=directive.text)
            return _Ended(SpfResult.PERMERROR, reason)
        return _blamed(outcome, spec)

    async def _match_names(self, mechanism: A | MX | PTR | Exists, target: str) -> bool | _Ended:
        if isinstance(mechanism, A):
            return await self._match_addresses(target, mechanism)
        if isinstance(mechanism, MX):
            return await self._match_exchanges(target, mechanism)
        if isinstance(mechanism, PTR):
            return await self._match_validated(target)
        answer = await addresses(self._resolver, target, RecordType.A)
        return self._failure(answer, RecordType.A, target) or answer.outcome is AnswerOutcome.RECORDS

    async def _include(self, directive: Directive, target: str, values: MacroValues, depth: int) -> bool | _Ended:
        """include (5.2): a pass there is a match here; errors end the evaluation; none is a permerror."""
        if self._trace is not None:
            self._note(depth, values.domain, directive.text, target, _INCLUDES)
        inner = await self.check(values.at(target), depth + 1)
        if inner.result is SpfResult.TEMPERROR or inner.result is SpfResult.PERMERROR:
            return inner
        if inner.result is SpfResult.NONE:
            reason = SpfReason.INCLUDE_FAILED(term=directive.text, domain=values.domain, because=inner.reason)
            return _Ended(SpfResult.PERMERROR, reason)
        matched = inner.result is SpfResult.PASS
        if self._trace is not None:
            note = SpfReason.INCLUDED(result=inner.result.value, because=_matches(matched))
            self._note(depth, values.domain, directive.text, target, note)
        return matched

    async def _match_addresses(self, target: str, mechanism: A | MX) -> bool | _Ended:
        answer = await addresses(self._resolver, target, self._family)
        if ended := self._failure(answer, self._family, target):
            return ended
        length = mechanism.ip4_length if self._family is RecordType.A else mechanism.ip6_length
        return any(in_network(self._client, address, length) for address in answer.records)

    async def _match_exchanges(self, target: str, mechanism: MX) -> bool | _Ended:
        """mx (5.4). Not the addresses of the domain itself where it has no MX: no implicit MX rule."""
        answer = await mail_exchanges(self._resolver, target)
        if ended := self._failure(answer, RecordType.MX, target):
            return ended
        if len(answer.records) > MAX_EXCHANGES:
            return _Ended(SpfResult.PERMERROR, SpfReason.TOO_MANY_EXCHANGES(domain=target, limit=MAX_EXCHANGES))
        if self._prefetcher is not None:
            self._prefetcher.ask([Question(name, self._family) for name in answer.records])
        for name in answer.records:
            matched = await self._match_addresses(name, mechanism)
            if matched:
                return matched
        return False

    async def _match_validated(self, target: str) -> bool:
        """ptr (5.5): any DNS error there means no match."""
        self._has_asked_sender = True
        async for name in validated_names(self._resolver, self._client, self._count_void):
            if is_at_or_below(name, target):
                return True
        return False

    async def _expand(self, spec: MacroString, values: MacroValues) -> str | _Ended:
        letter = macro.too_long(spec, values)
        if letter is not None:
            return _Ended(SpfResult.PERMERROR, SpfReason.MACRO_VALUE_TOO_LONG(letter=letter.value))
        if macro.names_senders_host(spec) or macro.needs_validated_name(spec):
            self._has_asked_sender = True
        if macro.needs_validated_name(spec):
            name = await advised_name(self._resolver, self._client, values.domain)
            values = values._replace(validated_name=name)
        return macro.expand_domain(spec, values)

    def _count_term(self) -> _Ended | None:
        self.dns_terms += 1
        if self.dns_terms > MAX_DNS_TERMS:
            return _Ended(SpfResult.PERMERROR, SpfReason.TOO_MANY_TERMS(limit=MAX_DNS_TERMS))
        return None

    def _count_void(self, answer: Answer[Any]) -> None:
        """4.6.4 counts the *terms* for which a look-up found nothing, so each term once."""
        if answer.is_void:
            self.void_terms.add(self.dns_terms)

    def _failure(self, answer: Answer[Any], type_: RecordType, name: str) -> _Ended | None:
        self._count_void(answer)
        return self._temporary_error(answer, type_, name) if answer.failed else None

    def _temporary_error(self, answer: Answer[Any], type_: RecordType, name: str) -> _Ended:
        is_senders = answer.is_late and self._has_asked_sender
        reason = SpfReason.DNS_FAILED(type=type_.name, name=name, because=answer.failure)
        return _Ended(SpfResult.TEMPERROR, reason, is_senders_failure=is_senders)

    def _type_asked(self, mechanism: A | MX | Exists) -> RecordType:
        if isinstance(mechanism, A):
            return self._family
        return RecordType.MX if isinstance(mechanism, MX) else RecordType.A

    def _prefetch_beside(self, following: Question, written: SpfRecord, index: int, values: MacroValues) -> None:
        """Once the answer that comes next is not known there is a wait: ask for all that may be needed after it."""
        if self._prefetcher is not None and self._resolver.peek(following) is None:
            self._prefetcher.over(written, index, values)

    def _note(self, depth: int, domain: str, term: str, target: str, note: Reason) -> None:
        if self._trace is not None:
            self._trace.append(Step(depth, domain, term, target, note, self.dns_terms, len(self.void_terms)))


_Outcome = TypeVar("_Outcome", bool | _Ended, _Ended)


def _blamed(outcome: _Outcome, spec: MacroString | None) -> _Outcome:
    """`outcome`, a failure of the DNS marked where the sender chose in whose DNS the name of `spec` lies."""
    if isinstance(outcome, _Ended) and outcome.result is SpfResult.TEMPERROR and spec is not None:
        return outcome._replace(is_senders_failure=outcome.is_senders_failure or macro.names_senders_host(spec))
    return outcome


_MATCH, _NO_MATCH = SpfReason.MATCH(), SpfReason.NO_MATCH()
_INCLUDES, _REDIRECTS = SpfReason.INCLUDES(), SpfReason.REDIRECTS()


def _matches(matched: bool) -> Reason:
    return _MATCH if matched else _NO_MATCH


def _unreadable(domain: str, found: Unreadable) -> Reason:
    return SpfReason.UNREADABLE_RECORD(domain=domain, because=found.reason, position=found.position or 0)


def _by_directive(directive: Directive, written: SpfRecord, values: MacroValues, depth: int) -> _Ended:
    """What a match comes to. Of an included record the result is all that counts: which term it was, nobody is told."""
    result = _BY_QUALIFIER[directive.qualifier]
    explanation = None
    if result is SpfResult.FAIL and written.explanation is not None:
        explanation = Explanation(written.explanation, values)
    reason = _MATCH if depth else SpfReason.TERM_MATCHED(term=directive.text, domain=values.domain)
    return _Ended(result, reason, explanation)


def identity(mail_from: str, helo: str) -> tuple[str, str]:
    """The (domain, sender) to check for a reverse-path: MAIL FROM, or postmaster@HELO where it is null (2.4)."""
    if mail_from:
        return mail_from.rpartition("@")[2], mail_from
    return helo, f"postmaster@{helo}"
