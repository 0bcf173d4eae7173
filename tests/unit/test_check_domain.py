"""`dmarc-milter check --domain`: what a domain publishes, and what is wrong with it."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.dns.answer import Answer, OnAnswer, Question
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.explaining.domain import look_into
from tests.support.keys import rsa_key

_, KEY = rsa_key()
ZONE = f"""$TTL 300
good.test. IN TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.good.test. IN TXT "v=DMARC1; p=reject; sp=quarantine; np=reject; rua=mailto:a@good.test,mailto:r@far.example; ruf=mailto:f@far.example"
good.test._report._dmarc.far.example. IN TXT "v=DMARC1; rua=mailto:in@far.example"
s._domainkey.good.test. IN TXT "{KEY}"
www.good.test. IN A 192.0.2.1
two.test. IN TXT "v=spf1 -all"
two.test. IN TXT "v=spf1 ~all"
_dmarc.two.test. IN TXT "v=DMARC1; p=none; rua=mailto:a@two.test"
_dmarc.two.test. IN TXT "v=DMARC1; p=reject"
none.test. IN A 192.0.2.1
loop.test. IN TXT "v=spf1 include:loop2.test -all"
loop2.test. IN TXT "v=spf1 include:loop.test -all"
meant.test. IN TXT "v=spf1 -all"
_dmarc.meant.test. IN TXT "v=dmarc1; p=reject"
lost.test. IN TXT "v=spf1 -all"
; failing: _dmarc.lost.test
; failing: lost2.test
mild.test. IN TXT "v=spf1 ip4:192.0.2.1"
_dmarc.mild.test. IN TXT "v=DMARC1; p=none"
empty.test. IN TXT "v=spf1 -all"
_dmarc.empty.test. IN TXT "v=DMARC1; p=refuse"
lost3.above. IN TXT "v=spf1 -all"
; failing: _dmarc.above
_dmarc.lost3.above. IN TXT "v=DMARC1; p=none; rua=mailto:a@lost3.above"
_dmarc.lost2.test. IN TXT "v=DMARC1; p=reject; rua=mailto:a@lost2.test"
wrong.test. IN TXT "v=spf1 +all"
_dmarc.wrong.test. IN TXT "v=DMARC1; p=reject; pct=5; t=y; rua=https://x.example/,mailto:a@wide.example,mailto:a@mute.example,mailto:a@dead.example"
wrong.test._report._dmarc.wide.example. IN TXT "v=DMARC1; rua=mailto:victim@near.example"
; failing: wrong.test._report._dmarc.dead.example
; failing: dead._domainkey.good.test
revoked._domainkey.good.test. IN TXT "v=DKIM1; p="
_dmarc.suffix. IN TXT "v=DMARC1; p=none; psd=y; rua=mailto:a@suffix; ruf=mailto:f@far.example"
suffix. IN TXT "v=spf1 ?all"
deep.good.test. IN TXT "v=spf1 -all"
_dmarc.deep.good.test. IN TXT "v=DMARC1; p=none; psd=n; rua=mailto:a@good.test"
long.test. IN TXT "v=spf1 a:a.long.test a:b.long.test a:c.long.test -all"
_dmarc.long.test. IN TXT "v=DMARC1; p=reject; rua=mailto:a@long.test"
"""


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "check.md").read_text("utf-8")


def keys(found: Any) -> Iterator[str]:
    """All keys, however deep; those of `tags` are DMARC's own."""
    if isinstance(found, list):
        for each in found:
            yield from keys(each)
    elif isinstance(found, dict):
        for key, value in found.items():
            yield key
            if key != "tags":
                yield from keys(value)


