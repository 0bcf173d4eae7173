"""One transaction: what is done with a message, by settings, envelope, bounds and errors."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest

from dmarc_milter import wording
from dmarc_milter.api import Dns, evaluate
from dmarc_milter.judging.site import Site
from dmarc_milter.judging.transaction import MAX_RECIPIENTS, Connection, Outcome, Transaction
from dmarc_milter.judging.verdict import Action, Envelope
from dmarc_milter.message.header import MAX_FIELDS
from dmarc_milter.settings import config

ZONE = """$TTL 300
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject"
_dmarc.shop.example. IN TXT "v=DMARC1; p=quarantine"
"""
CROOK = bytes((203, 0, 113, 5))
SPOOF = ((b"From", b" ceo@bank.example"),)
FORGED = (b"Authentication-Results", b" mx.example.org; dmarc=pass")


@dataclass(frozen=True)
class Case:
    """A message, and what is said of it: action, the start of its reason, fields deleted and added."""

    said: tuple[str, str, int, int]
    policy: dict[str, Any] | None = None
    fields: tuple[tuple[bytes, bytes], ...] = SPOOF
    connection: dict[str, Any] | None = None
    authenticated: str | None = None
    recipients: tuple[str, ...] = ()
    rule: dict[str, Any] | None = None
    fails: bool = False
    ends_header: bool = True


RULE = {"name": "desk", "recipient_domain": ["desk.example"], "action": "accept"}
ERROR = "error in the filter"
CASES = {
    "a spoof": Case(("reject", "dmarc=fail", 0, 0)),
    "in mode monitor": Case(("accept", "mode monitor: dmarc=fail", 0, 1), {"mode": "monitor"}),
    "quarantine by header": Case(("quarantine", "dmarc=fail", 0, 1), fields=((b"From", b" a@shop.example"),)),
    "own network": Case(
        ("accept", "not judged: client is in trusted_networks", 1, 0),
        {"trusted_networks": ["203.0.113.0/24"]},
        fields=(FORGED, *SPOOF),
    ),
    "own user": Case(("accept", "not judged: authenticated sender", 0, 0), authenticated="joe"),
    "local submission": Case(("accept", "not judged: local submission", 0, 0), connection={"is_local": True}),
    "a rule on its recipient": Case(
        ("accept", "rule desk", 1, 1), fields=(FORGED, *SPOOF), recipients=("a@desk.example",), rule=RULE
    ),
    "a rule on one of its recipients": Case(
        ("reject", "dmarc=fail", 0, 0), recipients=("a@desk.example", "b@other.example"), rule=RULE
    ),
    "a header over the bounds": Case(
        ("reject", "header section too large", 0, 0), {"mode": "monitor"}, fields=SPOOF + ((b"X", b" x"),) * MAX_FIELDS
    ),
    "own mail over the bounds": Case(
        ("reject", "header section too large", 0, 0), fields=((b"X", b" x"),) * (MAX_FIELDS + 1), authenticated="joe"
    ),
    "too many forged fields": Case(
        ("reject", "too many forged", 0, 0), {"mode": "monitor"}, fields=(*SPOOF, *(FORGED,) * 101)
    ),
    "own mail with too many": Case(
        ("reject", "too many forged", 0, 0), fields=(*SPOOF, *(FORGED,) * 101), authenticated="joe"
    ),
    "an error": Case(("tempfail", ERROR, 0, 0), fails=True),
    "an error that refuses": Case(("reject", ERROR, 0, 0), {"on_error": "reject"}, fails=True),
    "an error that accepts": Case(("accept", ERROR, 1, 1), {"on_error": "accept"}, fields=(FORGED, *SPOOF), fails=True),
    "an error that accepts, and too many": Case(
        ("reject", "too many forged", 0, 0), {"on_error": "accept"}, fields=(FORGED,) * 101, fails=True
    ),
    "an end without an end of header": Case(("tempfail", "the MTA did not end the header", 0, 0), ends_header=False),
    "nothing may be deleted": Case(
        ("tempfail", "the MTA does not let a forged field be removed", 0, 0),
        {"mode": "monitor"},
        fields=(FORGED, *SPOOF),
        connection={"can_delete_fields": False},
    ),
    "nothing may be deleted, errors accept": Case(
        ("tempfail", "the MTA does not let a forged field be removed", 0, 0),
        {"mode": "monitor", "on_error": "accept"},
        fields=(FORGED, *SPOOF),
        connection={"can_delete_fields": False},
    ),
    "nothing has to be deleted": Case(
        ("accept", "mode monitor", 0, 1), {"mode": "monitor"}, connection={"can_delete_fields": False}
    ),
}


def outcome(case: Case) -> Outcome:
    data: dict[str, Any] = {"policy": {"mode": "enforce"} | (case.policy or {})}
    if case.rule is not None:
        data["override"] = [case.rule]
    settings = config.parse(data)
    dns = Dns.zone(ZONE)
    site = Site.of(settings, dns.runner, dns.source)
    given = {"client_address": CROOK, "helo": "h.example", "authserv_id": "mx.example.org"} | (case.connection or {})
    transaction = Transaction(site, Connection(**given), "a@crook.example", case.authenticated)
    for recipient in case.recipients:
        transaction.recipient(recipient)
    for name, value in case.fields:
        transaction.field(name.decode(), value)
    if case.ends_header:
        transaction.end_of_header()
    if case.fails:
        transaction.fail()
    found = transaction.end_of_message("4XY")
    transaction.close()
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_outcome(case: Case) -> None:
    found = outcome(case)
    action, reason, deleted, added = case.said
    disposition = found.disposition
    assert (disposition.action.value, len(found.deletions), len(found.additions)) == (action, deleted, added)
    assert wording.decision(disposition).startswith(reason)
    assert (found.reply is not None) == (action in ("reject", "tempfail"))


OWN_OR_NOT: dict[tuple[tuple[str, ...] | None, str], bool] = {
    # trusted_networks, client: whether the message is the operator's own
    (None, "127.0.0.1"): True,
    (None, "127.1.2.3"): True,
    (None, "::1"): True,
    (None, "::ffff:127.0.0.1"): True,
    (None, "203.0.113.9"): False,
    (("203.0.113.0/24",), "203.0.113.9"): True,
    (("203.0.113.0/24",), "127.0.0.1"): False,
    ((), "127.0.0.1"): False,
    ((), "::1"): False,
}


@pytest.mark.parametrize(("networks", "client"), OWN_OR_NOT)
def test_own_mail(networks: tuple[str, ...] | None, client: str) -> None:
    """This host by default; a list that is set takes the place of that."""
    policy = {} if networks is None else {"trusted_networks": list(networks)}
    case = Case(("", "", 0, 0), policy, fields=SPOOF, connection={"client_address": ip_address(client).packed})
    found = outcome(case)
    is_own = OWN_OR_NOT[networks, client]
    assert (found.verdict is None) == is_own
    assert found.disposition.action is (Action.ACCEPT if is_own else Action.REJECT)


def test_recipients_beyond_the_bound() -> None:
    many = tuple(f"{number}@desk.example" for number in range(MAX_RECIPIENTS + 1))
    assert outcome(Case(("", "", 0, 0), recipients=many[:-1], rule=RULE)).disposition.rule == "desk"
    assert outcome(Case(("", "", 0, 0), recipients=many, rule=RULE)).disposition.rule is None


def test_what_is_held() -> None:
    held = Case(("", "", 0, 0), {"quarantine": "hold"}, fields=((b"From", b" a@shop.example"),))
    assert wording.text(outcome(held).hold) == "DMARC policy of shop.example"


HELO_ZONE = """
$TTL 60
good.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
bad.example. IN TXT "v=spf1 -all"
"""


@pytest.mark.parametrize(
    ("helo", "mail_from", "action"),
    [
        ("bad.example", "a@good.example", "reject"),
        ("good.example", "a@bad.example", "accept"),
        # The null reverse-path: SPF is about HELO already (RFC 7208 2.4).
        ("bad.example", "", "reject"),
        ("[192.0.2.1]", "a@good.example", "accept"),
    ],
)
def test_a_rule_that_asks_for_spf_of_helo(helo: str, mail_from: str, action: str) -> None:
    rule = {"name": "helo", "action": "reject", "helo_spf": ["fail"]}
    settings = config.parse({"policy": {"mode": "enforce"}, "override": [rule]})
    with Dns.zone(HELO_ZONE) as dns:
        found = evaluate(
            b"From: a@x.example\r\n\r\nx\r\n", Envelope(bytes((192, 0, 2, 1)), helo, mail_from), dns, settings
        )
    assert found.disposition.action.value == action
