"""A judged message as a tree for people, and as JSON for programs."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from dmarc_milter import wording
from dmarc_milter.api import Evaluated
from dmarc_milter.dmarc.evaluation import DmarcEvaluation
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.explaining.tree import MOODS, Node, Severity, add_spf_steps, add_walk
from dmarc_milter.journal.advice import advice
from dmarc_milter.journal.row import row
from dmarc_milter.judging.policy import Mode
from dmarc_milter.judging.verdict import Disposition, SpfFinding, Verdict
from dmarc_milter.spf.limits import MAX_DNS_TERMS, MAX_VOID_LOOKUPS

SCHEMA = 1
"""Of the JSON objects; goes up when a key changes its meaning or goes away."""


def as_row(found: Evaluated, mode: Mode) -> dict[str, Any]:
    """The columns that the journal would have of it, without those that only a running filter knows."""
    columns = row(replace(found.outcome.record, mode=mode), uid="", host="", worker_number=0, addresses=True)
    for name in ("uid", "time", "host", "worker", "queue_id", "reply", "seconds", "seconds_waited", "mode"):
        del columns[name]
    return columns


def as_json(name: str, found: Evaluated, derived: Derived, mode: Mode) -> dict[str, Any]:
    """One object: schema, message, envelope with its sources, the journal's columns, steps, DNS, advice."""
    columns = as_row(found, mode)
    return {
        "schema": SCHEMA,
        "message": name,
        "envelope": {
            "client": _address(derived.envelope.client_address),
            "client_from": derived.client_from,
            "helo": derived.envelope.helo,
            "helo_from": derived.helo_from,
            "mail_from": derived.envelope.mail_from,
            "mail_from_from": derived.mail_from_from,
        },
        **columns,
        **_codes(found),
        "reply": str(found.outcome.reply) if found.outcome.reply is not None else None,
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
        "advice": advice(columns),
    }


def _codes(found: Evaluated) -> dict[str, str | None]:
    """Beside the texts `spf_reason`, `dmarc_reason` and `reason`."""
    verdict = found.verdict
    return {
        "spf_code": wording.code(verdict.spf.check.reason) if verdict is not None else None,
        "dmarc_code": wording.code(verdict.dmarc.reason) if verdict is not None else None,
        "reason_code": wording.code(found.disposition.reason),
    }


def _address(address: bytes | None) -> str | None:
    return str(ip_address(address)) if address else None


def shown(question: Question, answer: Answer[Any]) -> list[str]:
    """The records of an answer as people read them."""
    if question.type in (RecordType.A, RecordType.AAAA):
        return [str(ip_address(each)) for each in answer.records]
    return [each if isinstance(each, str) else each.decode("utf-8", "replace") for each in answer.records]


def as_tree(name: str, found: Evaluated, derived: Derived, mode: Mode) -> Node:
    """The whole evaluation."""
    verdict, wanted = found.verdict, found.disposition.enforced_action.value
    if verdict is None:
        root = Node(
            f"{name}: {_done(wanted)}, {wording.decision(found.disposition)}", MOODS.get(wanted, Severity.PLAIN)
        )
        _envelope(root, derived)
        return root
    root = Node(f"{name}: dmarc={verdict.dmarc.result.value}, {_done(wanted)}", MOODS.get(wanted, Severity.PLAIN))
    _relayed(_envelope(root, derived), verdict)
    _spf(root, found, verdict.spf)
    _dkim(root, verdict)
    _arc(root, verdict)
    _dmarc(root, verdict.dmarc, verdict)
    _policy(root, found.disposition, verdict.dmarc)
    _dns(root, found.answers)
    sentences = advice(as_row(found, mode))
    if sentences:
        below = root.add("to mend")
        for each in sentences:
            below.add(each)
    return root


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
    below.add(f"client {_address(envelope.client_address) or 'unknown'} ({derived.client_from})")
    below.add(f"HELO {envelope.helo or 'unknown'} ({derived.helo_from})")
    below.add(f"MAIL FROM <{envelope.mail_from}> ({derived.mail_from_from})")
    return below


def _relayed(below: Node, verdict: Verdict) -> None:
    if verdict.relayed is not None:
        below.add(f"brought by a trusted relay, from {_address(verdict.client_address) or verdict.relayed.reason}")


