"""A judged message for people, in short or as a tree of every step, and as JSON for programs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dmarc_milter import wording
from dmarc_milter.api import Evaluated
from dmarc_milter.columns import message
from dmarc_milter.columns.column import Line, Reader, Row
from dmarc_milter.columns.table import lines, read_by, told
from dmarc_milter.common.network import address_text
from dmarc_milter.common.terminal import Severity, severity_of
from dmarc_milter.common.text import printable
from dmarc_milter.dmarc.evaluation import DmarcEvaluation, DmarcResult
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.explaining.public_key import record_text
from dmarc_milter.explaining.tree import Node, add_spf_steps, add_walk
from dmarc_milter.journal.advice import advice
from dmarc_milter.judging.verdict import Action, SpfFinding, Verdict
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_VOID_LOOKUPS

MAX_RECORDS = 200
"""Characters of the records of an answer in the tree."""
SCHEMA = 1
"""Of the JSON objects; goes up when a key changes its meaning or goes away."""


_CHECK = tuple(column.name for column in read_by(Reader.CHECK))


def as_row(found: Evaluated) -> Row:
    """The columns that are told of it, without those that only a running filter knows."""
    row = told(found.outcome.record)
    return {name: row[name] for name in _CHECK}


def as_json(name: str, found: Evaluated, derived: Derived) -> dict[str, Any]:
    """One object: schema, message, envelope with its sources, the columns, steps, DNS, advice."""
    columns = as_row(found)
    return {
        "schema": SCHEMA,
        "message": name,
        "envelope": {
            "client": address_text(derived.envelope.client_address),
            "client_from": derived.client_from,
            "helo": derived.envelope.helo,
            "helo_from": derived.helo_from,
            "mail_from": derived.envelope.mail_from,
            "mail_from_from": derived.mail_from_from,
        },
        **columns,
        "spf_steps": [
            {
                "depth": step.depth,
                "domain": step.domain,
                "term": step.term,
                "target": step.target,
                "note": wording.text(step.note),
                "code": wording.code(step.note),
            }
            for step in found.spf_steps
        ],
        "walks": [
            {"start": walk.start, "asked": list(walk.asked), "found": [each.domain for each in walk.found]}
            for walk in (found.verdict.dmarc.walks if found.verdict is not None else ())
        ],
        "dns": [
            {
                "name": question.name,
                "type": question.type.name,
                "outcome": answer.outcome.value,
                "detail": wording.text(answer.reason),
                "code": wording.code(answer.reason),
                "records": shown(question, answer),
            }
            for question, answer in found.answers.items()
        ],
        "undecided": is_undecided(found, derived),
        "advice": advice_on(columns, found, derived),
    }


def shown(question: Question, answer: Answer[Any]) -> list[str]:
    """The records of an answer as people read them."""
    if question.type in (RecordType.A, RecordType.AAAA):
        return [address_text(each) for each in answer.records]
    return [each if isinstance(each, str) else each.decode("utf-8", "replace") for each in answer.records]


PROMISES = ("decision", "enforce", "reply")
"""Lines that say what the filter would do: the headline has it in short."""


def is_undecided(found: Evaluated, derived: Derived) -> bool:
    """Whether SPF, which was not judged for want of a client, might have made a refused message pass."""
    if found.verdict is None or derived.has_client:
        return False
    is_refused = found.disposition.enforced_action is not Action.ACCEPT
    return is_refused and found.verdict.dmarc.result in (DmarcResult.FAIL, DmarcResult.TEMPERROR)


def headline(name: str, found: Evaluated, derived: Derived) -> tuple[str, Severity]:
    """The verdict in a line."""
    wanted = found.disposition.enforced_action.value
    if is_undecided(found, derived):
        return f"{name}: not decided: no client is known, so SPF was not judged", Severity.DOUBTFUL
    if found.verdict is None:
        return f"{name}: {_done(wanted)}, {found.why}", severity_of(wanted)
    override = found.disposition.override
    spared = f" ({override.value})" if override is not None else ""
    return f"{name}: dmarc={found.verdict.dmarc.result.value}, {_done(wanted)}{spared}", severity_of(wanted)


def told_lines(row: Row, found: Evaluated, derived: Derived) -> Iterator[Line]:
    """The table's lines. Without a client, SPF was not judged, and nothing is promised that it might have changed."""
    undecided = is_undecided(found, derived)
    for finding, line in lines(row):
        # The envelope of a file is derived, and told with its sources.
        if finding is message.FINDING or (undecided and line.label in PROMISES):
            continue
        if line.label == "SPF" and not derived.has_client:
            yield Line("SPF", "not judged: no client is known", "temperror")
        elif line.label == "DMARC" and undecided:
            yield Line("DMARC", f"not decided: {_why_undecided(row)}, and SPF was not judged", "temperror")
        else:
            yield line


def _why_undecided(row: Row) -> str:
    return "no signature proves the author" if row["dmarc"] == "fail" else row["dmarc_reason"]


def advice_on(row: Row, found: Evaluated, derived: Derived) -> list[str]:
    """What to do, the most important first."""
    if is_undecided(found, derived):
        return [
            "Say who brought the message: --ip ADDRESS and, if you know them, --helo NAME and --mail-from ADDRESS. The "
            "log of the MTA has them."
        ]
    return advice(row)


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


def _done(wanted: str) -> str:
    return {
        "accept": "would be accepted",
        "quarantine": "would be quarantined",
        "reject": "would be refused",
        "tempfail": "would be deferred",
    }[wanted]


def _envelope(root: Node, derived: Derived) -> Node:
    below = root.add("envelope")
    envelope = derived.envelope
    client = address_text(envelope.client_address)
    below.add(f"client {client} ({derived.client_from})" if client else f"client {derived.client_from}")
    below.add(f"HELO {envelope.helo} ({derived.helo_from})" if envelope.helo else "HELO unknown")
    below.add(f"MAIL FROM <{envelope.mail_from}> ({derived.mail_from_from})")
    return below


def relayed_by(verdict: Verdict) -> str | None:
    """From whom a trusted relay has the message; None where no trusted relay brought it."""
    if verdict.relayed is None:
        return None
    client = address_text(verdict.client_address)
    if client:
        return f"brought by a trusted relay, from {client}"
    return f"brought by a trusted relay, which does not tell from whom: {wording.text(verdict.relayed.reason)}"


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
