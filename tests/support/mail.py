"""Mail of every kind, as records and as rows of a journal."""

import random
from dataclasses import replace
from typing import Any

from dmarc_milter.columns.origin import FINDING
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.verdict import Action, Disposition, OverrideType, SpfFinding, SpfIdentity
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from tests.support.records import FAILS, NOW, as_row, record
from tests.support.verdicts import verdict

CHANGED = SignatureResult(DkimResult.FAIL, DkimReason.BODY_CHANGED(), "example.com")
FORGED = SignatureResult(DkimResult.FAIL, DkimReason.BODY_AND_HEADER_CHANGED(), "example.com")
OTHERS = SignatureResult(DkimResult.PASS, None, "other.example")
BELOW = SignatureResult(DkimResult.PASS, None, "mail.example.com")
ABOVE = SignatureResult(DkimResult.PASS, None, "com")
LIST, SEALER, RULE = OverrideType.MAILING_LIST, OverrideType.TRUSTED_FORWARDER, OverrideType.LOCAL_POLICY


def spf_passes(domain: str) -> SpfFinding:
    """SPF authenticates `domain`."""
    check = Check(SpfResult.PASS, SpfReason.TERM_MATCHED(term="all", domain=domain))
    return SpfFinding(check, SpfIdentity.MAIL_FROM, domain)


def failing(*signatures: SignatureResult, **more: Any) -> MessageRecord:
    """In the name of example.com, whose policy is reject, with nothing aligned."""
    return record(verdict=verdict("fail", "reject", signatures=signatures, **more))


def spared(override: OverrideType, action: Action = Action.ACCEPT, *signatures: SignatureResult) -> MessageRecord:
    """A failing message for which something else is done, and why."""
    return replace(failing(*signatures), disposition=Disposition(action, action, FAILS, override))


KINDS = {
    "aligned": (record(verdict=verdict("pass")), "own"),
    "nothing passed": (failing(), "nobody"),
    "somebody else's": (failing(OTHERS), "other"),
    "somebody else's, by SPF": (failing(spf=spf_passes("other.example")), "other"),
    "a list's footer": (failing(CHANGED, OTHERS), "sent_on"),
    "a list's footer, and nobody says who sent it on": (failing(CHANGED), "nobody"),
    "a signature made up": (failing(FORGED, OTHERS), "other"),
    "trusted list": (spared(LIST, Action.QUARANTINE), "sent_on"),
    "trusted sealer": (spared(SEALER), "sent_on"),
    "a rule that spares": (spared(RULE), "sent_on"),
    "a rule that refuses": (spared(RULE, Action.REJECT, OTHERS), "other"),
    "a policy under test": (spared(OverrideType.POLICY_TEST_MODE), "nobody"),
    "no record, own name": (record(verdict=verdict("none", signatures=(BELOW,))), "own"),
    "no record, another's name": (record(verdict=verdict("none", signatures=(OTHERS,))), "other"),
    "no record, signed by a whole top-level domain": (record(verdict=verdict("none", signatures=(ABOVE,))), "other"),
    "not aligned where a record says so": (failing(BELOW), "other"),
    "not judged": (record(verdict=None), "unjudged"),
}


def mail(count: int = 60) -> list[dict[str, Any]]:
    """Of several hours, domains and outcomes."""
    made = []
    for number in range(count):
        kinds = list(KINDS.values())
        found = replace(
            kinds[number % len(kinds)][0], time=NOW + number * 700, queue_id=f"4X{number}", message_id=f"<{number}@x>"
        )
        made.append(as_row(found, f"u{number}"))
    return made


UNTIL = 1_795_600_800.0
"""2026-11-25 10:00 UTC"""
DAY = 86_400.0


def varied(count: int = 600) -> list[dict[str, Any]]:
    """Mail of three days, of several domains, networks, lists, rules and modes."""
    chance = random.Random(20)
    kinds = mail(17)
    found = []
    for number in range(count):
        row = {**chance.choice(kinds), "uid": f"u{number}", "time": UNTIL - chance.uniform(0, 3 * DAY)}
        row["host"] = chance.choice(("mx1", "mx2"))
        row["mode"] = chance.choice(("monitor", "enforce"))
        if row["mode"] == "monitor":
            row["action"] = "accept"
        if row["spf"] is not None:
            row["author_domain"] = chance.choice((None, "a.example", "b.example", "c.example"))
            row["list_id"] = chance.choice((None, None, "l1.example", "l2.example"))
            row["arc"] = chance.choice(("none", "pass", "fail"))
        row["rule"] = chance.choice((None, None, "old-crm"))
        row["client"] = chance.choice((None, "192.0.2.7", "198.51.100.9", "2001:db8:1::9", "2001:db8:1:2::9"))
        for column in FINDING.columns:
            assert column.derive is not None
            row[column.name] = column.derive(row)
        found.append(row)
    return found


PERIODS = {
    "whole hours": Period(UNTIL - DAY, UNTIL),
    "parts of hours": Period(UNTIL - DAY - 1234.5, UNTIL - 777.25),
    "within an hour": Period(UNTIL - 2_000, UNTIL - 500),
    "over a full hour": Period(UNTIL - 5_000, UNTIL - 3_000),
    "an hour and a half": Period(UNTIL - 1.5 * HOUR, UNTIL),
    "up to now, where an hour is not over": Period(UNTIL - DAY - 100, UNTIL + 1_234.5),
    "whole days and parts of days": Period(UNTIL - 34 * HOUR - 20.5, UNTIL + 5),
    "only the hour that is not over": Period(UNTIL - 60, UNTIL + 60),
}
