"""One message, from MAIL FROM to the verdict. Knows no libmilter; whoever has a message can have it judged.

Questions to the DNS start as soon as their names are known: SPF at MAIL FROM, keys and the policy at the end of the
headers. What is left for the end of the message is to compare hashes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from dmarc_milter.arc import chain
from dmarc_milter.common.network import Network, client_network, contains
from dmarc_milter.common.reason import Reason
from dmarc_milter.dkim import verification
from dmarc_milter.dkim.body import BodyHashes
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dkim.work import Work
from dmarc_milter.dmarc import evaluation as dmarc
from dmarc_milter.dmarc.prefetch import prefetch
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dns.answer import Answer, Question
from dmarc_milter.dns.message import MessageQuestions, MessageResolver
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.dns.runner import Runner, Started
from dmarc_milter.dns.source import Source
from dmarc_milter.judging.verdict import Envelope, SpfFinding, SpfIdentity, Verdict
from dmarc_milter.message.author import Author, author
from dmarc_milter.message.dmarc_report import is_dmarc_report
from dmarc_milter.message.header import Header
from dmarc_milter.message.mailing_list import mailing_list
from dmarc_milter.message.reasons import Unusable
from dmarc_milter.message.received import Relayed, outermost
from dmarc_milter.spf.check import Check, SpfResult, Step
from dmarc_milter.spf.evaluation import check_host, identity
from dmarc_milter.spf.reasons import SpfReason
from dmarc_milter.spf.validated import validated_names

T = TypeVar("T")

SPF_QUESTIONS = 111
"""The most that RFC 7208 4.6.4 lets a check ask: the record, ten terms, ten mail exchanges of each."""
REVERSE_NAME_QUESTIONS = 11
ARC_QUESTIONS = 10
DMARC_QUESTIONS = 19
"""The Author Domain's walk, whether it exists, and the walks of identifiers within its Organizational Domain.

With ten signatures, a message asks at most 150 different questions.
"""
MORE_SECONDS = 3.0
"""What reverse names and DMARC have at least, once what was asked before them has taken all the time."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What the evaluation itself may be told."""

    deadline: float = 15.0
    """Seconds that SPF, the keys and DMARC may each wait for the DNS, from where they begin to ask."""
    max_signatures: int = 10
    allow_partial_body: bool = False
    trusted_relays: tuple[Network, ...] = ()
    """Clients for which SPF is asked about whoever handed them the message."""
    wants_reverse_names: bool = False
    """Whether a rule needs the client's confirmed names."""
    wants_helo_spf: bool = False
    """Whether a rule needs SPF for HELO, too."""


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """What every evaluation of a process shares."""

    runner: Runner
    source: Source
    settings: EvaluationSettings = field(default_factory=EvaluationSettings)
    clock: Callable[[], float] = time.time
    """Seconds since 1970, for signatures that expire."""


