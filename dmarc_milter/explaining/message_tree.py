"""A judged message as a tree of every step."""

from collections.abc import Callable, Mapping
from typing import Any

from dmarc_milter import wording
from dmarc_milter.api import Evaluated
from dmarc_milter.common.network import address_text
from dmarc_milter.common.terminal import Severity, severity_of
from dmarc_milter.common.text import printable
from dmarc_milter.dmarc.evaluation import DmarcEvaluation
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.explaining import moment
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.explaining.message_json import shown
from dmarc_milter.explaining.public_key import record_text
from dmarc_milter.explaining.telling import advice_on, as_row, headline, relayed_by, told_lines
from dmarc_milter.explaining.tree import Node, add_spf_steps, add_walk
from dmarc_milter.judging.verdict import SpfFinding, Verdict
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_VOID_LOOKUPS

MAX_RECORDS = 200
"""Characters of the records of an answer in the tree."""


def as_tree(name: str, found: Evaluated, derived: Derived) -> Node:
    """The whole evaluation: what is told of every message, and below it how that came about."""
    row = as_row(found)
    root = Node(*headline(name, found, derived))
    below = _envelope(root, derived)
    if found.verdict is not None:
        _relayed(below, found.verdict)
    steps = _below(found)
    for line in told_lines(row, found, derived):
        if line.label:
            below = root.add(f"{line.label} {line.text}", severity_of(line.result))
            steps.pop(line.label, _nothing)(below)
        else:
            below.add(line.text)
    _dns(root, found.answers)
    _advice(root, advice_on(row, found, derived))
    return root


def _below(found: Evaluated) -> "dict[str, Callable[[Node], None]]":
    """How it came to what the first line with a label says."""
    verdict = found.verdict
    if verdict is None:
        return {}
    return {
        "From": lambda node: _from(node, verdict),
        "SPF": lambda node: _spf(node, found, verdict.spf),
        "ARC": lambda node: _arc(node, verdict),
        "DMARC": lambda node: _dmarc(node, found, verdict.dmarc),
    }


def _nothing(_: Node) -> None: ...


def _advice(root: Node, sentences: list[str]) -> None:
    if sentences:
        below = root.add("what to do")
        for each in sentences:
            below.add(each)


def _envelope(root: Node, derived: Derived) -> Node:
    below = root.add("envelope")
    envelope = derived.envelope
    client = address_text(envelope.client_address)
    below.add(f"client {client} ({derived.client_from})" if client else f"client {derived.client_from}")
    below.add(f"HELO {envelope.helo} ({derived.helo_from})" if envelope.helo else "HELO unknown")
    below.add(f"MAIL FROM <{envelope.mail_from}> ({derived.mail_from_from})")
    below.add(f"judged as of {moment.told(derived.at)}")
    return below


def _relayed(below: Node, verdict: Verdict) -> None:
    said = relayed_by(verdict)
    if said is not None:
        below.add(said)


def _from(below: Node, verdict: Verdict) -> None:
    if verdict.author.apparent:
        below.add(
            f"malformed From, which shows {', '.join(verdict.author.apparent)}: each is judged", Severity.DOUBTFUL
        )


def _spf(below: Node, found: Evaluated, spf: SpfFinding) -> None:
    check = spf.check
    add_spf_steps(below, found.spf_steps)
    if check.dns_terms:
        below.add(f"look-ups: {check.dns_terms} of at most {MAX_DNS_TERMS}")
        below.add(f"look-ups that found nothing: {check.void_lookups} of at most {MAX_VOID_LOOKUPS}")


def _arc(below: Node, verdict: Verdict) -> None:
    for number, sealed in enumerate(verdict.arc.results, 1):
        said = ", ".join(f"{each.method}={each.result}" for each in sealed.results)
        below.add(f"i={number} sealed by {sealed.sealer}, who saw {said or 'nothing'}")


def _dmarc(below: Node, found: Evaluated, dmarc: DmarcEvaluation) -> None:
    for walk in dmarc.walks:
        add_walk(below, walk, found.answers)
    if dmarc.discovery is not None and dmarc.discovery.record is not None:
        below.add(f"the record of {dmarc.discovery.policy_domain} applies")
        for error in dmarc.discovery.record.errors:
            below.add(f"in that record: {wording.text(error)}", Severity.DOUBTFUL)


def _dns(root: Node, answers: Mapping[Question, Answer[Any]]) -> None:
    below = root.add(f"DNS: {len(answers)} {'question' if len(answers) == 1 else 'questions'}")
    for question, answer in answers.items():
        said = "; ".join(_told(question, answer)) if answer.outcome is AnswerOutcome.RECORDS else answer.outcome.value
        detail = f" ({wording.text(answer.reason)})" if answer.reason else ""
        severity = Severity.DOUBTFUL if answer.failed else Severity.PLAIN
        below.add(f"{question.type.name} {question.name}: {printable(said, MAX_RECORDS)}{detail}", severity)


def _told(question: Question, answer: Answer[Any]) -> list[str]:
    """As :func:`shown`, but keys by their bits and digest."""
    if question.type is RecordType.TXT and "._domainkey." in question.name:
        return [record_text(record) for record in answer.records]
    return shown(question, answer)
