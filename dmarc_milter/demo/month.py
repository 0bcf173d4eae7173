"""A month of plausible mail for the console's demo, made up: all names are for documents (RFC 2606, 5737)."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from dmarc_milter.columns.column import Row
from dmarc_milter.demo.reports import Counts, counts, write_reports
from dmarc_milter.journal import insertion, schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.row import TABLE

DAYS = 30


class Sender(NamedTuple):
    """One who sends, again and again."""

    weight: float
    domain: str | None
    client: str
    spf: str
    signer: str | None
    """The domain that signed, where that passes."""
    dmarc: str
    policy: str | None
    kind: str
    list_id: str | None = None
    override: str | None = None
    rule: str | None = None
    code: str | None = None
    """Of a signature of the domain itself, that fails."""
    days: float = DAYS
    """For how long it has been sending."""
    sealers: tuple[str, ...] = ()
    """Of a chain of ARC that vouches for it, newest first."""


SENDERS = (
    Sender(30, "bank.example", "192.0.2.10", "pass", "bank.example", "pass", "reject", "own"),
    Sender(18, "news.example", "192.0.2.25", "pass", "news.example", "pass", "none", "own"),
    Sender(14, "partner.example", "192.0.2.44", "pass", None, "pass", "quarantine", "own"),
    Sender(20, "small.example", "198.51.100.12", "pass", None, "none", None, "own"),
    Sender(9, "club.example", "198.51.100.80", "none", None, "none", None, "nobody"),
    Sender(4, "shop.example", "203.0.113.40", "pass", "esp1.mailer.example", "fail", "none", "other"),
    Sender(2.5, "bank.example", "203.0.113.66", "softfail", None, "fail", "reject", "nobody"),
    Sender(3, "invoice.example", "203.0.113.66", "pass", "crook.example", "fail", "reject", "other", days=0.4),
    Sender(2, "partner.example", "192.0.2.201", "softfail", "lists.example", "fail", "quarantine", "sent_on",
           "dev.lists.example", "mailing_list", None, "body-changed"),
    Sender(0.7, "news.example", "198.51.100.150", "fail", None, "fail", "none", "sent_on", code="body-changed"),
    Sender(0.5, "bank.example", "198.51.100.77", "pass", "crm.example", "fail", "reject", "sent_on", None,
           "local_policy", "old-crm"),
    Sender(0.5, "bank.example", "198.51.100.131", "pass", "fwd.example", "fail", "reject", "sent_on",
           code="body-changed", sealers=("fwd.example",)),
    Sender(0.2, "partner.example", "198.51.100.140", "pass", "relay.example", "fail", "quarantine", "sent_on",
           code="body-changed", sealers=("relay.example", "fwd.example")),
    Sender(0.6, "bank.example", "198.51.100.161", "pass", "alumni.example", "fail", "reject", "sent_on", None,
           "trusted_forwarder", None, "body-changed", sealers=("alumni.example",)),
    Sender(0.2, "bank.example", "203.0.113.66", "pass", "crook.example", "fail", "reject", "other",
           sealers=("crook.example",)),
    Sender(0.4, "xn--bcher-kva.example", "2001:db8:7::25", "pass", "xn--bcher-kva.example", "pass", "reject", "own"),
    Sender(0.4, "slow.example", "203.0.113.9", "temperror", None, "temperror", "reject", "nobody"),
    Sender(0.3, None, "203.0.113.200", "none", None, "permerror", None, "nobody"),
)  # fmt: skip
_REASON = {
    "pass": "an aligned identifier was authenticated",
    "fail": "no authenticated identifier is aligned",
    "none": "there is no DMARC record",
    "temperror": "no name server answered in time",
    "permerror": "From has no usable domain",
}
_SPF_REASON = {
    "pass": "{envelope} names {client}",
    "none": "{envelope} has no SPF record",
    "temperror": "no name server answered in time",
}
_COMMENT = {
    "mailing_list": "the list is trusted",
    "trusted_forwarder": "arc=pass, and alumni.example saw dmarc=pass",
    "local_policy": "the old CRM sends for us",
    None: None,
}
_DONE = {"reject": "reject", "quarantine": "quarantine", "none": "accept", None: "accept"}


def month(count: int, until: float, seed: int = 1) -> Iterator[Row]:
    """Rows of the journal, oldest first: more by day than by night, fewer at weekends."""
    chance = random.Random(seed)  # noqa: S311 - nothing is kept secret by it
    since = until - DAYS * 86_400
    for number, moment in enumerate(_moments(chance, count, since, until)):
        senders = [each for each in SENDERS if moment >= until - each.days * 86_400]
        (sender,) = chance.choices(senders, [each.weight for each in senders])
        yield _row(chance, sender, number, moment)


def _moments(chance: random.Random, count: int, since: float, until: float) -> list[float]:
    found: list[float] = []
    while len(found) < count:
        moment = chance.uniform(since, until - 1)
        hour, weekday = moment / 3600 % 24, int(moment // 86_400 + 3) % 7
        if chance.random() < (0.3 + 0.7 * math.sin(math.pi * hour / 24) ** 2) * (0.45 if weekday > 4 else 1.0):
            found.append(moment)
    return sorted(found)


def _row(chance: random.Random, sender: Sender, number: int, moment: float) -> Row:
    domain = sender.domain
    network, _, _ = sender.client.rpartition(":" if ":" in sender.client else ".")
    separator = ":" if ":" in sender.client else "."
    client = sender.client if sender.kind == "own" else f"{network}{separator}{chance.randrange(2, 250)}"
    envelope = sender.signer or domain or "unknown.example"
    wanted = _DONE[sender.policy] if sender.dmarc == "fail" and not sender.override else "accept"
    if sender.dmarc == "temperror":
        wanted = "tempfail"
    if sender.dmarc == "permerror":
        wanted = "reject"
    found: Row = {column.name: None for column in TABLE}
    found |= {
        "uid": f"{number:040x}",
        "time": moment,
        "host": f"mx{number % 2 + 1}.example.org",
        "worker": 1,
        "queue_id": f"4X{number:08X}",
        "message_id": f"<{number}.{chance.randrange(10**9)}@{envelope}>",
        "client": client,
        "helo": f"mail.{envelope}",
        "mail_from": envelope,
        "author_domain": domain,
        "spf": sender.spf,
        "spf_domain": envelope,
        "spf_reason": _SPF_REASON.get(sender.spf, "{client} is not named").format(envelope=envelope, client=client),
        "dkim": _signatures(sender),
        "arc": "pass" if sender.sealers else "none",
        "arc_sealers": list(sender.sealers[::-1]) or None,
        "arc_vouching": list(sender.sealers) or None,
        "list_id": sender.list_id,
        "list_has_address": True if sender.list_id else None,
        "dmarc": sender.dmarc,
        "dmarc_reason": _REASON[sender.dmarc],
        "published_policy": sender.policy,
        "policy": sender.policy,
        "policy_domain": domain if sender.policy else None,
        "alignments": _alignments(sender, envelope),
        "mode": "enforce",
        "action": wanted,
        "wanted": wanted,
        "override": sender.override,
        "rule": sender.rule,
        "comment": _COMMENT.get(sender.override),
        "reason": _REASON[sender.dmarc],
        "seconds": 0.004,
        "seconds_waited": 0.002,
    }
    if wanted == "tempfail":
        found["reply"] = f"451 4.7.24 Temporary DNS failure while checking DMARC for {domain}, try again later"
    if wanted == "reject":
        found["reply"] = f"550 5.7.1 Email rejected per DMARC policy for {domain or 'From'}"
    for column in TABLE:
        if column.derive is not None:
            found[column.name] = column.derive(found)
    return {name: found[name] for name in (column.name for column in TABLE)}


def _signatures(sender: Sender) -> list[dict[str, Any]]:
    def made(result: str, domain: str, code: str | None) -> dict[str, Any]:
        reason = "the body was changed after it was signed" if code else ""
        key = {"selector": "s2026", "algorithm": "rsa-sha256", "key_bits": 2048, "is_test": False}
        return {"result": result, "reason": reason, "code": code, "domain": domain, **key}

    found = [made("pass", sender.signer, None)] if sender.signer else []
    return [*found, *([made("fail", sender.domain or "?", sender.code)] if sender.code else [])]


def _alignments(sender: Sender, envelope: str) -> list[dict[str, Any]]:
    def made(mechanism: str, name: str) -> dict[str, Any]:
        is_aligned = name == sender.domain
        why = "the same name" if is_aligned else "another organization"
        said = {"authenticated": "yes", "aligned": is_aligned, "why": why, "code": None}
        return {"mechanism": mechanism, "domain": name, **said}

    found = [made("spf", envelope)] if sender.spf == "pass" else []
    return [*found, *([made("dkim", sender.signer)] if sender.signer else [])]


def write(url: str, count: int, until: float) -> None:
    """A new journal at `url` that holds it, and reports."""
    engine = open_engine(url, create=True)
    schema.prepare(engine)
    database = insertion.connect(url)
    rows = month(count, until)
    counted: Counts = Counter()
    while batch := list(itertools.islice(rows, 2_000)):
        database.insert(batch)
        counted += counts(batch)
    database.close()
    write_reports(engine, until, counted)
    engine.dispose()
