"""What a domain publishes as one JSON object for programs."""

from typing import Any

from dmarc_milter import wording
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dkim.key import Key
from dmarc_milter.dmarc.record import DmarcRecord
from dmarc_milter.dmarc.report_destination import Destination
from dmarc_milter.dmarc.tree_walk import query_name
from dmarc_milter.dns.answer import Answer, Question, RecordType
from dmarc_milter.explaining.domain import DomainFound, KeyFound
from dmarc_milter.explaining.domain_notes import NoteKind, notes, records_at, shown_record
from dmarc_milter.explaining.domain_tree import policy_tag
from dmarc_milter.explaining.public_key import digest
from dmarc_milter.spf.reasons import SpfReason
from dmarc_milter.spf.record import is_spf

SCHEMA = 1
"""Goes up when a key changes its meaning or goes away."""


def as_json(found: DomainFound) -> dict[str, Any]:
    """Whether it exists, SPF, DMARC, keys, and what is wrong."""
    every = notes(found)
    return {
        "schema": SCHEMA,
        "domain": found.domain,
        "exists": found.exists,
        **{
            f"{kind.value}s": [{"code": each.code, "text": each.text} for each in every if each.kind is kind]
            for kind in NoteKind
        },
        "spf": _spf(found),
        "dmarc": _dmarc(found),
        "dkim": [_key(each) for each in found.keys],
    }


def _spf(found: DomainFound) -> dict[str, Any]:
    spf = found.spf
    return {
        "outcome": found.own.outcome.value,
        "records": [shown_record(each) for each in found.own.records if is_spf(each)],
        "others_get": spf.check.result.value,
        "code": wording.code(spf.check.reason),
        "reason": wording.text(spf.check.reason),
        "lookups": spf.check.dns_terms,
        "void_lookups": spf.check.void_lookups,
        "loop": list(spf.loop.domains) if spf.loop is not None else [],
        "terms": [
            {"depth": step.depth, "domain": step.domain, "term": step.term, "target": step.target}
            for step in spf.steps[: spf.loop.end if spf.loop is not None else None]
            if step.term != "record" and step.note.code is not SpfReason.INCLUDED
        ],
    }


def _dmarc(found: DomainFound) -> dict[str, Any]:
    dmarc, discovery = found.dmarc, found.dmarc.discovery
    policy = dmarc.evaluation.published_policy
    return {
        "asked": [_asked(found, domain) for domain in dmarc.walk.asked],
        "organizational_domain": dmarc.walk.organizational_domain if dmarc.walk.failure is None else None,
        "policy_domain": discovery.policy_domain,
        "policy": policy.value if policy is not None else None,
        "policy_tag": policy_tag(found) if policy is not None else None,
        "failure": wording.text(discovery.failure) or None,
        "tags": _tags(discovery.record) if discovery.record is not None else None,
        "rua": [_destination(each) for each in dmarc.aggregate],
        "ruf": [_destination(each) for each in dmarc.failure],
    }


def _asked(found: DomainFound, domain: str) -> dict[str, Any]:
    name = query_name(domain)
    answer: Answer[Any] | None = found.answers.get(Question(name, RecordType.TXT))
    return {
        "name": name,
        "outcome": answer.outcome.value if answer is not None else None,
        "records": [shown_record(each) for each in records_at(found.answers, domain)],
    }


def _tags(record: DmarcRecord) -> dict[str, Any]:
    """Of the record that applies, defaults where it does not say."""
    policies = {"p": record.policy, "sp": record.subdomain_policy, "np": record.nonexistent_policy}
    return {
        **{name: value.value if value is not None else None for name, value in policies.items()},
        "adkim": record.dkim_alignment.value,
        "aspf": record.spf_alignment.value,
        "psd": record.public_suffix.value,
        "t": "y" if record.is_test else "n",
        "fo": record.failure_options,
    }


def _destination(each: Destination) -> dict[str, Any]:
    return {
        "uri": each.uri,
        "host": each.host,
        "consent": each.consent.value,
        "send_to": list(each.send_to),
        "authorized_at": each.name,
        "authorizing_records": [shown_record(record) for record in each.records],
        "failure": wording.text(each.failure) or None,
    }


def _key(found: KeyFound) -> dict[str, Any]:
    return {
        "selector": found.selector,
        "name": found.name,
        "outcome": found.answer.outcome.value,
        "keys": [_read(each) for each in found.keys],
    }


def _read(each: Key | Unreadable) -> dict[str, Any]:
    if isinstance(each, Unreadable):
        return {"code": wording.code(each.reason), "error": wording.text(each.reason)}
    return {"type": each.key_type, "bits": each.bits, "sha256": digest(each), "is_test": each.is_test}
