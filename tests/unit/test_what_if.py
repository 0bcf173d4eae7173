"""`dmarc-milter what-if`: what enforce would refuse, whom to trust, and what other settings would have done."""

import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.arc.results import MethodResult, SealedResults
from dmarc_milter.cli.main import main
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.explaining.rejudging import Rejudging, rejudged
from dmarc_milter.journal import reader
from dmarc_milter.journal import seen_lists as module_of_lists
from dmarc_milter.journal import what_if as module_of_what_if
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.particulars import network_of
from dmarc_milter.journal.refused import refused
from dmarc_milter.journal.seen_lists import setting
from dmarc_milter.journal.seen_sealers import seen
from dmarc_milter.journal.seen_sealers import setting as sealers_setting
from dmarc_milter.journal.what_if import Method
from dmarc_milter.judging.policy import Mode, decide, vouching_sealer
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.site import policy_settings, trusted_lists
from dmarc_milter.judging.verdict import Action, Disposition, Envelope, OverrideType, SpfFinding, SpfIdentity
from dmarc_milter.message.author import Author
from dmarc_milter.message.mailing_list import MailingList, list_pattern
from dmarc_milter.settings import config
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason
from tests.support.journals import insert, what_if
from tests.support.records import ENVELOPE, FAILS, NOW, REFUSED, SPARED, as_row, fill, record, sent_on
from tests.support.verdicts import verdict

ALWAYS = Period(0.0, math.inf)


def by_list(number: int) -> MessageRecord:
    spf = SpfFinding(
        Check(SpfResult.PASS, SpfReason.TERM_MATCHED(term="all", domain="a.example")),
        SpfIdentity.MAIL_FROM,
        "lists.example",
    )
    return record(f"L{number}", mode=Mode.MONITOR, disposition=SPARED, verdict=verdict("fail", "reject", spf=spf))


def test_what_if(engine: Engine) -> None:
    """Each message by its own best identifier; rules only where somebody sent on what the Author Domain had signed."""
    elsewhere = replace(ENVELOPE, client_address=bytes([203, 0, 113, 9]))
    signed = verdict("fail", "reject", signatures=(SignatureResult(DkimResult.PASS, None, "crook.example"),))
    fine = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL()))
    fill(
        engine,
        by_list(1),
        by_list(2),
        record("S", mode=Mode.MONITOR, disposition=SPARED, envelope=elsewhere),
        record("enforced"),
        record("fine", mode=Mode.MONITOR, disposition=fine),
        record("signed", mode=Mode.MONITOR, disposition=SPARED, verdict=signed, envelope=Envelope(None, "", "")),
        sent_on("F1"),
        sent_on("F2", envelope=elsewhere, time=NOW + 1),
        sent_on("F3", time=NOW + 2),
    )
    assert reader.judged(engine, 0.0) == {"monitor": 8, "enforce": 1}
    found = refused(engine, ALWAYS).refused
    assert found.totals == {("monitor", "reject"): 7, ("enforce", "reject"): 1}
    assert found.others == 0
    assert [(each.method, each.identifier, each.count) for each in found.groups] == [
        (Method.DKIM, "fwd.example", 3),
        (Method.NOBODY, "", 2),
        (Method.SPF, "lists.example", 2),
        (Method.DKIM, "crook.example", 1),
    ]
    forwarder, nobody, of_a_list, phisher = found.groups
    assert forwarder.particulars.networks == {"192.0.2.0/24": 2, "203.0.113.0/24": 1}
    assert forwarder.particulars.examples == ["F1", "F2", "F3"]
    assert forwarder.rule is not None
    assert 'dkim_domain = ["fwd.example"]' in forwarder.rule
    assert nobody.rule is None, "nothing authenticated: a rule for it would let anybody in"
    assert nobody.modes == {"monitor": 1, "enforce": 1}
    assert of_a_list.rule is None, "lists are named in trusted_lists"
    assert phisher.rule is None, "it is itself, in somebody else's name"
    assert phisher.condition == 'dkim_domain = ["crook.example"]'