class MessageEvaluation:
    """Call the methods in the order of SMTP; :meth:`end_of_message` gives the verdict.

    `header` is filled by the caller until :meth:`end_of_headers`. The steps of SPF are appended to `spf_trace`.
    """

    def __init__(
        self, envelope: Envelope, context: EvaluationContext, header: Header, spf_trace: list[Step] | None = None
    ) -> None:
        self._spf_trace = spf_trace
        self._envelope = envelope
        self._context = context
        self._now = int(context.clock())
        self._questions = MessageQuestions(context.source, client_network(envelope.client_address))
        self.header = header
        self._prepared: _Prepared | None = None
        self._relayed: Relayed | None = None
        self.recipient_domains: tuple[str, ...] = ()
        """Filled by the caller where a rule asks for them."""
        self.seconds_waited = 0.0
        """How long the end of the message waited for the DNS."""
        self._client: Started[_ClientFindings] | None = None
        if not contains(context.settings.trusted_relays, envelope.client_address):
            self._client = context.runner.start(self._look_into(envelope.client_address, envelope.helo))

    def _resolver(self, limit: int, *, is_reserved: bool = False) -> MessageResolver:
        """For one mechanism, which begins to ask now."""
        deadline = time.monotonic() + self._context.settings.deadline
        return self._questions.resolver(deadline, limit, is_reserved=is_reserved)

    def close(self) -> None:
        """The message has ended, judged or not: its open questions leave."""
        self._questions.close()

    async def _look_into(self, address: bytes | None, helo: str) -> "_ClientFindings":
        deadline = time.monotonic() + self._context.settings.deadline
        spf = await self._check_spf(address, helo)
        names: tuple[str, ...] = ()
        if self._context.settings.wants_reverse_names and address is not None:
            # With the time of SPF, or a little more: the end of the message does not wait for both.
            ends = max(deadline, time.monotonic() + MORE_SECONDS)
            resolver = self._questions.resolver(ends, REVERSE_NAME_QUESTIONS)
            names = tuple([name async for name in validated_names(resolver, address)])
        return _ClientFindings(spf, names, await self._check_helo(spf, address, helo))

    async def _check_helo(self, spf: SpfFinding, address: bytes | None, helo: str) -> Check | None:
        """SPF for HELO (RFC 7208 2.3), where a rule asks for it."""
        if not self._context.settings.wants_helo_spf:
            return None
        if address is None or spf.identity is SpfIdentity.HELO:
            return spf.check
        domain, sender = identity("", helo)
        return await check_host(self._resolver(SPF_QUESTIONS), address, domain, sender, helo)

    async def _check_spf(self, address: bytes | None, helo: str) -> SpfFinding:
        resolver = self._resolver(SPF_QUESTIONS)
        mail_from = self._envelope.mail_from
        domain, sender = identity(mail_from, helo)
        which = SpfIdentity.MAIL_FROM if mail_from else SpfIdentity.HELO
        if address is None:
            check = Check(SpfResult.NONE, self._why_no_client())
        else:
            check = await check_host(resolver, address, domain, sender, helo, trace=self._spf_trace)
        return SpfFinding(check, which, to_identifier(domain))

    def _why_no_client(self) -> Reason:
        reason = self._relayed.reason if self._relayed is not None else None
        return SpfReason.NO_CLIENT() if reason is None else SpfReason.UNKNOWN_CLIENT(because=reason)

    def _follow_relays(self) -> "Started[_ClientFindings]":
        """The client is a trusted relay: SPF is about the one before it, which only the header tells."""
        relays = self._context.settings.trusted_relays
        received = [each.value for each in self.header.all("received")]
        self._relayed = outermost(received, lambda address: contains(relays, address))
        client = self._relayed.client
        address, helo = (client.address, client.helo) if client is not None else (None, self._envelope.helo)
        return self._context.runner.start(self._look_into(address, helo))

    def end_of_headers(self) -> bool:
        """All header fields are there. Returns whether anything needs to see the body."""
        settings = self._context.settings
        self._keys = self._resolver(settings.max_signatures)
        self._arc_keys = self._resolver(ARC_QUESTIONS)
        found = author([each.value for each in self.header.all("from")])
        # What a malformed From shows may be ten domains of whoever wrote it: these use the room that is for all.
        self._dmarc = self._resolver(DMARC_QUESTIONS, is_reserved=len(found.authors) <= 1)
        if self._client is None:
            self._client = self._follow_relays()
        work = Work(self.header)
        signatures = verification.prepare(self.header, found.domain, self._now, settings.max_signatures, work)
        candidates = self._candidates(signatures)
        # Before any of the work that the sender may make long: the policy is what everything else stands on.
        self._context.runner.start(self._prefetch_dmarc(found.authors, candidates))
        arc = chain.prepare(self.header, self._now, work)
        kinds = [each.body for each in signatures.prepared]
        # All at once and early; at the end of the message they are awaited one by one.
        self._keys.prefetch(signatures.key_questions)
        if isinstance(arc, chain.PreparedChain):
            kinds += arc.bodies
            self._arc_keys.prefetch(arc.key_questions)
        self._prepared = _Prepared(found, signatures, arc, BodyHashes(kinds))
        return self._prepared.bodies.is_needed

    async def _prefetch_dmarc(self, authors: tuple[str, ...], candidates: list[str]) -> None:
        """One author after the other: a message that shows many is no reason to ask for all of them at once."""
        for each in authors:
            await prefetch(self._dmarc, each, candidates)

    def _candidates(self, signatures: verification.PreparedSignatures) -> list[str]:
        """The domains that may come to be authenticated."""
        domain, _ = identity(self._envelope.mail_from, self._envelope.helo)
        found = [to_identifier(domain), *(each.signature.domain for each in signatures.prepared)]
        return [each for each in found if each is not None]

    @property
    def dns_cache_hits(self) -> int:
        """How many of the message's questions the cache answered."""
        return self._questions.cache_hits

    @property
    def answers(self) -> Mapping[Question, Answer[Any]]:
        """Every question of the message, with the answer that was used for it."""
        return self._questions.used

    def body(self, chunk: bytes) -> None:
        """The next octets of the body, cut anywhere."""
        assert self._prepared is not None
        self._prepared.bodies.update(chunk)

    def end_of_message(self) -> Verdict:
        """The verdict; waits for the DNS as long as the deadline allows."""
        assert self._client is not None
        assert self._prepared is not None
        start = self._context.runner.start
        # Keys are often there before SPF is through: signatures are verified meanwhile.
        signed = self._awaited(start(self._verify(self._prepared)))
        client = self._awaited(self._client)
        return self._awaited(start(self._judge(client, signed, self._prepared)))

    def _awaited(self, started: Started[T]) -> T:
        if started.done():
            return started.result()
        since = time.perf_counter()
        try:
            return started.result()
        finally:
            self.seconds_waited += time.perf_counter() - since

    async def _verify(self, prepared: "_Prepared") -> "_Signed":
        bodies = prepared.bodies.finish()
        signatures = await verification.verify_all(
            self._keys,
            prepared.signatures,
            bodies,
            allow_partial_body=self._context.settings.allow_partial_body,
        )
        return _Signed(signatures, await chain.validate(self._arc_keys, prepared.arc, bodies))

    async def _judge(self, client: "_ClientFindings", signed: "_Signed", prepared: "_Prepared") -> Verdict:
        found, judged = await self._apply_dmarc(prepared.author, identifiers(client.spf, signed.signatures))
        return Verdict(
            self._envelope,
            client.spf,
            signed.signatures,
            prepared.signatures.left_out,
            signed.arc,
            found,
            judged,
            self._relayed,
            client.reverse_names,
            mailing_list(self.header),
            self.recipient_domains,
            is_dmarc_report(self.header),
            client.helo_spf,
        )

    async def _apply_dmarc(
        self, found: Author, identifiers: list[dmarc.Identifier]
    ) -> tuple[Author, dmarc.DmarcEvaluation]:
        """DMARC for the Author Domain, or for each apparent author of a From field that cannot be read."""
        self._dmarc.deadline = max(self._dmarc.deadline, time.monotonic() + MORE_SECONDS)
        evaluations = [await dmarc.evaluate(self._dmarc, each, identifiers) for each in found.authors]
        if len(evaluations) > 1 and self._dmarc.is_exhausted:
            # No question, room or time was left for one of them: whoever wrote the field chose how many there are.
            found, evaluations = Author(unusable=Unusable.TOO_MANY_AUTHORS), []
        judged = dmarc.strictest(evaluations) if evaluations else None
        if judged is not None and (found.unusable is None or judged.result is not dmarc.DmarcResult.NONE):
            return found, judged
        assert found.unusable is not None
        return found, dmarc.not_applicable(DmarcReason.UNUSABLE_FROM(because=found.unusable()))


