"""The decision table: what was found, what the settings say, what is done."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter import wording
from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.arc.results import parse
from dmarc_milter.common import network
from dmarc_milter.common.reason import Reason
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.judging import policy
from dmarc_milter.judging.override import Override, authenticated_domains
from dmarc_milter.judging.policy import (
    Mode,
    OnMailingList,
    OnTemporaryError,
    OnUnusableFrom,
    PolicySettings,
    Quarantine,
)
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.reply import Reply, ReplySettings, reply
from dmarc_milter.judging.verdict import Action, Disposition, Envelope, OverrideType, SpfFinding, SpfIdentity, Verdict
from dmarc_milter.message.mailing_list import MailingList, list_pattern
from dmarc_milter.message.reasons import ReceivedReason, Unusable
from dmarc_milter.message.received import HandOver, Relayed
from dmarc_milter.settings.policy import ReplySection
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from tests.support.verdicts import WHY, verdict

ENFORCE: dict[str, Any] = {"mode": Mode.ENFORCE}
TEMPFAIL: dict[str, Any] = {"temperror": OnTemporaryError.TEMPFAIL}
ACCEPT: dict[str, Any] = {"temperror": OnTemporaryError.ACCEPT}
FROM_ACCEPT: dict[str, Any] = {"unusable_from": OnUnusableFrom.ACCEPT}
FROM_REJECT: dict[str, Any] = {"unusable_from": OnUnusableFrom.REJECT}
SHOWN: dict[str, Any] = {"unusable": Unusable.MALFORMED, "apparent": ("bank.example",)}
DECISIONS = [
    # found                                     settings                                             done, wanted
    (verdict("pass", "reject"), ENFORCE, "accept", "accept"),
    (verdict("none"), ENFORCE, "accept", "accept"),
    (verdict("fail", "none"), ENFORCE, "accept", "accept"),
    (verdict("fail", "reject"), ENFORCE, "reject", "reject"),
    (verdict("fail", "reject"), {}, "accept", "reject"),
    (verdict("fail", "quarantine"), ENFORCE, "quarantine", "quarantine"),
    (verdict("fail", "quarantine"), {}, "accept", "quarantine"),
    (verdict("fail", "quarantine"), {**ENFORCE, "quarantine": Quarantine.HOLD}, "quarantine", "quarantine"),
    (verdict("fail", "quarantine"), {**ENFORCE, "quarantine": Quarantine.REJECT}, "reject", "reject"),
    (verdict("fail", "reject", "quarantine"), ENFORCE, "quarantine", "quarantine"),
    (verdict("fail", "quarantine", "none"), ENFORCE, "accept", "accept"),
    (verdict("temperror"), ENFORCE, "accept", "accept"),
    (verdict("temperror", "none"), ENFORCE, "accept", "accept"),
    (verdict("temperror", "quarantine"), ENFORCE, "tempfail", "tempfail"),
    (verdict("temperror", "reject"), ENFORCE, "tempfail", "tempfail"),
    (verdict("temperror", "quarantine", "none"), ENFORCE, "accept", "accept"),
    (verdict("temperror", "reject", "quarantine"), ENFORCE, "tempfail", "tempfail"),
    (verdict("temperror", "reject"), {}, "accept", "tempfail"),
    (verdict("temperror", "reject"), {**ENFORCE, **ACCEPT}, "accept", "accept"),
    (verdict("temperror"), {**ENFORCE, **TEMPFAIL}, "tempfail", "tempfail"),
    (verdict("temperror", "none"), {**ENFORCE, **TEMPFAIL}, "tempfail", "tempfail"),
    (verdict("temperror"), TEMPFAIL, "accept", "tempfail"),
    (verdict("permerror", unusable=Unusable.SEVERAL_FIELDS), ENFORCE, "reject", "reject"),
    (verdict("permerror", unusable=Unusable.SEVERAL_DOMAINS), ENFORCE, "reject", "reject"),
    (verdict("permerror", unusable=Unusable.SEVERAL_DOMAINS), {}, "accept", "reject"),
    (verdict("permerror", unusable=Unusable.NO_FIELD), ENFORCE, "reject", "reject"),
    (verdict("permerror", unusable=Unusable.MALFORMED), ENFORCE, "reject", "reject"),
    (verdict("permerror", unusable=Unusable.MALFORMED), {**ENFORCE, **FROM_ACCEPT}, "accept", "accept"),
    (verdict("permerror", unusable=Unusable.SEVERAL_FIELDS), {**ENFORCE, **FROM_ACCEPT}, "accept", "accept"),
    (verdict("permerror", unusable=Unusable.TOO_LONG), {**ENFORCE, **FROM_ACCEPT}, "reject", "reject"),
    (verdict("pass", unusable=Unusable.TOO_LONG, apparent=("a.example",)), ENFORCE, "reject", "reject"),
    # Malformed, but it shows a domain: DMARC decides, and unusable_from has no say.
    (verdict("fail", "reject", **SHOWN), {**ENFORCE, **FROM_ACCEPT}, "reject", "reject"),
    (verdict("fail", "quarantine", **SHOWN), {**ENFORCE, **FROM_REJECT}, "quarantine", "quarantine"),
    (verdict("pass", "reject", **SHOWN), {**ENFORCE, **FROM_REJECT}, "accept", "accept"),
    (verdict("none", **SHOWN), {**ENFORCE, **FROM_REJECT}, "accept", "accept"),
    (verdict("temperror", "reject", **SHOWN), {**ENFORCE, **FROM_ACCEPT}, "tempfail", "tempfail"),
    (verdict("temperror", **SHOWN), {**ENFORCE, **FROM_REJECT}, "accept", "accept"),
    (
        verdict("permerror", unusable=Unusable.MALFORMED),
        {**ENFORCE, "unusable_from": OnUnusableFrom.QUARANTINE},
        "quarantine",
        "quarantine",
    ),
]


@pytest.mark.parametrize(("found", "settings", "done", "wanted"), DECISIONS)
def test_decision(found: Verdict, settings: dict[str, Any], done: str, wanted: str) -> None:
    disposition = policy.decide(found, PolicySettings(**settings))
    assert (disposition.action.value, disposition.enforced_action.value) == (done, wanted)


def test_monitor_keeps_what_would_have_been_done() -> None:
    disposition = policy.decide(verdict("fail", "reject", "quarantine"), PolicySettings())
    assert disposition.override is OverrideType.POLICY_TEST_MODE
    assert disposition.reason.code is PolicyReason.TEST_MODE
    assert wording.decision(disposition).startswith("mode monitor: dmarc=fail")


REASONS = [
    (verdict("temperror"), PolicyReason.TEMPERROR_WITHOUT_POLICY(because=WHY)),
    (
        verdict("temperror", "none"),
        PolicyReason.TEMPERROR_WITH_POLICY(because=WHY, domain="example.com", policy="none"),
    ),
    (
        verdict("temperror", "reject"),
        PolicyReason.TEMPERROR_WITH_POLICY(because=WHY, domain="example.com", policy="reject"),
    ),
]


@pytest.mark.parametrize(("found", "reason"), REASONS)
def test_the_reason_of_a_temporary_error_says_which_policy_decided(found: Verdict, reason: Reason) -> None:
    assert policy.decide(found, PolicySettings(**ENFORCE)).reason == reason


# Indirect mail: the Domain Owner says reject, and the message fails.


def by(domain: str) -> dict[str, Any]:
    """SPF passed for `domain`."""
    return {
        "spf": SpfFinding(
            Check(SpfResult.PASS, SpfReason.TERM_MATCHED(term="all", domain="a.example")), SpfIdentity.MAIL_FROM, domain
        )
    }


def chain(*sealed: tuple[str, str], status: ArcStatus = ArcStatus.PASS) -> dict[str, Any]:
    """An ARC chain: who sealed, and what the sealer saw of DMARC."""
    results = tuple(parse(sealer, b" mx; " + seen.encode()) for sealer, seen in sealed)
    return {"arc": Chain(status, None, 0, tuple(sealer for sealer, _ in sealed), results)}


DEV = MailingList("dev.lists.example", has_address=True)
SEALERS: dict[str, Any] = {
    "trusted_sealers": (DomainPattern("fwd.example", False), DomainPattern("lists.example", True))
}


def trusted(*texts: str, **more: Any) -> dict[str, Any]:
    """Settings that trust the lists of these domains."""
    return {"trusted_lists": tuple(filter(None, map(list_pattern, texts))), **more}


NAMED = trusted("lists.example")
LISTS_ACCEPT = trusted("lists.example", mailing_list=OnMailingList.ACCEPT)
LISTS_REJECT = trusted("lists.example", mailing_list=OnMailingList.REJECT)
ANY_LIST = trusted("*", mailing_list=OnMailingList.ACCEPT)
PASS = "dmarc=pass header.from=example.com"
NO = None
LIST, FORWARDER = OverrideType.MAILING_LIST, OverrideType.TRUSTED_FORWARDER

INDIRECT = {
    # what came                                  found                                         settings   done  override
    "a stranger's list": ({"mailing_list": DEV, **by("lists.example")}, {}, "reject", NO),
    "a stranger's list, while another is trusted": (
        {"mailing_list": DEV, **by("lists.example")},
        trusted("x.example"),
        "reject",
        NO,
    ),
    "a trusted list": ({"mailing_list": DEV, **by("lists.example")}, NAMED, "quarantine", LIST),
    "a trusted list, by its signature": (
        {"mailing_list": DEV, "signatures": (SignatureResult(DkimResult.PASS, None, "lists.example"),)},
        NAMED,
        "quarantine",
        LIST,
    ),
    "a trusted list, by a signature that fails": (
        {"mailing_list": DEV, "signatures": (SignatureResult(DkimResult.FAIL, None, "lists.example"),)},
        NAMED,
        "reject",
        NO,
    ),
    "a subdomain that is not named": ({"mailing_list": DEV, **by("b.lists.example")}, NAMED, "reject", NO),
    "a subdomain that is": (
        {"mailing_list": DEV, **by("b.lists.example")},
        trusted(".lists.example"),
        "quarantine",
        LIST,
    ),
    "a trusted host's list of another name": (
        {"mailing_list": DEV, **by("host.example")},
        trusted("host.example"),
        "quarantine",
        LIST,
    ),
    "the list-id of a trusted list alone": ({"mailing_list": DEV, **by("crook.example")}, NAMED, "reject", NO),
    "mail of the domain that is of no list": (by("lists.example"), LISTS_ACCEPT, "reject", NO),
    "any list, run by SPF's domain": ({"mailing_list": DEV, **by("lists.example")}, ANY_LIST, "accept", LIST),
    "any list, run by a domain beside it": (
        {"mailing_list": DEV, **by("bounces.lists.example")},
        ANY_LIST,
        "accept",
        LIST,
    ),
    "any list, which another authenticated": ({"mailing_list": DEV, **by("crook.example")}, ANY_LIST, "reject", NO),
    "the same, lists are accepted": ({"mailing_list": DEV, **by("lists.example")}, LISTS_ACCEPT, "accept", LIST),
    "the same, lists are no excuse": ({"mailing_list": DEV, **by("lists.example")}, LISTS_REJECT, "reject", NO),
    "a list that nobody authenticated": ({"mailing_list": DEV}, LISTS_ACCEPT, "reject", NO),
    "a list that another authenticated": ({"mailing_list": DEV, **by("crook.example")}, LISTS_ACCEPT, "reject", NO),
    "a list without an address": (
        {"mailing_list": replace(DEV, has_address=False), **by("lists.example")},
        LISTS_ACCEPT,
        "reject",
        NO,
    ),
    "a trusted sealer that saw a pass": (chain(("fwd.example", PASS)), SEALERS, "accept", FORWARDER),
    "a subdomain of a trusted sealer": (chain(("a.lists.example", PASS)), SEALERS, "accept", FORWARDER),
    "a sealer that nobody trusts": (chain(("x.example", PASS)), SEALERS, "reject", NO),
    "nobody is trusted": (chain(("fwd.example", PASS)), {}, "reject", NO),
    "a chain that is broken": (chain(("fwd.example", PASS), status=ArcStatus.FAIL), SEALERS, "reject", NO),
    "a trusted sealer that saw a fail": (chain(("fwd.example", "dmarc=fail")), SEALERS, "reject", NO),
    "a trusted sealer that says nothing": (chain(("fwd.example", "spf=pass")), SEALERS, "reject", NO),
    "a trusted sealer that says two things": (chain(("fwd.example", f"{PASS}; dmarc=fail")), SEALERS, "reject", NO),
    "a pass for another author": (chain(("fwd.example", "dmarc=pass header.from=x.example")), SEALERS, "reject", NO),
    "a pass for nobody in particular": (chain(("fwd.example", "dmarc=pass")), SEALERS, "reject", NO),
    "a pass for two authors": (chain(("fwd.example", f"{PASS} header.from=x.example")), SEALERS, "reject", NO),
    "a pass for what is no domain": (chain(("fwd.example", "dmarc=pass header.from=@")), SEALERS, "reject", NO),
    "a pass that a comment explains": (
        chain(("fwd.example", "dmarc=pass (p=none dis=none) header.from=a@Example.com")),
        SEALERS,
        "accept",
        FORWARDER,
    ),
    "two trusted ones, the first saw it": (
        chain(("fwd.example", PASS), ("a.lists.example", "arc=pass; dmarc=fail")),
        SEALERS,
        "accept",
        FORWARDER,
    ),
    "a trusted one below one that is not": (chain(("fwd.example", PASS), ("x.example", PASS)), SEALERS, "reject", NO),
    "a trusted one above one that is not": (
        chain(("x.example", PASS), ("fwd.example", "dmarc=fail")),
        SEALERS,
        "reject",
        NO,
    ),
    "a list sealed by a trusted one": (
        {"mailing_list": DEV, **by("lists.example"), **chain(("a.lists.example", PASS))},
        SEALERS,
        "accept",
        FORWARDER,
    ),
}


def test_a_message_without_an_author_is_vouched_for_by_nobody() -> None:
    found = verdict("permerror", unusable=Unusable.MALFORMED, **chain(("fwd.example", "dmarc=pass header.from=@")))
    assert policy.vouching_sealer(found, SEALERS["trusted_sealers"]) is None


@pytest.mark.parametrize(("found", "settings", "done", "override"), INDIRECT.values(), ids=INDIRECT.keys())
def test_indirect_mail(
    found: dict[str, Any], settings: dict[str, Any], done: str, override: OverrideType | None
) -> None:
    disposition = policy.decide(verdict("fail", "reject", **found), PolicySettings(**ENFORCE, **settings))
    assert (disposition.action.value, disposition.override) == (done, override)


@pytest.mark.parametrize("setting", OnMailingList)
def test_a_list_never_makes_it_worse(setting: OnMailingList) -> None:
    settings = PolicySettings(**ENFORCE, **trusted("*", mailing_list=setting))
    for published, most in (("none", "accept"), ("quarantine", "quarantine")):
        disposition = policy.decide(verdict("fail", published, mailing_list=DEV, **by("lists.example")), settings)
        assert disposition.action.value in ("accept", most)


def test_what_passes_needs_no_override() -> None:
    settings = PolicySettings(**ENFORCE, **SEALERS, **LISTS_ACCEPT)
    found = verdict("pass", "reject", mailing_list=DEV, **by("lists.example"), **chain(("fwd.example", PASS)))
    assert policy.decide(found, settings).override is None


DOMAINS = st.sampled_from(["lists.example", "a.lists.example", "crook.example", "dev.crook.example", "example", "com"])
LISTS = st.none() | st.builds(MailingList, DOMAINS, st.booleans())
SPF = st.builds(
    SpfFinding,
    st.builds(Check, st.sampled_from(SpfResult), st.just("")),
    st.sampled_from(SpfIdentity),
    st.none() | DOMAINS,
)
SIGNATURES = st.lists(st.builds(SignatureResult, st.sampled_from(DkimResult), st.just(""), DOMAINS), max_size=4).map(
    tuple
)
SEALED = st.lists(st.tuples(DOMAINS, st.sampled_from([PASS, "dmarc=fail", "spf=pass"])), max_size=3)
CHAINS = st.builds(lambda sealed, status: chain(*sealed, status=status)["arc"], SEALED, st.sampled_from(ArcStatus))
SENT = st.fixed_dictionaries({"mailing_list": LISTS, "spf": SPF, "signatures": SIGNATURES, "arc": CHAINS})


@given(SENT, st.sampled_from(OnMailingList))
def test_what_a_sender_writes_makes_nothing_milder(sent: dict[str, Any], setting: OnMailingList) -> None:
    """Where the operator trusts nobody."""
    settings = PolicySettings(**ENFORCE, mailing_list=setting)
    assert policy.decide(verdict("fail", "reject", **sent), settings).action is Action.REJECT


@given(SENT)
def test_a_list_counts_only_by_a_domain_that_was_named_and_authenticated(sent: dict[str, Any]) -> None:
    found = verdict("fail", "reject", **sent)
    if policy.decide(found, PolicySettings(**ENFORCE, **LISTS_ACCEPT)).action is not Action.REJECT:
        assert "lists.example" in authenticated_domains(found)


# Rules of the operator


def rule(action: str, **conditions: object) -> Override:
    return Override("a", Action(action), "because", **conditions)  # type: ignore[arg-type]


def domains(*texts: str) -> tuple[DomainPattern, ...]:
    return tuple(DomainPattern(text.removeprefix("."), text.startswith(".")) for text in texts)


CLIENT: dict[str, Any] = {"envelope": Envelope(bytes([192, 0, 2, 7]), "h.example", "a@b.example")}
HERE: dict[str, Any] = {"client": (network.parse("192.0.2.0/24"),)}
SIGNED: dict[str, Any] = {
    "signatures": (
        SignatureResult(DkimResult.PASS, None, "s.example"),
        SignatureResult(DkimResult.FAIL, None, "f.example"),
    )
}
RULES = {
    # the rule's conditions                      what came                     does it fit?
    "client": (HERE, CLIENT, True),
    "client elsewhere": ({"client": (network.parse("198.51.100.0/24"),)}, CLIENT, False),
    "client unknown": (HERE, {}, False),
    "reverse name": ({"reverse_name": domains(".b.example")}, {"reverse_names": ("x.b.example",)}, True),
    "no reverse name": ({"reverse_name": domains(".b.example")}, {}, False),
    "From": ({"from_domain": domains("example.com")}, {}, True),
    "From, another": ({"from_domain": domains("a.example.com", "x.example")}, {}, False),
    "From, with subdomains": ({"from_domain": domains(".com")}, {}, True),
    "From, without subdomains": ({"from_domain": domains("com")}, {}, False),
    "SPF": ({"spf_domain": domains("b.example")}, by("b.example"), True),
    "SPF did not pass": ({"spf_domain": domains("b.example")}, {}, False),
    "DKIM": ({"dkim_domain": domains("s.example")}, SIGNED, True),
    "DKIM did not pass": ({"dkim_domain": domains("f.example")}, SIGNED, False),
    "ARC": ({"arc_sealer": domains("fwd.example")}, chain(("x.example", ""), ("fwd.example", "")), True),
    "ARC, not the last": ({"arc_sealer": domains("x.example")}, chain(("x.example", ""), ("fwd.example", "")), False),
    "ARC, broken": ({"arc_sealer": domains("fwd.example")}, chain(("fwd.example", ""), status=ArcStatus.FAIL), False),
    "List-Id": ({"list_id": domains(".lists.example")}, {"mailing_list": DEV}, True),
    "no list": ({"list_id": domains(".lists.example")}, {}, False),
    "recipients": ({"recipient_domain": domains("a.example")}, {"recipient_domains": ("a.example",)}, True),
    "one of two recipients": (
        {"recipient_domain": domains("a.example")},
        {"recipient_domains": ("a.example", "b.example")},
        False,
    ),
    "no recipients known": ({"recipient_domain": domains("a.example")}, {}, False),
    "HELO": ({"helo": domains("h.example")}, CLIENT, True),
    "HELO, another": ({"helo": domains(".x.example")}, CLIENT, False),
    "MAIL FROM": ({"mail_from_domain": domains(".b.example")}, CLIENT, True),
    "MAIL FROM, null": ({"mail_from_domain": domains(".b.example")}, {}, False),
    "result of SPF": ({"spf": ("fail", "none")}, {}, True),
    "result of SPF, another": ({"spf": ("fail",)}, {}, False),
    "result of SPF for HELO": ({"helo_spf": ("fail",)}, {"helo_spf": Check(SpfResult.FAIL, WHY)}, True),
    "SPF for HELO, another": ({"helo_spf": ("fail",)}, {"helo_spf": Check(SpfResult.PASS, WHY)}, False),
    "SPF for HELO, not known": ({"helo_spf": ("fail",)}, {}, False),
    "result of DKIM": ({"dkim": ("pass",)}, SIGNED, True),
    "result of DKIM, though one failed": ({"dkim": ("fail",)}, SIGNED, False),
    "not signed": ({"dkim": ("none",)}, {}, True),
    "result of DMARC": ({"dmarc": ("fail",)}, {}, True),
    "result of DMARC, another": ({"dmarc": ("pass", "none")}, {}, False),
    "policy": ({"policy": ("reject", "quarantine")}, {}, True),
    "policy, another": ({"policy": ("none",)}, {}, False),
    "a result and a name": ({"spf": ("none",), "helo": domains("x.example")}, CLIENT, False),
    "all conditions": ({**HERE, "from_domain": domains("example.com")}, CLIENT, True),
    "all conditions but one": ({**HERE, "from_domain": domains("x.example")}, CLIENT, False),
}


@pytest.mark.parametrize(("conditions", "found", "fits"), RULES.values(), ids=RULES.keys())
def test_conditions_of_rules(conditions: dict[str, Any], found: dict[str, Any], fits: bool) -> None:
    settings = PolicySettings(**ENFORCE, overrides=(rule("accept", **conditions),))
    disposition = policy.decide(verdict("fail", "reject", **found), settings)
    assert disposition.action is (Action.ACCEPT if fits else Action.REJECT)
    assert disposition.rule == ("a" if fits else None)


@pytest.mark.parametrize("action", ["accept", "quarantine", "reject", "tempfail"])
@pytest.mark.parametrize(("result", "usual"), [("pass", "accept"), ("fail", "reject")])
def test_actions_of_rules(action: str, result: str, usual: str) -> None:
    settings = PolicySettings(**ENFORCE, overrides=(rule(action, from_domain=domains("example.com")),))
    found = verdict(result, "reject")
    disposition = policy.decide(found, settings)
    assert disposition.action.value == action
    assert disposition.override is (None if action == usual else OverrideType.LOCAL_POLICY)
    answer = reply(found, disposition, ReplySettings.of(ReplySection()))
    assert (answer is not None) is (action in ("reject", "tempfail"))
    assert answer is None or answer.text.endswith("by local policy: because")


def test_the_first_rule_that_fits_decides() -> None:
    rules = tuple(
        Override(name, Action(action), from_domain=domains(domain))
        for name, action, domain in (("x", "reject", "x.example"), ("y", "accept", ".com"), ("z", "reject", ".com"))
    )
    assert policy.decide(verdict("fail", "reject"), PolicySettings(**ENFORCE, overrides=rules)).rule == "y"


def test_rules_come_before_an_unusable_from() -> None:
    settings = PolicySettings(**ENFORCE, overrides=(rule("accept", **HERE),))
    found = verdict("permerror", unusable=Unusable.SEVERAL_FIELDS, **CLIENT)
    assert policy.decide(found, settings).action is Action.ACCEPT


MALFORMED: dict[str, Any] = {
    # domains that From shows                   outcome of the rules "a: accept, b: reject, c: quarantine"; DMARC fails, p=none
    "one that a rule accepts": (("a.example",), "accept"),
    "one that a rule refuses": (("b.example",), "reject"),
    "one that a rule quarantines": (("c.example",), "quarantine"),
    "one that no rule names": (("x.example",), "accept"),
    "the refused one behind an accepted one": (("a.example", "b.example"), "reject"),
    "the refused one before it": (("b.example", "a.example"), "reject"),
    "the quarantined one behind an unknown one": (("x.example", "c.example"), "quarantine"),
}


@pytest.mark.parametrize(("shown", "done"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_from_gets_no_domain_out_of_its_rule(shown: tuple[str, ...], done: str) -> None:
    actions = {"a": Action.ACCEPT, "b": Action.REJECT, "c": Action.QUARANTINE}
    rules = tuple(Override(name, actions[name], from_domain=domains(f"{name}.example")) for name in actions)
    found = verdict("fail", "none", unusable=Unusable.MALFORMED, apparent=shown)
    assert policy.decide(found, PolicySettings(**ENFORCE, overrides=rules)).action.value == done


def test_a_rule_for_one_shown_domain_lets_no_other_one_in() -> None:
    settings = PolicySettings(**ENFORCE, overrides=(rule("accept", from_domain=domains("partner.example")),))
    shown = ("bank.example", "partner.example")
    found = verdict("fail", "reject", unusable=Unusable.MALFORMED, apparent=shown)
    assert policy.decide(found, settings).action is Action.REJECT


def test_behind_a_relay_the_client_is_the_outer_one() -> None:
    settings = PolicySettings(**ENFORCE, overrides=(rule("accept", **HERE),))
    outer = Relayed(HandOver(bytes([198, 51, 100, 7]), "h"), None, 1)
    assert policy.decide(verdict("fail", "reject", **CLIENT, relayed=outer), settings).rule is None
    assert (
        policy.decide(
            verdict("fail", "reject", **CLIENT, relayed=Relayed(None, ReceivedReason.NO_OUTSIDE_CLIENT(), 0)), settings
        ).rule
        is None
    )


UNJUDGED = [
    # address           local  authenticated  networks                       why
    (b"\xc0\0\x02\x07", False, None, (), None),
    (b"\xc0\0\x02\x07", False, None, ("192.0.2.0/24",), PolicyReason.TRUSTED_NETWORK),
    (b"\xc0\0\x02\x07", False, None, ("2001:db8::/32",), None),
    (b"\xc0\0\x02\x07", False, "joe", (), PolicyReason.AUTHENTICATED_SENDER),
    (None, True, None, (), PolicyReason.LOCAL_SUBMISSION),
    (None, False, None, ("0.0.0.0/0",), None),
]


@pytest.mark.parametrize(("address", "is_local", "authenticated", "networks", "why"), UNJUDGED)
def test_sessions_that_are_not_judged(
    address: bytes | None,
    is_local: bool,
    authenticated: str | None,
    networks: tuple[str, ...],
    why: PolicyReason | None,
) -> None:
    trusted = tuple(network.parse(each) for each in networks)
    found = policy.unjudged(address, is_local=is_local, authenticated=authenticated, trusted_networks=trusted)
    assert found == (why and why())


@given(st.text(max_size=400), st.text(max_size=40))
def test_a_reply_stays_one_line_of_ascii(reason: str, queue_id: str) -> None:
    settings = ReplySettings.of(
        ReplySection(reject="550 5.7.1 {reason} {reason} {reason} {domain} {policy} {queue_id}")
    )
    disposition = Disposition(Action.REJECT, Action.REJECT, PolicyReason.UNUSABLE_FROM(because=reason))
    answer = reply(verdict("fail", "reject"), disposition, settings, queue_id)
    assert answer is not None
    assert re.fullmatch(r"[ -~]{1,480}", answer.text)


def test_replies() -> None:
    settings = PolicySettings(mode=Mode.ENFORCE, temperror=OnTemporaryError.TEMPFAIL)
    replies = [
        reply(found, policy.decide(found, settings), ReplySettings.of(ReplySection()))
        for found in (verdict("fail", "reject"), verdict("temperror"), verdict("pass", "reject"))
    ]
    assert replies[0] == Reply("550", "5.7.1", "Email rejected per DMARC policy for example.com")
    assert replies[1] is not None
    assert (replies[1].code, replies[1].enhanced) == ("451", "4.7.24")
    assert replies[2] is None


def test_a_spoof_behind_a_malformed_from_is_refused_as_what_it_is() -> None:
    found = verdict("fail", "reject", **SHOWN)
    disposition = policy.decide(found, PolicySettings(**ENFORCE))
    answer = reply(found, disposition, ReplySettings.of(ReplySection()))
    assert answer == Reply("550", "5.7.1", "Email rejected per DMARC policy for bank.example")


REFUSING = {
    # SPF, DMARC and the policy, and what two rules do that refuse on results: the peers' most asked for.
    "SPF fails, nobody publishes a policy": ("fail", "none", None, "reject"),
    "SPF fails, the policy decides": ("fail", "pass", "none", "accept"),
    "it fails, and the domain only watches": ("none", "fail", "none", "reject"),
    "it passes, and the domain only watches": ("none", "pass", "none", "accept"),
    "nothing is known": ("none", "none", None, "accept"),
}


@pytest.mark.parametrize(("spf", "dmarc", "published", "done"), REFUSING.values(), ids=REFUSING.keys())
def test_rules_that_refuse_on_results(spf: str, dmarc: str, published: str | None, done: str) -> None:
    rules = (
        rule("reject", spf=("fail",), dmarc=("none",)),
        rule("reject", dmarc=("fail",), policy=("none",)),
    )
    check = SpfFinding(Check(SpfResult(spf), WHY), SpfIdentity.MAIL_FROM, "b.example")
    found = verdict(dmarc, published, spf=check)
    assert policy.decide(found, PolicySettings(**ENFORCE, overrides=rules)).action.value == done