def test_every_message_counts_however_many_groups_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers choose the names; a group that is large stays, and what gives way is summed up."""
    monkeypatch.setattr(module_of_what_if, "MAX_GROUPS", 10)
    rows = []
    for number in range(400):
        spoofed = verdict("fail", "reject", spf=replace(verdict("fail", "reject").spf, domain=f"d{number}.example"))
        passed = replace(spoofed.spf, check=Check(SpfResult.PASS, SpfReason.TERM_MATCHED(term="all", domain="x")))
        rows.append(
            as_row(record(f"R{number}", disposition=REFUSED, verdict=replace(spoofed, spf=passed)), str(number))
        )
        rows.append(as_row(record(f"S{number}", disposition=REFUSED), f"s{number}"))
    found, _ = what_if(rows)
    assert found.messages == 800
    assert len(found.groups) == 10
    assert (found.groups[0].method, found.groups[0].count) == (Method.NOBODY, 400)
    assert sum(each.count for each in found.groups) + found.others == 800


SEEN_PASS = MethodResult("dmarc", "pass", (("header.from", "example.com"),))


def sealed_by(*sealers: str, who_saw: int | None) -> Chain:
    """A valid chain, oldest first; the one with this number saw dmarc=pass."""
    results = [
        SealedResults(each, "", (SEEN_PASS,) if number == who_saw else ()) for number, each in enumerate(sealers)
    ]
    return Chain(ArcStatus.PASS, sealers=sealers, results=tuple(results))


@pytest.mark.parametrize(
    ("chain", "line"),
    [
        (sealed_by("a.example", who_saw=0), 'trusted_sealers = ["a.example"]'),
        (sealed_by("a.example", "b.example", who_saw=0), 'trusted_sealers = ["a.example", "b.example"]'),
        (sealed_by("a.example", "b.example", who_saw=1), 'trusted_sealers = ["b.example"]'),
        (sealed_by("a.example", who_saw=None), None),
        (replace(sealed_by("a.example", who_saw=0), status=ArcStatus.FAIL), None),
        (Chain(ArcStatus.NONE), None),
    ],
)
def test_the_sealers_of_what_if(engine: Engine, chain: Chain, line: str | None) -> None:
    fill(engine, record("A", mode=Mode.MONITOR, disposition=SPARED, verdict=verdict("fail", "reject", arc=chain)))
    found = seen(reader.sealed(engine, 0.0))
    assert sealers_setting(found, []) == line
    if line is not None:
        trusted = policy_settings(config.parse(tomllib.loads(f"[policy.indirect]\n{line}"))).trusted_sealers
        assert vouching_sealer(verdict("fail", "reject", arc=chain), trusted) is not None, "as named, it vouches"
        assert sealers_setting(found, trusted) is None


OTHER_SETTINGS = {
    # settings                                                  what becomes of the spoofed, the forwarded, the list's, the fine
    "": ["accept", "accept", "accept", "accept"],
    '[policy]\nmode = "enforce"': ["reject", "reject", "reject", "accept"],
    '[policy]\nmode = "enforce"\n[policy.indirect]\ntrusted_lists = ["lists.example"]': ["reject", "reject", "quarantine", "accept"],
    '[policy]\nmode = "enforce"\n[policy.indirect]\ntrusted_sealers = ["seal.example"]': ["reject", "accept", "reject", "accept"],
    '[policy]\nmode = "enforce"\ntrusted_networks = ["192.0.2.0/24"]': ["accept"] * 4,
    '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\ndkim_domain = ["fwd.example"]\naction = "accept"\nreason = "x"': ["reject", "accept", "reject", "accept"],
    '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\nfrom_domain = ["example.com"]\naction = "reject"\nreason = "x"': ["reject"] * 4,
    '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\nrecipient_domain = ["x.example"]\naction = "accept"\nreason = "x"': ["unknown", "unknown", "unknown", "accept"],
    '[policy]\nmode = "enforce"\nquarantine = "reject"\n[policy.indirect]\ntrusted_lists = ["lists.example"]': ["reject", "reject", "reject", "accept"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "actions"), OTHER_SETTINGS.items(), ids=range(len(OTHER_SETTINGS)))
def test_other_settings_on_what_is_recorded(text: str, actions: list[str]) -> None:
    """The policy itself decides: what it says of the verdict, it says of the row."""
    fine = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.DMARC_PASS(because=DmarcReason.IDENTICAL()))
    forwarded = sent_on("F")
    assert forwarded.verdict is not None
    chain = sealed_by("seal.example", who_saw=0)
    messages = [
        record("S", disposition=SPARED),
        replace(forwarded, verdict=replace(forwarded.verdict, arc=chain)),
        listed("dev.lists.example", "lists.example"),
        record("fine", disposition=fine, verdict=verdict("pass", "reject")),
    ]
    settings = config.parse(tomllib.loads(text))
    found = [Rejudging(settings).action(as_row(each)) for each in messages]
    assert found == actions
    judging = policy_settings(settings)
    for each, action in zip(messages, found, strict=True):
        assert each.verdict is not None
        if action != "unknown" and "trusted_networks" not in text:
            assert decide(each.verdict, judging).action.value == action


def test_what_was_not_judged_stays_so_or_is_unknown() -> None:
    own = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.TRUSTED_NETWORK())
    login = Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.AUTHENTICATED_SENDER())
    rejudging = Rejudging(config.parse({"policy": {"trusted_networks": ["198.51.100.0/24"]}}))
    assert rejudging.action(as_row(record(disposition=own, verdict=None))) == "unknown"
    assert rejudging.action(as_row(record(disposition=login, verdict=None))) == "accept"


def test_what_if_with_other_settings(
    url: DatabaseUrl, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, record("S1", mode=Mode.MONITOR, disposition=SPARED), sent_on("F1"), sent_on("F2"))
    path = tmp_path / "other.toml"
    path.write_text(
        '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\ndkim_domain = ["fwd.example"]\naction = "accept"\nreason = "x"\n'
    )
    command = ["what-if", "--days", "9999", "--journal", url, "--config", str(path)]
    assert main(command) == 1
    shown = capsys.readouterr().out
    assert "3 messages were judged" in shown
    assert "accepted, would be refused: 1\n  From      example.com (1)\n  examples  S1\n" in shown
    assert main([*command, "--json"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["done"], each["would_be"]): each["messages"] for each in found} == {
        ("accept", "reject"): 1,
        ("accept", "accept"): 2,
    }


def test_what_if_for_people(
    url: DatabaseUrl, engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))
    chain, forwarded = sealed_by("seal.example", who_saw=0), sent_on("F1")
    assert forwarded.verdict is not None
    fill(
        engine,
        record("R1", disposition=REFUSED),
        replace(forwarded, verdict=replace(forwarded.verdict, arc=chain)),
    )
    assert main(["what-if", "--days", "9999", "--journal", url]) == 1
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines() if "=" not in line)
    text = " ".join(shown.split())
    assert "Mode monitor let all in; enforce would have refused 1 of 1. Mode enforce refused 1 of 1." in text
    assert "example.com, authenticated as nobody: 1 reject" in text
    assert "example.com, authenticated as fwd.example (DKIM): 1 reject" in text
    assert "seal.example saw dmarc=pass (1)" in text
    assert 'trusted_sealers = ["seal.example"]' in shown
    assert shown.count("[[override]]") == 1
    assert "\n\nexample.com, " in shown, "each group is a block of its own"


def test_the_page_about_what_if_shows_what_is_printed(
    url: DatabaseUrl, engine: Engine, utc: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docs/what-if.md`: a forwarder, a list, a spoofer and somebody who proves to be himself, in somebody's name."""
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))
    elsewhere = replace(ENVELOPE, client_address=bytes([203, 0, 113, 66]))
    crook = verdict("fail", "reject", signatures=(SignatureResult(DkimResult.PASS, None, "crook.example"),))
    forwarded, chain = sent_on("x"), sealed_by("fwd.example", who_saw=0)
    assert forwarded.verdict is not None
    sealed = replace(forwarded.verdict, arc=chain)
    fill(
        engine,
        *(sent_on(f"4Xq{number}", verdict=sealed, time=NOW + 60 * number) for number in range(4)),
        *(record(f"4Xs{number}", mode=Mode.MONITOR, disposition=SPARED, envelope=elsewhere) for number in range(2)),
        replace(listed("dev.lists.example", "lists.example"), queue_id="4Xm1"),
        record("4Xc1", mode=Mode.MONITOR, disposition=SPARED, verdict=crook, envelope=elsewhere),
    )
    assert main(["what-if", "--days", "9999", "--journal", url]) == 1
    said = capsys.readouterr().out.replace("In 9999 days", "In 7 days")
    page = (Path(__file__).parents[2] / "docs/what-if.md").read_text("utf-8")
    example = "    $ dmarc-milter what-if\n" + "".join(f"    {line}".rstrip() + "\n" for line in said.splitlines())
    assert example in page, example


