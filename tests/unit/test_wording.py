"""Reasons in words."""

import pytest

from dmarc_milter import wording
from dmarc_milter.common.reason import ReasonCode
from dmarc_milter.dns.reasons import DnsReason


class Code(ReasonCode):
    TAG = "tag"
    RULE = "rule"
    SEVERAL = "several"
    CHOSEN = "chosen"


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        Code.TAG: "{tag:10}= is no tag of {domain}",
        Code.RULE: "rule {name:own}",
        Code.SEVERAL: "{count} times ({because})",
        Code.CHOSEN: lambda reason: "many" if reason["count"] != 1 else "one",
    }
    for code, words in table.items():
        monkeypatch.setitem(wording.WORDINGS, code, words)


def test_parameters_stand_in_their_places() -> None:
    assert wording.text(DnsReason.OTHER_RCODE(number=9)) == "RCODE 9"
    assert (
        wording.text(DnsReason.UNREADABLE(because=DnsReason.CUT_SHORT())) == "not a DNS message (a message cut short)"
    )


def test_several_reasons_are_joined() -> None:
    below = (DnsReason.TIMEOUT(), DnsReason.SERVFAIL())
    assert wording.text(Code.SEVERAL(count=2, because=below)) == "2 times (timeout; SERVFAIL)"


def test_a_table_may_choose_by_the_parameters() -> None:
    assert [wording.text(Code.CHOSEN(count=count)) for count in (1, 2)] == ["one", "many"]


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