class _Prepared(NamedTuple):
    """What the header says is to come."""

    author: Author
    signatures: verification.PreparedSignatures
    arc: chain.PreparedChain | chain.Chain
    bodies: BodyHashes


class _Signed(NamedTuple):
    """What the signatures came to."""

    signatures: tuple[SignatureResult, ...]
    arc: chain.Chain


class _ClientFindings(NamedTuple):
    spf: SpfFinding
    reverse_names: tuple[str, ...]
    helo_spf: Check | None


def identifiers(spf: SpfFinding, signatures: tuple[SignatureResult, ...]) -> list[dmarc.Identifier]:
    """What DMARC may take from SPF and DKIM (RFC 9989 4.4.1, 4.4.2), each domain of a mechanism once.

    Also those that they did not authenticate, or could not tell of: DMARC says why it fails.
    """
    found: dict[tuple[dmarc.Mechanism, str], dmarc.Authenticated] = {}
    if spf.domain is not None:
        is_senders = spf.check.is_senders_failure
        authenticated = dmarc.Authenticated.NO if is_senders else _authenticated(spf.check.result.value)
        found[dmarc.Mechanism.SPF, spf.domain] = authenticated
    for each in signatures:
        if each.domain is None:
            continue
        key = (dmarc.Mechanism.DKIM, each.domain)
        new = _authenticated(each.result.value)
        if _RANK[new] > _RANK[found.get(key, dmarc.Authenticated.NO)] or key not in found:
            found[key] = new
    return [dmarc.Identifier(mechanism, domain, value) for (mechanism, domain), value in found.items()]


_RANK = {dmarc.Authenticated.NO: 0, dmarc.Authenticated.UNKNOWN: 1, dmarc.Authenticated.YES: 2}


def _authenticated(result: str) -> dmarc.Authenticated:
    if result == DkimResult.PASS.value:
        return dmarc.Authenticated.YES
    return dmarc.Authenticated.UNKNOWN if result == DkimResult.TEMPERROR.value else dmarc.Authenticated.NO