class Asked:
    """What the command told, both ways."""

    def __init__(self, status: int, text: str, found: dict[str, Any]) -> None:
        self.status, self.text, self.found = status, text, found
        self.words = " ".join(text.replace("│", " ").split())
        self.faults = [each["code"] for each in found["faults"]]
        self.failures = [each["code"] for each in found["failures"]]
        self.doubts = [each["code"] for each in found["doubts"]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("zone").write_text(ZONE)

    def run(domain: str, *selectors: str) -> Asked:
        options = ["check", "--domain", domain, "--zone", "zone"]
        options += [option for each in selectors for option in ("--selector", each)]
        status = main(options)
        text = capsys.readouterr().out
        assert main([*options, "--json"]) == status
        return Asked(status, text, json.loads(capsys.readouterr().out))

    return run


CASES: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    # domain and selectors: faults, failures, doubts
    "nothing wrong": (["good.test"], [], [], []),
    "two records": (["two.test"], ["several-spf-records", "several-dmarc-records"], [], []),
    "none": (["none.test"], ["no-spf-record", "no-dmarc-record"], [], []),
    "no such domain": (["nowhere.example"], ["no-such-domain"], [], []),
    "a circle": (["loop.test"], ["spf-loop", "no-dmarc-record"], [], []),
    "meant to be one": (["meant.test"], ["no-dmarc-version", "no-dmarc-record"], [], []),
    "DMARC's DNS fails": (["lost.test"], [], ["dmarc-dns-failed"], []),
    "SPF's DNS fails": (["lost2.test"], [], ["spf-dns-failed"], []),
    "DNS above it fails": (["lost3.above"], [], ["organizational-domain-unknown"], []),
    "all kinds of wrong": (
        ["wrong.test"],
        [
            "spf-lets-anybody-send",
            "historic-tag",
            "report-address-unusable",
            "report-to-other-host",
            "report-not-authorized",
        ],
        ["report-dns-failed"],
        ["testing"],
    ),
    "no key": (["good.test", "no"], ["no-key"], [], []),
    "keys of all kinds": (
        ["good.test", "s", "revoked", "dead"],
        ["unusable-key"],
        ["key-dns-failed"],
        ["short-key"],
    ),
    "a public suffix": (["suffix"], ["no-spf-record"], [], ["failure-reports-of-suffix"]),
    "no opinion": (["mild.test"], [], [], ["spf-no-opinion", "no-reports"]),
    "no policy": (["empty.test"], ["no-valid-policy", "invalid-policy"], [], ["no-reports"]),
    "an organization below another": (["deep.good.test"], ["report-not-authorized"], [], []),
    "names that are not there": (["long.test"], ["unusable-spf-record"], [], []),
}


