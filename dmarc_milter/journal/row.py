"""A record as a row of the journal."""

import ipaddress
from typing import Any

from dmarc_milter import wording
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.verdict import Verdict

VERSION = 2
"""Of the tables that rows go into (schema.py)."""

MAX_TEXT = 500
Row = dict[str, Any]


JSON_COLUMNS = ("dkim", "arc_sealers", "alignments")


def row(record: MessageRecord, *, uid: str, host: str, worker_number: int, addresses: bool) -> Row:
    """The columns of one message; without `addresses`, of MAIL FROM only the domain."""
    envelope, disposition = record.envelope, record.disposition
    mail_from = envelope.mail_from if addresses else envelope.mail_from.rpartition("@")[2]
    return {
        "uid": uid,
        "time": record.time,
        "host": host,
        "worker": worker_number,
        "queue_id": _clean(record.queue_id, 64),
        "message_id": _clean(record.message_id, 250) if record.message_id else None,
        "client": _address(envelope.client_address),
        "helo": _clean(envelope.helo, 255),
        "mail_from": _clean(mail_from, 320),
        **(_found(record.verdict) if record.verdict is not None else dict.fromkeys(_FOUND)),
        "mode": record.mode.value,
        "action": disposition.action.value,
        "wanted": disposition.enforced_action.value,
        "override": disposition.override.value if disposition.override else None,
        "rule": disposition.rule,
        "comment": _clean(wording.text(disposition.comment), MAX_TEXT) or None,
        "reason": _clean(wording.decision(disposition), MAX_TEXT),
        "reply": str(record.reply) if record.reply else None,
        "seconds": record.seconds,
        "seconds_waited": record.seconds_waited,
    }


_FOUND = (
    "outer_client",
    "author_domain",
    "from_reason",
    "spf",
    "spf_domain",
    "spf_reason",
    "dkim",
    "arc",
    "arc_reason",
    "arc_sealers",
    "list_id",
    "list_has_address",
    "dmarc",
    "dmarc_reason",
    "published_policy",
    "policy",
    "policy_domain",
    "alignments",
)
COLUMNS = (
    *("uid", "time", "host", "worker", "queue_id", "message_id", "client", "helo", "mail_from"),
    *_FOUND,
    *("mode", "action", "wanted", "override", "rule", "comment", "reason", "reply", "seconds", "seconds_waited"),
)
"""What :func:`row` fills: all columns of the table."""


def _found(verdict: Verdict) -> Row:
    dmarc = verdict.dmarc
    return {
        "outer_client": _address(verdict.client_address) if verdict.relayed else None,
        "author_domain": dmarc.author_domain,
        "from_reason": verdict.author.unusable.value if verdict.author.unusable else None,
        "spf": verdict.spf.check.result.value,
        "spf_domain": verdict.spf.domain,
        "spf_reason": _clean(wording.text(verdict.spf.check.reason), MAX_TEXT),
        "dkim": [
            {
                "result": each.result.value,
                "reason": _clean(each.reason, MAX_TEXT),
                "domain": each.domain,
                "selector": each.selector,
                "algorithm": each.algorithm,
                "key_bits": each.key_bits,
            }
            for each in verdict.signatures
        ],
        "arc": verdict.arc.status.value,
        "arc_reason": _clean(verdict.arc.reason, MAX_TEXT) or None,
        "arc_sealers": list(verdict.arc.sealers) or None,
        "list_id": verdict.mailing_list.list_id if verdict.mailing_list else None,
        "list_has_address": verdict.mailing_list.has_address if verdict.mailing_list else None,
        "dmarc": dmarc.result.value,
        "dmarc_reason": _clean(wording.text(dmarc.reason), MAX_TEXT),
        "published_policy": dmarc.published_policy.value if dmarc.published_policy else None,
        "policy": dmarc.policy.value if dmarc.policy else None,
        "policy_domain": dmarc.discovery.policy_domain if dmarc.discovery else None,
        "alignments": [
            {
                "mechanism": each.identifier.mechanism.value,
                "domain": each.identifier.domain,
                "authenticated": each.identifier.authenticated.value,
                "aligned": each.is_aligned,
                "why": wording.text(each.why),
                "code": wording.code(each.why),
            }
            for each in dmarc.alignments
        ],
    }


def _address(address: bytes | None) -> str | None:
    return str(ipaddress.ip_address(address)) if address else None


def _clean(text: str, limit: int) -> str:
    """No control characters (PostgreSQL refuses NUL, terminals obey others), no half characters."""
    cut = text[:limit]
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "?" for each in cut)
