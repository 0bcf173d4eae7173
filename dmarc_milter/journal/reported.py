"""What aggregate reports will tell, counted as messages come in (pure; RFC 9990 3.1).

A report of a day then reads its own rows, and no message. They are written in the transaction of the messages that they
count, and without SQLAlchemy, because workers write them.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from dmarc_milter.columns.column import Row
from dmarc_milter.dmarc.record import DmarcRecord, is_dmarc, parse
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal.rollups import DAY

FAIL, PASS, UNKNOWN = 0, 1, 2
"""Whether a mechanism gave an aligned pass. UNKNOWN: it was not looked into, for another one was enough."""
_MAX_SELECTOR = 253
_MAPPED = "::ffff:"


class Aligned(NamedTuple):
    """What DMARC found of a message, each mechanism on its own; and whether the message was a report itself."""

    dkim: int
    spf: int
    is_report: bool

    @property
    def variant(self) -> int:
        """As one number, for the table."""
        return self.dkim + 3 * self.spf + 9 * self.is_report

    @classmethod
    def of(cls, variant: int) -> "Aligned":
        """What :attr:`variant` says, 0 to 17."""
        return cls(variant % 3, variant // 3 % 3, variant >= 9)


VARIANTS = {number: Aligned.of(number) for number in range(18)}


class Signature(NamedTuple):
    """One evaluated signature that can be told (3.1.1.12): both names are known."""

    domain: str
    selector: str
    result: str


class Cause(StrEnum):
    """Why what was done is not what the policy asked for: what the comment of a reason is made of."""

    NONE = ""
    SEALER = "sealer"
    """An ARC chain of sealers that the operator trusts."""
    MONITOR = "monitor"
    """The filter only watches."""
    STRICTER = "stricter"
    """More was done than was asked for: what is quarantined elsewhere is refused or delivered here."""
    DNS = "dns"
    """The DNS could not tell whether an identifier is authenticated or aligned."""


_compact = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Content:
    """What one record of a report tells, but for alignment and count."""

    source_ip: str
    header_from: str
    envelope_from: str | None
    """Empty: the null reverse-path. None: it is no domain."""
    signatures: tuple[Signature, ...]
    spf: tuple[str, str] | None
    """Domain and result; None where there was no domain."""
    disposition: str
    """none, pass, quarantine or reject (3.1.1.9)."""
    reason: str | None
    """The type of the override (3.1.6)."""
    cause: Cause = Cause.NONE

    def as_text(self) -> str:
        """As it lies in the table."""
        return _compact([*self._key, self.cause])

    @property
    def _key(self) -> tuple[Any, ...]:
        return (
            self.source_ip,
            self.header_from,
            self.envelope_from,
            self.signatures,
            self.spf,
            self.disposition,
            self.reason,
        )

    @property
    def digest(self) -> str:
        """Equal for messages of one record; free text is no part of it (3.1.1.7)."""
        return hashlib.blake2b(json.dumps(self._key).encode(), digest_size=16).hexdigest()

    @classmethod
    def of(cls, text: str) -> "Content":
        """The content that :meth:`as_text` wrote."""
        source_ip, header_from, envelope_from, signatures, spf, disposition, reason, cause = json.loads(text)
        told = tuple(Signature(*each) for each in signatures)
        return cls(
            source_ip, header_from, envelope_from, told, tuple(spf) if spf else None, disposition, reason, Cause(cause)
        )


class Reported(NamedTuple):
    """One message, where a report will count it."""

    policy_domain: str
    policy: str
    """What the report tells of the record, see :func:`policy_key`."""
    record: bytes
    content: Content
    aligned: Aligned


def policy_key(record: DmarcRecord) -> str:
    """What a report tells of a record (3.1.1.5). Records that agree in this are one policy, whatever their rua."""
    policy = record.policy.value if record.policy is not None else "none"
    subdomain = record.subdomain_policy.value if record.subdomain_policy is not None else policy
    nonexistent = record.nonexistent_policy.value if record.nonexistent_policy is not None else subdomain
    alignment = record.dkim_alignment.value + record.spf_alignment.value
    return f"{policy[0]}{subdomain[0]}{nonexistent[0]}-{alignment}-{'y' if record.is_test else 'n'}-" + (
        record.failure_options
    )


def reported(row: Row) -> Reported | None:
    """Where the message of `row` counts; None where it is in no report.

    That is one that was not judged or put off, one without a policy, and one of which nobody knows who sent it.
    """
    text = row["policy_record"]
    source_ip = _source_ip(row)
    if text is None or not is_dmarc(text) or row["policy"] is None or row["action"] == "tempfail" or source_ip is None:
        return None
    if row["dmarc"] not in ("pass", "fail", "temperror"):
        return None
    reason, cause = _reason(row)
    content = Content(
        source_ip,
        row["author_domain"],
        _envelope_from(row["mail_from"]),
        _signatures(row["dkim"]),
        (row["spf_domain"], row["spf"]) if row["spf_domain"] else None,
        _disposition(row),
        reason,
        cause,
    )
    aligned = Aligned(
        _alignment(row["alignments"], "dkim"), _alignment(row["alignments"], "spf"), bool(row["is_dmarc_report"])
    )
    return Reported(row["policy_domain"], policy_key(parse(text)), text, content, aligned)


def _source_ip(row: Row) -> str | None:
    """The client of the outermost trusted relay, else the client; an IPv4-mapped address as IPv4."""
    address: str | None = row["outer_client"] if row["is_relayed"] else row["client"]
    if address is not None and address.startswith(_MAPPED):
        return _unmapped(address)
    return address


def _unmapped(address: str) -> str:
    tail = address.removeprefix(_MAPPED)
    if "." in tail or ":" not in tail:
        return tail
    high, low = (int(each or "0", 16) for each in tail.split(":"))
    return f"{high >> 8}.{high & 255}.{low >> 8}.{low & 255}"


def _envelope_from(mail_from: str) -> str | None:
    return to_identifier(mail_from.rpartition("@")[2]) if mail_from else ""


def _signatures(found: Sequence[Row]) -> tuple[Signature, ...]:
    """In an order of their own: that of the header is no part of a record."""
    told = (
        Signature(each["domain"], each["selector"][:_MAX_SELECTOR], each["result"])
        for each in found
        if each["domain"] and each["selector"]
    )
    return tuple(sorted(told))


def _alignment(alignments: Sequence[Row], mechanism: str) -> int:
    known = FAIL
    for each in alignments:
        if each["mechanism"] != mechanism or each["authenticated"] != "yes":
            continue
        if each["aligned"]:
            return PASS
        if each["aligned"] is None:
            known = UNKNOWN
    return known


def _disposition(row: Row) -> str:
    action: str = row["action"]
    if action in ("quarantine", "reject"):
        return action
    return "pass" if row["dmarc"] == "pass" and row["policy"] != "none" else "none"


_ASKED = {"none": "accept"}


def _reason(row: Row) -> tuple[str | None, Cause]:
    """Why what was done is not the published policy (3.1.1.9, 3.1.6): the type, and what its comment is made of."""
    action = row["action"]
    if row["dmarc"] == "pass":
        return ("local_policy", Cause.NONE) if action != "accept" else (None, Cause.NONE)
    asked = _ASKED.get(row["published_policy"], row["published_policy"])
    if action == asked:
        return None, Cause.NONE
    if row["mode"] == "monitor" and row["wanted"] != action:
        return "local_policy", Cause.MONITOR
    if row["override"] is not None:
        is_sealer = row["override"] == "trusted_forwarder" and row["rule"] is None
        return row["override"], Cause.SEALER if is_sealer else Cause.NONE
    if row["dmarc"] == "temperror":
        return "other", Cause.DNS
    return "local_policy", Cause.STRICTER


# The tables

_ADD = (
    "INSERT INTO reported (day, policy_domain, policy, digest, variant, content, messages)"
    " VALUES ({day}, {policy_domain}, {policy}, {digest}, {variant}, {content}, {messages})"
    " ON CONFLICT (day, policy_domain, policy, digest, variant)"
    " DO UPDATE SET messages = reported.messages + excluded.messages"
)
_NOTE_POLICY = (
    "INSERT INTO reported_policies (day, policy_domain, policy, record, seen)"
    " VALUES ({day}, {policy_domain}, {policy}, {record}, {seen})"
    " ON CONFLICT (day, policy_domain, policy) DO UPDATE SET record = excluded.record, seen = excluded.seen"
    " WHERE excluded.seen >= reported_policies.seen"
)
_KEEP_RECORD = (
    "INSERT INTO policy_records (digest, record, day) VALUES ({digest}, {record}, {day})"
    " ON CONFLICT (digest) DO UPDATE SET day = excluded.day WHERE excluded.day > policy_records.day"
)


class Statements(NamedTuple):
    """What a driver runs, in this order, with the rows of :func:`additions`."""

    keep_record: str
    note_policy: str
    add: str

    @classmethod
    def written(cls, placeholder: str) -> "Statements":
        """With the driver's placeholders: ``":{}"``, ``"%({})s"``."""
        names = Placeholders(placeholder)
        return cls(*(each.format_map(names) for each in (_KEEP_RECORD, _NOTE_POLICY, _ADD)))


