"""Judging a message outside of an MTA: what `check` runs, and other programs may."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmarc_milter import policy
from dmarc_milter.config import Settings
from dmarc_milter.dns.answer import Answer, Question
from dmarc_milter.dns.caching import CachingResolver
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.message import MessageQuestions
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.source import Source
from dmarc_milter.dns.upstream import NameServer, Upstream
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.evaluation import Evaluation, Surroundings
from dmarc_milter.message.header import Header, split_message
from dmarc_milter.spf.evaluation import Step
from dmarc_milter.verdict import Disposition, Envelope, Verdict

_CHUNK = 65_535


class Dns:
    """Where answers come from: name servers, or a zone file. May be shared by threads."""

    def __init__(self, source: Source, loop: Loop | None = None) -> None:
        self.source = source
        self.runner = Runner(source)
        self._loop = loop

    @classmethod
    def servers(cls, servers: Sequence[NameServer], timeout: float = 3.0, tries: int = 2) -> "Dns":
        """Ask `servers`, in order; answers are kept for their time to live."""
        loop = Loop()
        return cls(CachingResolver(Upstream(tuple(servers), timeout, tries, loop), loop), loop)

    @classmethod
    def zone(cls, text: str) -> "Dns":
        """Answer from a master file (RFC 1035 5) whose names may lie anywhere. Raises dns.zone.ZoneError."""
        return cls(ZoneResolver.from_text(text))

    def close(self) -> None:
        """End the thread that reads answers. Nothing may be asked any more."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def __enter__(self) -> "Dns":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def questions(self) -> MessageQuestions:
        """The questions of one occasion, and what was answered."""
        return MessageQuestions(self.source)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A message judged, with everything that led there."""

    verdict: Verdict
    disposition: Disposition
    spf_steps: tuple[Step, ...]
    answers: Mapping[Question, Answer[Any]]
    """Every question that was put to the DNS for this message."""
    header: Header


def evaluate(message: bytes, envelope: Envelope, dns: Dns, settings: Settings | None = None) -> Evaluated:
    """Judge `message` (as it lies in a file) as the running filter would.

    `envelope` says who brought it; `settings` are those of the filter, by default its defaults. Never raises for what
    is in the message or the DNS: every outcome is a value.
    """
    settings = settings or Settings()
    header, body = split_message(message)
    steps: list[Step] = []
    around = Surroundings(dns.runner, dns.source, settings.evaluation, time.time)
    evaluation = Evaluation(envelope, around, header, spf_trace=steps)
    if evaluation.end_of_headers():
        for start in range(0, len(body), _CHUNK):
            evaluation.body(body[start : start + _CHUNK])
    verdict = evaluation.end_of_message()
    return Evaluated(verdict, policy.decide(verdict, settings.decision), tuple(steps), dict(evaluation.answers), header)
