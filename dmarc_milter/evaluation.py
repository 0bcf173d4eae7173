"""One message, from MAIL FROM to the verdict. Knows no libmilter; whoever has a message can have it judged.

Questions to the DNS start as soon as their names are known: SPF at MAIL FROM, keys and the policy at the end of the
headers. What is left for the end of the message is to compare hashes.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from dmarc_milter.arc import chain
from dmarc_milter.dkim import verification
from dmarc_milter.dkim.body import BodyHashes
from dmarc_milter.dkim.signature import Result as DkimResult
from dmarc_milter.dkim.verification import Verified
from dmarc_milter.dmarc import evaluation as dmarc
from dmarc_milter.dmarc.tree_walk import query_name
from dmarc_milter.dns.answer import Question, RecordType
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.dns.within import BoundedResolver, WithinDeadline
from dmarc_milter.lookups import Lookups
from dmarc_milter.message.author import author
from dmarc_milter.message.header import Header
from dmarc_milter.spf.evaluation import Check, check_host, identity
from dmarc_milter.spf.evaluation import Result as SpfCheckResult
from dmarc_milter.verdict import Envelope, SpfIdentity, SpfResult, Verdict


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What the evaluation itself may be told."""

    deadline: float = 15.0
    """Seconds that the questions of MAIL FROM, and again those of the message, may take in all."""
    max_signatures: int = 10
    allow_partial_body: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every evaluation of a process shares."""

    lookups: Lookups
    resolver: BoundedResolver
    settings: EvaluationSettings = field(default_factory=EvaluationSettings)
    clock: Callable[[], float] = time.time
    """Seconds since 1970, for signatures that expire."""


class Evaluation:
    """Call the methods in the order of SMTP; :meth:`end_of_message` gives the verdict.

    `header` is filled by the caller until :meth:`end_of_headers`.
    """

    def __init__(self, envelope: Envelope, around: Surroundings, header: Header) -> None:
        self._envelope = envelope
        self._around = around
        self._now = int(around.clock())
        self._resolver = WithinDeadline(around.resolver, time.monotonic() + around.settings.deadline)
        self.header = header
        self._expectations = verification.Expectations(())
        self._chain: chain.ExpectedChain | chain.Chain = chain.Chain(chain.Status.NONE)
        self._bodies = BodyHashes(())
        self._author = author(())
        self._spf: Future[SpfResult] = around.lookups.start(self._check_spf())

    async def _check_spf(self) -> SpfResult:
        envelope = self._envelope
        domain, sender = identity(envelope.mail_from, envelope.helo)
        which = SpfIdentity.MAIL_FROM if envelope.mail_from else SpfIdentity.HELO
        if envelope.client_address is None:
            check = Check(SpfCheckResult.NONE, "no client address")
        else:
            check = await check_host(self._resolver, envelope.client_address, domain, sender, envelope.helo)
        return SpfResult(check, which, to_identifier(domain))

    def end_of_headers(self) -> bool:
        """All header fields are there. Returns whether anything needs to see the body."""
        settings = self._around.settings
        self._resolver.deadline = time.monotonic() + settings.deadline
        self._author = author([each.value for each in self.header.all("from")])
        domain = self._author.domain
        self._expectations = verification.expect(self.header, domain, self._now, settings.max_signatures)
        self._chain = chain.expect(self.header, self._now)
        kinds = [each.body for each in self._expectations.expected]
        questions = [each.key_question for each in self._expectations.expected]
        if isinstance(self._chain, chain.ExpectedChain):
            kinds += self._chain.bodies
            questions += self._chain.key_questions
        if domain is not None:
            questions.append(Question(query_name(domain), RecordType.TXT))
        self._resolver.prefetch(questions)
        self._bodies = BodyHashes(kinds)
        return self._bodies.is_needed

    def body(self, chunk: bytes) -> None:
        """The next octets of the body, cut anywhere."""
        self._bodies.update(chunk)

    def end_of_message(self) -> Verdict:
        """The verdict; waits for the DNS as long as the deadline allows."""
        return self._around.lookups.start(self._judge(self._spf.result())).result()

    async def _judge(self, spf: SpfResult) -> Verdict:
        bodies = self._bodies.finish()
        resolver = self._resolver
        signatures = await verification.verify_all(
            resolver,
            self._expectations,
            bodies,
            allow_partial_body=self._around.settings.allow_partial_body,
        )
        arc = await chain.validate(resolver, self._chain, bodies)
        found = self._author
        if found.unusable is not None or found.domain is None:
            reason = found.unusable.value if found.unusable else "no Author Domain"
            judged = dmarc.not_applicable(reason)
        else:
            judged = await dmarc.evaluate(resolver, found.domain, identifiers(spf, signatures))
        return Verdict(self._envelope, spf, signatures, self._expectations.left_out, arc, found, judged)


def identifiers(spf: SpfResult, signatures: tuple[Verified, ...]) -> list[dmarc.Identifier]:
    """What DMARC may take from SPF and DKIM (RFC 9989 4.4.1, 4.4.2), each domain of a mechanism once."""
    found: dict[tuple[dmarc.Mechanism, str], dmarc.Authenticated] = {}
    if spf.domain is not None:
        found[dmarc.Mechanism.SPF, spf.domain] = _authenticated(spf.check.result.value)
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