class Placeholders(dict[str, str]):
    """For ``str.format_map``: each name as a driver wants it."""

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self._placeholder = placeholder

    def __missing__(self, name: str) -> str:
        return self._placeholder.format(name)


def record_digest(record: bytes) -> str:
    """Under which a record is kept, once."""
    return hashlib.blake2b(record, digest_size=16).hexdigest()


def additions(rows: Iterable[Row]) -> tuple[list[Row], list[Row], list[Row]]:
    """What to add to the tables for `rows`, sorted by key: two workers never wait for each other in a circle."""
    counts: Counter[tuple[Any, ...]] = Counter()
    contents: dict[tuple[Any, ...], str] = {}
    seen: dict[tuple[int, str, str], tuple[float, bytes]] = {}
    for row in rows:
        found: Reported | None = row.get("reported")
        if found is None:
            continue
        policy = (int(row["time"] // DAY) * DAY, found.policy_domain, found.policy)
        key = (*policy, found.content.digest, found.aligned.variant)
        counts[key] += 1
        contents.setdefault(key, found.content.as_text())
        seen[policy] = max(seen.get(policy, (0.0, b"")), (row["time"], found.record))
    # In the order of days: of several, the last one counts.
    records = {record_digest(record): (record, key[0]) for key, (_, record) in sorted(seen.items())}
    return (
        [{"digest": digest, "record": record, "day": day} for digest, (record, day) in sorted(records.items())],
        [_policy(key, time, record) for key, (time, record) in sorted(seen.items())],
        [_count(key, contents[key], messages) for key, messages in sorted(counts.items())],
    )


def _policy(key: tuple[int, str, str], time: float, record: bytes) -> Row:
    day, policy_domain, policy = key
    return {
        "day": day,
        "policy_domain": policy_domain,
        "policy": policy,
        "record": record_digest(record),
        "seen": time,
    }


def _count(key: tuple[Any, ...], content: str, messages: int) -> Row:
    day, policy_domain, policy, digest, variant = key
    return {
        "day": day,
        "policy_domain": policy_domain,
        "policy": policy,
        "digest": digest,
        "variant": variant,
        "content": content,
        "messages": messages,
    }
