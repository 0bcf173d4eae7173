"""Failure reports on their way into the database: limited before they wait, redacted before they are written (pure).

A flood of failing mail fills neither memory nor tables: of each policy domain a few per hour are kept, and the others
are told as a number (Incidents, RFC 6591 3.2).
"""

import hashlib
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from dmarc_milter.columns.column import Row
from dmarc_milter.common.network import address_text
from dmarc_milter.common.text import plain, printable
from dmarc_milter.judging.failure import FailureCase

HOUR = 3_600.0
MAX_DOMAINS = 1_000
MAX_PER_HOUR = 1_000
"""Of one worker, whatever the domains."""


class FailureLimit:
    """How many failures are kept. Used by one thread at a time."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._domains: OrderedDict[str, _Domain] = OrderedDict()
        self._all = _Domain(0.0, 0, 0)

    def take(self, domain: str, now: float) -> int:
        """How many incidents the report about this failure tells, itself included; 0: it is only counted."""
        found = self._renewed(self._domains.pop(domain, _Domain(now, 0, 0)), now)
        self._all = self._renewed(self._all, now)
        is_kept = found.kept < self._per_hour and self._all.kept < MAX_PER_HOUR
        incidents = found.left_out + 1
        self._domains[domain] = _Domain(found.since, found.kept + is_kept, 0 if is_kept else incidents)
        if is_kept:
            self._all = self._all._replace(kept=self._all.kept + 1)
        if len(self._domains) > MAX_DOMAINS:
            self._domains.popitem(last=False)
        return incidents if is_kept else 0

    @staticmethod
    def _renewed(found: "_Domain", now: float) -> "_Domain":
        return found if now - found.since < HOUR else _Domain(now, 0, found.left_out)


class _Domain(NamedTuple):
    since: float
    kept: int
    left_out: int


class Failure(NamedTuple):
    """A case, and how many incidents it stands for."""

    case: FailureCase
    incidents: int


_WORD = r"[^\s<>\"(),:;@\[\]\\]"
_ADDRESS = re.compile(rf"(?:(?<!{_WORD}){_WORD}+|\"[^\"]*\")\s*@")
"""With the white space that may stand before the @ (RFC 5322 4.4). Each word is looked at once."""
MAX_NAME = 100
MAX_LINE = 900
"""Characters; a line of a mail has at most 998 octets."""


def redacted(text: str, key: bytes) -> str:
    """Local parts of addresses as a keyed digest (RFC 6590): equal ones stay equal, and nobody can tell which."""
    return _ADDRESS.sub(lambda found: f"{_digest(found[0][:-1].rstrip(), key)}@", text)


def _digest(local_part: str, key: bytes) -> str:
    return hmac.new(key, local_part.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:20]


def _mail_from(address: str, key: bytes) -> str:
    """All before the last @, for MTAs take what RFC 5322 would not call a local part."""
    local_part, at, domain = address.rpartition("@")
    return f"{_digest(local_part, key)}@{domain}" if at else _digest(address, key)


def content(failure: Failure, key: bytes) -> str:
    """What is written of it, redacted, as JSON."""
    case = failure.case
    fields = [f"{plain(field.name, MAX_NAME)}: {_value(field.value, key)}" for field in case.fields]
    told = {
        "author_domain": case.author_domain,
        "source_ip": address_text(case.client),
        "mail_from": _mail_from(case.mail_from, key),
        "failed": case.failed,
        "signatures": case.signatures,
        "spf_record": [case.spf_record[0], case.spf_record[1].decode("ascii", "replace")] if case.spf_record else None,
        "delivery": case.delivery,
        "authentication_results": redacted(case.authentication_results, key),
        "header": "\r\n".join(fields),
    }
    return json.dumps(told)


def _value(octets: bytes, key: bytes) -> str:
    """One field stays one field, whatever is in it. Redacted before it is cut: a local part alone shows no @."""
    lines = (line.strip() for line in redacted(octets.decode("utf-8", "replace"), key).splitlines())
    return "\r\n ".join(printable(line, MAX_LINE) for line in lines if line)


KEEP = (
    "INSERT INTO failure_reports (uid, time, policy_domain, incidents, record, content)"
    " VALUES ({uid}, {time}, {policy_domain}, {incidents}, {record}, {content}) ON CONFLICT DO NOTHING"
)


def failure_rows(rows: Iterable[Row], key: bytes) -> list[Row]:
    """What to add to the table, sorted by key."""
    found = []
    for row in rows:
        failure: Failure | None = row.get("failure")
        if failure is not None:
            case = failure.case
            found.append(
                {
                    "uid": row["uid"],
                    "time": case.arrived,
                    "policy_domain": case.policy_domain,
                    "incidents": failure.incidents,
                    "record": case.record,
                    "content": content(failure, key),
                }
            )
    return sorted(found, key=lambda each: str(each["uid"]))