def listed(list_id: str, spf_domain: str | None, has_address: bool = True, **more: Any) -> MessageRecord:
    """Mail of a list, in mode monitor."""
    result = SpfResult.PASS if spf_domain else SpfResult.FAIL
    spf = SpfFinding(
        Check(result, SpfReason.TERM_MATCHED(term="all", domain="a.example")), SpfIdentity.MAIL_FROM, spf_domain
    )
    found = verdict("fail", "reject", spf=spf, mailing_list=MailingList(list_id, has_address), **more)
    return record("L", mode=Mode.MONITOR, disposition=SPARED, verdict=found)


ACCEPTED = Disposition(Action.ACCEPT, Action.ACCEPT, FAILS, OverrideType.MAILING_LIST)


def test_the_lists_of_what_if(engine: Engine) -> None:
    signed = (
        SignatureResult(DkimResult.PASS, None, "esp.example"),
        SignatureResult(DkimResult.FAIL, None, "broken.example"),
    )
    fill(
        engine,
        listed("dev.lists.example", "lists.example"),
        listed("dev.lists.example", "lists.example", signatures=signed),
        listed("dev.lists.example", None, signatures=signed),
        listed("news.shop.example", "esp.example"),
        listed("unproven.example", None),
        listed("no-address.example", "no-address.example", has_address=False),
        record("enforced", verdict=verdict("fail", "reject", mailing_list=MailingList("x.example", True))),
        replace(listed("spared.example", "spared.example"), disposition=ACCEPTED),
    )
    all_of_it, found, _ = refused(engine, ALWAYS)
    assert all_of_it.messages == 7, "not the one that is accepted"
    assert [(each.list_id, each.messages, each.authenticated_as) for each in found] == [
        ("dev.lists.example", 3, "lists.example"),
        ("news.shop.example", 1, "esp.example"),
        ("spared.example", 1, "spared.example"),
        ("unproven.example", 1, None),
        ("x.example", 1, None),
    ]
    assert found[0].authenticated == {"lists.example": 2, "esp.example": 2}
    assert (found[0].wanted, found[0].authors) == ({"reject": 3}, {"example.com": 3})