def _spf(root: Node, found: Evaluated, spf: SpfFinding) -> None:
    check = spf.check
    result = check.result.value
    below = root.add(
        f"SPF {result} for {spf.domain or 'no domain'}: {wording.text(check.reason)}", MOODS.get(result, Severity.PLAIN)
    )
    add_spf_steps(below, found.spf_steps)
    if check.dns_terms:
        below.add(f"look-ups: {check.dns_terms} of at most {MAX_DNS_TERMS}")
        below.add(f"look-ups that found nothing: {check.void_lookups} of at most {MAX_VOID_LOOKUPS}")


def _dkim(root: Node, verdict: Verdict) -> None:
    if not verdict.signatures:
        root.add("DKIM none: the message is not signed")
    for each in verdict.signatures:
        result = each.result.value
        reason = f": {each.reason}" if each.reason else ""
        below = root.add(f"DKIM {result} for {each.domain or '?'}{reason}", MOODS.get(result, Severity.PLAIN))
        below.add(
            f"key {each.selector or '?'}._domainkey.{each.domain or '?'}, {each.algorithm or 'unknown algorithm'}"
        )
        if each.key_bits:
            below.add(f"the key has {each.key_bits} bits" + ("; it is for tests (t=y)" if each.is_test else ""))
    if verdict.signatures_left_out:
        root.add(f"{verdict.signatures_left_out} more signatures were not looked at")


def _arc(root: Node, verdict: Verdict) -> None:
    if not verdict.has_arc:
        return
    status, arc = verdict.arc.status.value, verdict.arc
    reason = f": {arc.reason}" if arc.reason else ""
    below = root.add(f"ARC {status}{reason}", MOODS.get(status, Severity.PLAIN))
    for number, sealed in enumerate(arc.results, 1):
        said = ", ".join(f"{each.method}={each.result}" for each in sealed.results)
        below.add(f"i={number} sealed by {sealed.sealer}, who saw {said or 'nothing'}")


def _dmarc(root: Node, dmarc: DmarcEvaluation, verdict: Verdict) -> None:
    result = dmarc.result.value
    below = root.add(f"DMARC {result}: {wording.text(dmarc.reason)}", MOODS.get(result, Severity.PLAIN))
    below.add(f"Author Domain {verdict.author.domain or 'none'}")
    if verdict.author.apparent:
        below.add(
            f"malformed From, which shows {', '.join(verdict.author.apparent)}: each is judged", Severity.DOUBTFUL
        )
    for walk in dmarc.walks:
        add_walk(below, walk)
    if dmarc.discovery is not None and dmarc.discovery.record is not None:
        below.add(f"the record of {dmarc.discovery.policy_domain} applies")
        for error in dmarc.discovery.record.errors:
            below.add(f"in that record: {wording.text(error)}", Severity.DOUBTFUL)
    for each in dmarc.alignments:
        identifier = each.identifier
        aligned = {True: "aligned", False: "not aligned", None: "alignment not looked into"}[each.is_aligned]
        line = f"{identifier.mechanism.value} {identifier.domain}: authenticated {identifier.authenticated.value}"
        below.add(f"{line}, {aligned} ({wording.text(each.why)})")


def _policy(root: Node, disposition: Disposition, dmarc: DmarcEvaluation) -> None:
    reason = wording.decision(disposition)
    below = root.add(f"policy: {reason}", MOODS.get(disposition.enforced_action.value, Severity.PLAIN))
    if dmarc.published_policy is not None and dmarc.policy is not None:
        below.add(f"the Domain Owner asks for: {dmarc.published_policy.value}")
        if dmarc.is_test:
            below.add(f"but is only testing (t=y), so {dmarc.policy.value} is what applies")
    if disposition.rule:
        below.add(f"rule {disposition.rule} of the settings decided")
    if disposition.override:
        below.add(f"override {disposition.override.value}: {wording.text(disposition.comment)}")


def _dns(root: Node, answers: Mapping[Question, Answer[Any]]) -> None:
    below = root.add(f"DNS: {len(answers)} questions")
    for question, answer in answers.items():
        said = "; ".join(shown(question, answer)) if answer.outcome is AnswerOutcome.RECORDS else answer.outcome.value
        detail = f" ({wording.text(answer.reason)})" if answer.reason else ""
        mood = Severity.DOUBTFUL if answer.failed else Severity.PLAIN
        below.add(
            f"{question.type.name} {question.name}: {said if len(said) < 200 else said[:197] + '...'}{detail}", mood
        )
