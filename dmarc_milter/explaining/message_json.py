"""A judged message as one JSON object for programs."""

from typing import Any

from dmarc_milter import wording
from dmarc_milter.api import Evaluated
from dmarc_milter.common.network import address_text
from dmarc_milter.dns.answer import Answer, Question, RecordType
from dmarc_milter.explaining import moment
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.explaining.telling import advice_on, as_row, is_undecided

SCHEMA = 1
"""Of the JSON objects; goes up when a key changes its meaning or goes away."""


def as_json(name: str, found: Evaluated, derived: Derived) -> dict[str, Any]:
    """One object: schema, message, envelope with its sources, the columns, time, steps, DNS, advice."""
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
        "judged_at": moment.written(derived.at.seconds),
        "judged_at_from": moment.source(derived.at),
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
