"""Questions asked before their turn, so that a record waits for the DNS once a level and not once a term.

Nothing here decides anything: the evaluation still asks everything in its own order, and finds the answers on their
way or there. On a record whose answers are all in the cache nothing happens at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType, Resolver
from dmarc_milter.spf import macro, record
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_EXCHANGES
from dmarc_milter.spf.macro import MacroString, MacroValues
from dmarc_milter.spf.record import MX, A, Exists, Include, SpfRecord
from dmarc_milter.spf.validated import address_type


class Prefetcher:
    """What has been prefetched for one check."""

    __slots__ = ("_asked", "_resolver", "_terms")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._terms = 0
        self._asked: set[Question] = set()

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask `questions` together."""
        if len(questions) > 1:
            self._resolver.prefetch(questions)

    def over(self, written: SpfRecord, index: int, values: MacroValues) -> None:
        """Ask for what the terms of `written` from directive `index` on (-1: the redirect) will need.

        The records of includes are followed as they arrive, down the whole tree.
        """
        self._start(self._upcoming(written, index, values), values)

    def _start(self, questions: Iterable[Question], values: MacroValues) -> None:
        # The evaluation ends before any term beyond these, so the rest is not even expanded.
        for question in islice(questions, MAX_DNS_TERMS):
            if question in self._asked or self._terms >= MAX_DNS_TERMS:
                continue
            self._terms += 1
            self._asked.add(question)
            self._resolver.prefetch([question], self._follower(question, values))

    def _follower(self, question: Question, values: MacroValues) -> "_Follow | None":
        if question.type in (RecordType.TXT, RecordType.MX):
            return _Follow(self, values)
        return None

    def _upcoming(self, written: SpfRecord, index: int, values: MacroValues) -> Iterator[Question]:
        """What the terms from directive `index` on will ask for, in order."""
        for directive in islice(written.directives, index, None) if index >= 0 else ():
            mechanism = directive.mechanism
            if isinstance(mechanism, Include):
                yield from _question(mechanism.domain, RecordType.TXT, values)
            elif isinstance(mechanism, A):
                yield from _question(mechanism.domain, address_type(values.client_address), values)
            elif isinstance(mechanism, MX):
                yield from _question(mechanism.domain, RecordType.MX, values)
            elif isinstance(mechanism, Exists):
                yield from _question(mechanism.domain, RecordType.A, values)
            elif isinstance(mechanism, record.All):
                return
        if written.redirect is not None:
            yield from _question(written.redirect, RecordType.TXT, values)

    def arrived(self, question: Question, answer: Answer[Any], values: MacroValues) -> None:
        """Go on from an answer: the terms of a record, the addresses of mail exchanges."""
        if answer.outcome is not AnswerOutcome.RECORDS:
            return
        if question.type is RecordType.MX:
            family = address_type(values.client_address)
            self._resolver.prefetch([Question(name, family) for name in answer.records[:MAX_EXCHANGES]])
            return
        texts = [text for text in answer.records if record.is_spf(text)]
        parsed = record.parse(texts[0]) if len(texts) == 1 else None
        if isinstance(parsed, SpfRecord):
            inner = values.at(question.name)
            self._start(self._upcoming(parsed, 0, inner), inner)


def _question(spec: MacroString | None, type_: RecordType, values: MacroValues) -> Iterator[Question]:
    """At most one; none where the name is not known without asking the DNS for it (``%{p}``), or never."""
    if spec is None:
        yield Question(values.domain, type_)
    elif not macro.needs_validated_name(spec) and macro.too_long(spec, values) is None:
        yield Question(macro.expand_domain(spec, values), type_)


class _Follow:
    """The call that waits for an answer."""

    __slots__ = ("_prefetcher", "_values")

    def __init__(self, prefetcher: Prefetcher, values: MacroValues) -> None:
        self._prefetcher = prefetcher
        self._values = values

    def __call__(self, question: Question, answer: Answer[Any]) -> None:
        self._prefetcher.arrived(question, answer, self._values)