@pytest.mark.parametrize(("asked", "faults", "failures", "doubts"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong(ask, asked: list[str], faults: list[str], failures: list[str], doubts: list[str]) -> None:  # type: ignore[no-untyped-def]
    told = ask(*asked)
    assert (told.faults, told.failures, told.doubts) == (faults, failures, doubts)
    assert told.status == (1 if faults or failures else 0)
    assert max(map(len, told.text.splitlines())) <= 80
    for each in (*told.found["faults"], *told.found["failures"], *told.found["doubts"]):
        assert each["text"] in told.words


@pytest.mark.parametrize(
    ("domain", "verdict"),
    [
        ("good.test", "nothing is wrong"),
        ("long.test", "1 thing is wrong"),
        ("two.test", "2 things are wrong"),
        ("lost.test", "the DNS failed, so nobody can say"),
        ("wrong.test", "5 things are wrong, and the DNS failed"),
    ],
)
def test_the_verdict_comes_first(ask, domain: str, verdict: str) -> None:  # type: ignore[no-untyped-def]
    assert ask(domain).text.startswith(f"{domain}: {verdict}\n")


def test_a_domain_without_faults(ask) -> None:  # type: ignore[no-untyped-def]
    zone = Path("zone").read_text()
    Path("zone").write_text(
        zone + 'good.test._report._dmarc.far.example. IN TXT "v=DMARC1; ruf=mailto:f@far.example"\n'
    )
    told = ask("good.test")
    assert (told.status, told.faults, told.doubts) == (0, [], [])
    dmarc = told.found["dmarc"]
    assert [(each["uri"], each["consent"], each["send_to"]) for each in dmarc["rua"]] == [
        ("mailto:a@good.test", "internal", ["a@good.test"]),
        ("mailto:r@far.example", "authorized", ["in@far.example"]),
    ]
    assert [each["send_to"] for each in dmarc["ruf"]] == [["f@far.example"]]
    assert dmarc["rua"][1]["authorized_at"] == "good.test._report._dmarc.far.example"
    assert "they are sent to in@far.example" in told.words
    assert "record at good.test._report._dmarc.far.example: v=DMARC1; rua=mailto:in@far.example" in told.words


def test_the_raw_records(ask) -> None:  # type: ignore[no-untyped-def]
    two = ask("two.test")
    assert two.found["spf"]["records"] == ["v=spf1 -all", "v=spf1 ~all"]
    assert [len(each["records"]) for each in two.found["dmarc"]["asked"]] == [2, 0]
    assert "_dmarc.two.test, which does not count beside another: v=DMARC1; p=reject" in two.words
    assert "DMARC: 2 records, which count as none" in two.words
    assert "record at _dmarc.good.test: v=DMARC1; p=reject; sp=quarantine; np=reject" in ask("good.test").words


def test_a_circle_is_shown_once(ask) -> None:  # type: ignore[no-untyped-def]
    told = ask("loop.test")
    assert told.found["spf"]["loop"] == ["loop.test", "loop2.test", "loop.test"]
    assert [(each["depth"], each["term"]) for each in told.found["spf"]["terms"]] == [
        (0, "include:loop2.test"),
        (1, "include:loop.test"),
    ]
    assert told.text.count("record of loop.test") == 1
    assert "loop.test leads to loop2.test, which leads to loop.test" in told.words


@pytest.mark.parametrize(
    ("domain", "tag", "policy", "exists"),
    [
        ("good.test", "p", "reject", True),
        ("www.good.test", "sp", "quarantine", True),
        ("not.good.test", "np", "reject", False),
        ("none.test", None, None, True),
    ],
)
def test_which_policy_applies(ask, domain: str, tag: str | None, policy: str | None, exists: bool) -> None:  # type: ignore[no-untyped-def]
    found = ask(domain).found
    assert (found["dmarc"]["policy_tag"], found["dmarc"]["policy"], found["exists"]) == (tag, policy, exists)


def test_what_the_dns_does_not_tell(ask) -> None:  # type: ignore[no-untyped-def]
    told = ask("lost.test")
    assert "_dmarc.lost.test: the DNS failed (SERVFAIL)" in told.words
    assert told.found["dmarc"]["organizational_domain"] is None
    assert told.found["dmarc"]["failure"] == "TXT of _dmarc.lost.test: SERVFAIL"
    assert ask("lost2.test").found["exists"] is None
    assert "_dmarc.test: no record (NXDOMAIN)" not in told.words


def test_keys_have_bits_and_a_digest(ask) -> None:  # type: ignore[no-untyped-def]
    told = ask("good.test", "s")
    (key,) = told.found["dkim"][0]["keys"]
    assert (key["type"], key["bits"], len(key["sha256"])) == ("rsa", 1024, 64)
    assert f"rsa, 1024 bits, SHA-256 {key['sha256'][:16]}" in told.words
    assert "p=MI" not in told.text


KEYS = {
    "schema domain exists faults failures doubts spf dmarc dkim code text",
    "outcome records others_get code reason lookups void_lookups loop terms depth domain term target",
    "asked name organizational_domain policy_domain policy policy_tag failure tags rua ruf",
    "uri host consent send_to authorized_at authorizing_records",
    "selector keys type bits sha256 is_test error",
}
"""Public: one that goes, or means something else, makes the next version."""


def test_keys_are_stable_and_documented(ask) -> None:  # type: ignore[no-untyped-def]
    found = {key for domain in ("good.test", "wrong.test") for key in keys(ask(domain, "s", "revoked").found)}
    assert found == set(" ".join(KEYS).split())
    documented = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
    assert found - documented == set()


class Eager(ZoneResolver):
    """Notes what it is asked ahead of the first wait."""

    def __init__(self) -> None:
        super().__init__({})
        self.ahead: list[Question] = []
        self.waited: list[Question] = []

    def prefetch(self, questions: Sequence[Question], then: OnAnswer | None = None) -> None:
        if not self.waited:
            self.ahead += questions

    async def resolve(self, question: Question) -> Answer[Any]:
        self.waited.append(question)
        return self.look_up(question)


def test_all_is_asked_at_once() -> None:
    """With a DNS that does not answer, each question would take its whole patience."""
    resolver = Eager()
    asyncio.run(look_into(resolver, "shop.example", ["s"], {}))
    assert set(resolver.waited) == set(resolver.ahead)
    assert len(resolver.ahead) == 4