SETTINGS_OF_LISTS = {
    # trusted already     the line
    (): 'trusted_lists = ["esp.example", "lists.example"]',
    ("lists.example",): 'trusted_lists = ["lists.example", "esp.example"]',
    (".example",): None,
    ("*",): 'trusted_lists = ["esp.example", "lists.example"]',
}


@pytest.mark.parametrize(("trusted", "line"), SETTINGS_OF_LISTS.items())
def test_the_lists_of_what_if_as_a_setting(engine: Engine, trusted: tuple[str, ...], line: str | None) -> None:
    fill(engine, listed("dev.lists.example", "lists.example"), listed("a.shop.example", "esp.example"))
    found = refused(engine, ALWAYS).lists
    patterns = [pattern for pattern in map(list_pattern, trusted) if pattern]
    assert setting(found, patterns) == line
    if line is not None:
        read = trusted_lists(config.parse(tomllib.loads(f"[policy.indirect]\n{line}")))
        assert all(each.is_trusted(read) for each in found)


def test_whoever_writes_list_ids_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of_lists, "MAX_LISTS", 3)
    monkeypatch.setattr(module_of_lists, "MAX_NAMES", 5)
    rows = [as_row(listed(f"l{number % 7}.example", f"d{number}.example")) for number in range(100)]
    _, found = what_if(rows)
    assert len(found) == 3
    assert all(len(each.authenticated) == 5 for each in found)


