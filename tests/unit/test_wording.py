"""Reasons in words."""

import pytest

from dmarc_milter import wording
from dmarc_milter.common.reason import Reason, ReasonCode
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.verdict import Action, Disposition
from dmarc_milter.spf.reasons import SpfReason
from dmarc_milter.wording.table import Wording, sentences


class Code(ReasonCode):
    TAG = "tag"
    RULE = "rule"
    SEVERAL = "several"
    CHOSEN = "chosen"


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    table: dict[Code, Wording] = {
        Code.TAG: "{tag:10}= is no tag of {domain}",
        Code.RULE: "rule {name:own}",
        Code.SEVERAL: "{count} times ({because})",
        Code.CHOSEN: ("{tag} of {domain}", "{domain}", "nothing"),
    }
    for code, words in table.items():
        monkeypatch.setitem(wording.SENTENCES, code, sentences(words))


def test_parameters_stand_in_their_places() -> None:
    assert wording.text(DnsReason.OTHER_RCODE(number=9)) == "RCODE 9"
    assert (
        wording.text(DnsReason.UNREADABLE(because=DnsReason.CUT_SHORT())) == "not a DNS message (a message cut short)"
    )


def test_several_reasons_are_joined() -> None:
    below = (DnsReason.TIMEOUT(), DnsReason.SERVFAIL())
    assert wording.text(Code.SEVERAL(count=2, because=below)) == "2 times (timeout; SERVFAIL)"


def test_the_first_template_counts_that_can_be_filled() -> None:
    assert wording.text(Code.CHOSEN(tag="p", domain="a.example")) == "p of a.example"
    assert wording.text(Code.CHOSEN(tag="", domain="a.example")) == "a.example"
    assert wording.text(Code.CHOSEN(domain="a.example")) == "a.example"
    assert wording.text(Code.CHOSEN(tag="p")) == wording.text(Code.CHOSEN()) == "nothing"


def test_texts_of_senders_are_harmless_and_short() -> None:
    tag, domain = 'x"\\\r\n\x1b[31m' + "y" * 99, "\u202eexample" + "z" * 999
    assert wording.text(Code.TAG(tag=tag, domain=domain)) == "x?????[...= is no tag of ?example" + "z" * 244 + "..."


def test_braces_of_senders_are_no_places() -> None:
    assert wording.text(Code.TAG(tag="{domain}", domain="{tag}")) == "{domain}= is no tag of {tag}"


def test_what_the_operator_wrote_is_shown_as_it_is() -> None:
    assert wording.text(Code.RULE(name='Müller "and sons"')) == 'rule Müller "and sons"'


def test_no_reason_has_no_words_and_no_code() -> None:
    assert wording.text(None) == ""
    assert wording.code(None) is None
    assert wording.code(DnsReason.TIMEOUT()) == "timeout"


SENTENCES = {
    "spf match": (SpfReason.TERM_MATCHED(term="mx", domain="a.example"), "mx of a.example matched"),
    "spf syntax": (
        SpfReason.UNREADABLE_RECORD(
            domain="a.example", because=SpfReason.PREFIX_TOO_LONG(family="IPv4", limit=32), position=9
        ),
        "record of a.example: IPv4 prefix length over 32 (at octet 9 of the record)",
    ),
    "spf include": (
        SpfReason.INCLUDE_FAILED(
            term="include:b.example", domain="a.example", because=SpfReason.NO_RECORD(domain="b.example")
        ),
        "include:b.example of a.example: b.example has no SPF record",
    ),
    "spf dns": (
        SpfReason.DNS_FAILED(type="TXT", name="a.example", because=DnsReason.TIMEOUT()),
        "TXT of a.example: timeout",
    ),
    "spf letter": (SpfReason.MACRO_VALUE_TOO_LONG(letter="h"), "%{h} is longer than RFC 5321 allows"),
    "dmarc pass": (
        DmarcReason.ALIGNED(mechanism="dkim", domain="a.example", because=DmarcReason.IDENTICAL()),
        "dkim a.example is aligned: identical",
    ),
    "dmarc fail": (
        DmarcReason.NOT_ALIGNED(
            because=(
                DmarcReason.IDENTIFIER(mechanism="spf", domain="b.example", because=DmarcReason.STRICT()),
                DmarcReason.IDENTIFIER(
                    mechanism="dkim", domain="c.test", because=DmarcReason.NO_COMMON_DOMAIN(domain="a.example")
                ),
            )
        ),
        "no authenticated identifier is aligned (spf b.example: not identical, and alignment is strict; "
        "dkim c.test: has no domain in common with a.example)",
    ),
    "record": (
        DmarcReason.INVALID_VALUE(tag="aspf", value="x", values="r, s"),
        "aspf=x is not one of r, s",
    ),
    "rule": (
        PolicyReason.RULE(
            rule="lists", text="ticket 4711", because=PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL())
        ),
        "rule lists: ticket 4711; dmarc=pass: identical",
    ),
    "rule without a text": (
        PolicyReason.RULE(rule="lists", text="", because=PolicyReason.DMARC_NONE(because=DmarcReason.NO_RECORD())),
        "rule lists; dmarc=none: no DMARC record",
    ),
    "comment of a rule": (PolicyReason.RULE_SAYS(rule="lists", text="ticket 4711"), "ticket 4711"),
    "comment of a rule without a text": (PolicyReason.RULE_SAYS(rule="lists", text=""), "rule lists"),
    "held": (PolicyReason.HELD(domain="a.example"), "DMARC policy of a.example"),
    "held, no author": (PolicyReason.HELD(domain=""), "DMARC policy of unknown author"),
    "test mode": (
        PolicyReason.TEST_MODE(
            because=PolicyReason.DMARC_FAIL(
                because=DmarcReason.NOTHING_AUTHENTICATED(), domain="a.example", policy="quarantine"
            ),
            comment=PolicyReason.ONE_LEVEL_BELOW(published="reject", policy="quarantine"),
        ),
        "dmarc=fail: neither SPF nor DKIM authenticated any domain; policy of a.example is quarantine "
        "(t=y: reject becomes quarantine)",
    ),
}


@pytest.mark.parametrize(("reason", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_sentences(reason: Reason, sentence: str) -> None:
    assert wording.text(reason) == sentence


def test_mode_monitor_is_said_once_and_is_no_code() -> None:
    reason = PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL())
    assert wording.decision(Disposition(Action.REJECT, Action.REJECT, reason)) == "dmarc=pass: identical"
    assert wording.decision(Disposition(Action.ACCEPT, Action.REJECT, reason)) == "mode monitor: dmarc=pass: identical"