def test_what_if_tells_about_lists(
    url: DatabaseUrl,
    engine: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(engine, listed("dev.lists.example", "lists.example"), listed("a.shop.example", "esp.example"))
    path = tmp_path / "filter.toml"
    path.write_text('[policy.indirect]\ntrusted_lists = ["lists.example"]\n')
    monkeypatch.setattr(config, "DEFAULT_PATH", path)
    command = ["what-if", "--days", "9999", "--journal", url]
    assert main(command) == 1
    shown = capsys.readouterr().out
    assert "a.shop.example: 1 reject; not trusted\n  authenticated as: esp.example\n" in shown
    assert "dev.lists.example: 1 reject; trusted\n" in shown
    assert "only the lists that your own users subscribe to" in " ".join(shown.split())
    assert shown.endswith('\n\ntrusted_lists = ["lists.example", "esp.example"]\n')
    assert main([*command, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lists = {each["list_id"]: each["trusted"] for each in lines if "list_id" in each}
    assert lists == {"dev.lists.example": True, "a.shop.example": False}


def test_the_rules_of_what_if_are_settings(engine: Engine) -> None:
    fill(engine, sent_on("F"))
    (group,) = refused(engine, ALWAYS).refused.groups
    assert group.rule is not None
    assert config.parse(tomllib.loads(group.rule)).override[0].action == "accept"


def test_networks() -> None:
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of(None) == "local"


def many(engine: Engine) -> None:
    """Mail of three lists, in three names; the more of it, the later the name."""
    number = 0
    for count, name in enumerate(("a.example", "b.example", "c.example"), 1):
        for _ in range(count):
            number += 1
            each = listed(f"dev.{name}", f"bounces.{name}")
            assert each.verdict is not None
            author = replace(each.verdict, author=Author(f"from-{name}"))
            fill_one(engine, replace(each, queue_id=f"N{number}", verdict=author), number)


def fill_one(engine: Engine, found: MessageRecord, number: int) -> None:
    insert(f"sqlite:///{engine.url.database}", [as_row(found, f"n{number}")])


def test_the_largest_are_shown_and_how_many_there_are(
    url: DatabaseUrl, engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))
    many(engine)
    chain = sealed_by("a.example", "b.example", who_saw=0)
    fill_one(
        engine, record("S", mode=Mode.MONITOR, disposition=SPARED, verdict=verdict("fail", "reject", arc=chain)), 0
    )
    command = ["what-if", "--days", "9999", "--journal", url]
    assert main([*command, "--limit", "1"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "1 groups are shown, the largest. 4 messages more are in smaller ones: --limit N shows more" in text
    assert "1 lists are shown, those with the most messages, of 3." in text
    assert "dev.c.example: 3 reject; not trusted" in text
    assert "dev.b.example" not in text
    assert "1 sealers are shown, those that would spare most, of 2." in text
    assert main(command) == 1
    text = capsys.readouterr().out
    assert "dev.b.example: 2 reject; not trusted" in text
    assert " shown" not in text


def test_sealers_that_are_trusted_and_of_no_use(
    url: DatabaseUrl,
    engine: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "filter.toml").write_text('[policy.indirect]\ntrusted_sealers = ["idle.example"]\n')
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "filter.toml")
    fill(engine, record("R1", disposition=REFUSED))
    command = ["what-if", "--days", "9999", "--journal", url]
    assert main(command) == 1
    assert "idle.example: trusted, and it spared nothing\n" in capsys.readouterr().out


def test_messages_of_groups_that_were_not_kept_are_counted(
    url: DatabaseUrl, engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/nonexistent"))
    monkeypatch.setattr(module_of_what_if, "MAX_GROUPS", 1)
    many(engine)
    assert main(["what-if", "--days", "9999", "--journal", url, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    groups = sum(sum(each["wanted"].values()) for each in lines if "wanted" in each and "list_id" not in each)
    (others,) = (each["others"] for each in lines if "others" in each)
    assert (others > 0, groups + others) == (True, 6)


def test_what_other_settings_cannot_tell_is_said(
    url: DatabaseUrl, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, record("S1", mode=Mode.MONITOR, disposition=SPARED))
    path = tmp_path / "other.toml"
    path.write_text(
        '[policy]\nmode = "enforce"\n[[override]]\nname = "r"\nrecipient_domain = ["x.example"]\naction = "accept"\nreason = "x"\n'
    )
    assert main(["what-if", "--days", "9999", "--journal", url, "--config", str(path)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "accepted, would be unknown: 1 From example.com (1) examples S1" in shown
    assert "a rule asks for recipients or names that no record has, or it was not judged" in shown


ENFORCE = {"policy": {"mode": "enforce", "unusable_from": "reject"}}


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, "reject"),
        # Records of older versions do not tell the policy in force, nor why a From was unusable.
        ({"policy": None}, "unknown"),
        ({"author_domain": None}, "unknown"),
        ({"author_domain": None, "from_code": "no-field"}, "reject"),
        ({"client": None}, "reject"),
    ],
)
def test_what_a_record_tells_is_judged(changes: dict[str, Any], action: str) -> None:
    row = as_row(record(disposition=SPARED)) | changes
    assert Rejudging(config.parse(ENFORCE)).action(row) == action


def test_whoever_makes_names_up_fills_no_memory_of_other_settings() -> None:
    rows = [as_row(record(disposition=SPARED)) | {"author_domain": f"n{number}.example"} for number in range(1_010)]
    found = rejudged([*rows, rows[0]], Rejudging(config.parse(ENFORCE)))
    (changed,) = found.values()
    assert (changed.count, len(changed.authors), changed.authors["n0.example"]) == (1_011, 1_000, 2)
