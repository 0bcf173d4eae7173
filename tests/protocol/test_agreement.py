"""The filter, `check` and the Python interface say the same of the same message.

Each case is given to all three: over the milter protocol to a running filter, as a file to the command, and to `evaluate`.
"""

import contextlib
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter import Envelope, Evaluated, evaluate, wording
from dmarc_milter.api import Dns
from dmarc_milter.cli.main import main
from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.explaining import zone_file
from dmarc_milter.judging.evaluation import MessageEvaluation
from dmarc_milter.message.header import split_message
from dmarc_milter.settings import config
from dmarc_milter.testing.mta import MtaResponse
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.bugs import breaking
from tests.support.conformance import FOLDER, casebook
from tests.support.running import RunningFilter

ID = "mx.example.org"
FORGETFUL = """
import sys
from dmarc_milter.cli.main import main
from dmarc_milter.dns import wire
wire.MIN_TTL = 0.0
from dmarc_milter.judging.evaluation import MessageEvaluation
from tests.support.bugs import breaking
MessageEvaluation.end_of_headers = breaking(MessageEvaluation.end_of_headers)
sys.exit(main())
"""
"""A filter that keeps no answer beyond its time to live: the next case has a zone of its own. It has a bug, too."""
BROKEN = (b"X-Broken", b" 1")


@dataclass(frozen=True)
class Case:
    """A message, who brought it for whom, and the DNS of its day."""

    name: str
    message: bytes
    zone: str
    client: str
    helo: str
    mail_from: str
    recipients: tuple[str, ...] = ("you@example.org",)
    authenticated: str | None = None
    fields: tuple[tuple[bytes, bytes], ...] = ()
    """Those of the message, where a header beyond the bounds would not be read to its end."""


class Site:
    """One filter with its settings, and a name server whose zone each case brings along."""

    def __init__(self, folder: Path, settings: str) -> None:
        self._server = NameServerThread(ZoneResolver.from_text(""), ttl=0)
        self._folder = folder
        dns = f'[dns]\nnameservers = ["{self._server.address}"]\n'
        milter, _, rest = settings.partition("[")
        text = f'authserv_id = "{ID}"\n{milter}{dns}{"[" if rest else ""}{rest}'
        self._filter = RunningFilter(folder, f"unix:{folder}/socket", text, command=(sys.executable, "-c", FORGETFUL))
        self._settings = config.parse(tomllib.loads(self._filter.config.read_text()))

    def close(self) -> None:
        assert self._filter.stop() == 0
        self._server.close()

    def filtered(self, case: Case) -> dict[str, Any]:
        """What the filter has the MTA do."""
        self._server.zone = zone_file.read(case.zone)
        header, body = split_message(case.message)
        fields = case.fields or [(each.name.encode(), each.value) for each in header]
        mta = self._filter.mta()
        mta.connect("client.invalid", case.client)
        mta.helo(case.helo)
        answer = mta.message(case.mail_from, case.recipients, fields, body, authenticated=case.authenticated)
        mta.quit()
        return _of_answer(answer)

    def evaluated(self, case: Case) -> Evaluated:
        envelope = Envelope(ip_address(case.client).packed, case.helo, case.mail_from)
        return evaluate(
            case.message,
            envelope,
            Dns(zone_file.read(case.zone)),
            self._settings,
            recipients=case.recipients,
            authenticated=case.authenticated,
        )

    def checked(self, case: Case, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """The object that `check --json` prints."""
        (self._folder / "message").write_bytes(case.message)
        (self._folder / "zone").write_text(case.zone)
        command = ["check", "--json", "--config", str(self._filter.config), "--zone", str(self._folder / "zone")]
        command += ["--ip", case.client, "--helo", case.helo, "--mail-from", f"<{case.mail_from}>"]
        for recipient in case.recipients:
            command += ["--rcpt", recipient]
        if case.authenticated is not None:
            command += ["--authenticated", case.authenticated]
        main([*command, str(self._folder / "message")])
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said


def _of_answer(answer: MtaResponse) -> dict[str, Any]:
    return {
        "action": answer.action,
        "reply": answer.reply,
        "results": answer.results.strip(),
        "deleted": sorted(answer.deleted),
        "held": answer.quarantined,
    }


def _of_outcome(found: Evaluated) -> dict[str, Any]:
    outcome = found.outcome
    action = outcome.disposition.action.value
    results = next((each.value for each in outcome.additions if each.name == "Authentication-Results"), "")
    return {
        "action": "accept" if action == "quarantine" else action,
        "reply": str(outcome.reply) if outcome.reply is not None else "",
        "results": results.replace("\r\n", "\n").strip(),
        "deleted": sorted((each.name, each.ordinal) for each in outcome.deletions),
        "held": None if outcome.hold is None else wording.text(outcome.hold),
    }


def assert_all_agree(site: Site, case: Case, capsys: pytest.CaptureFixture[str]) -> Evaluated:
    found = site.evaluated(case)
    assert site.filtered(case) == _of_outcome(found)
    said = site.checked(case, capsys)
    verdict = found.verdict
    assert {key: said[key] for key in ("action", "reply", "spf", "arc", "dmarc", "author_domain")} == {
        "action": found.disposition.action.value,
        "reply": str(found.outcome.reply) if found.outcome.reply is not None else None,
        "spf": verdict.spf.check.result.value if verdict is not None else None,
        "arc": verdict.arc.status.value if verdict is not None else None,
        "dmarc": verdict.dmarc.result.value if verdict is not None else None,
        "author_domain": verdict.dmarc.author_domain if verdict is not None else None,
    }
    return found


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Sites"]:
    made = Sites(tmp_path_factory)
    with contextlib.closing(made):
        yield made


class Sites:
    """One per settings: a filter takes half a second to start."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._open: dict[str, Site] = {}

    def of(self, settings: str) -> Site:
        if settings not in self._open:
            self._open[settings] = Site(self._folders.mktemp("site"), settings)
        return self._open[settings]

    def close(self) -> None:
        for each in self._open.values():
            each.close()


@pytest.mark.skipif(not casebook(), reason=f"no casebook.jsonl in {FOLDER}")
@pytest.mark.parametrize("judged", casebook(), ids=lambda judged: judged.name)
def test_the_casebook(judged: Any, sites: Sites, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(judged.name, judged.message, judged.zone, judged.ip, judged.helo, judged.mail_from)
    assert_all_agree(sites.of(judged.config), case, capsys)


def example(name: str, *more: tuple[bytes, bytes], **changed: Any) -> Case:
    (found,) = (each for each in EXAMPLES if each.name == name)
    fields, body = found.content
    message = b"".join(key + b":" + value + b"\r\n" for key, value in [*more, *fields]) + b"\r\n" + body
    case = {"client": found.client, "helo": found.helo, "mail_from": found.mail_from, **changed}
    return Case(name, message, zone_text(), **case, fields=(*more, *fields))


@dataclass(frozen=True)
class Setting:
    """Settings, a message, and what comes of it."""

    settings: str
    case: Case
    action: str
    is_judged: bool = True


ENFORCE = '[policy]\nmode = "enforce"\n'
RULE = (
    ENFORCE + '[[override]]\nname = "r"\nrecipient_domain = ["staff.example.org"]\naction = "{action}"\nreason = "x"\n'
)
FORGED = (b"Authentication-Results", b" mx.example.org; dmarc=pass")
OUR_RELAY = "198.51.100.200"
RELAY = ENFORCE + f'trusted_relays = ["{OUR_RELAY}"]\n'
RELAYED = (
    b"Received",
    b" from x.example (x.example [203.0.113.66])\r\n\tby relay.example (Postfix) with ESMTP id 1; x",
)
FROM_THE_BANK = (b"Received", RELAYED[1].replace(b"203.0.113.66", b"192.0.2.10"))
LARGE = [(b"X-Large", b" " + b"a" * 60_000)] * 80
SETTINGS = {
    "nothing special": Setting(ENFORCE, example("spoofed"), "reject"),
    "a trusted network": Setting(ENFORCE + 'trusted_networks = ["203.0.113.0/24"]\n', example("spoofed"), "accept", False),
    "this host, by default": Setting(ENFORCE, example("spoofed", client="127.0.0.1"), "accept", False),
    "this host, where all is judged": Setting(ENFORCE + "trusted_networks = []\n", example("spoofed", client="127.0.0.1"), "reject"),
    "who has logged in": Setting(ENFORCE, example("spoofed", authenticated="joe"), "accept", False),
    "a rule on recipients": Setting(RULE.format(action="accept"), example("spoofed", recipients=("a@staff.example.org",)), "accept"),
    "a rule on recipients that some are not": Setting(
        RULE.format(action="accept"), example("spoofed", recipients=("a@staff.example.org", "b@example.org")), "reject"
    ),
    "a rule on recipients with a source route": Setting(
        RULE.format(action="accept"), example("spoofed", recipients=("@relay.example:a@staff.example.org",)), "accept"
    ),
    "a rule that refuses": Setting(RULE.format(action="reject"), example("signed", recipients=("a@staff.example.org",)), "reject"),
    "a source route in MAIL FROM": Setting(ENFORCE, example("spoofed", mail_from="@relay.example:x@crook.example"), "reject"),
    "no sender": Setting(ENFORCE, example("spoofed", mail_from=""), "reject"),
    "forged results": Setting(ENFORCE, example("signed", FORGED), "accept"),
    "too many forged results": Setting(ENFORCE, example("signed", *[FORGED] * 101), "reject"),
    "too many forged results of own mail": Setting(ENFORCE, example("signed", *[FORGED] * 101, client="127.0.0.1"), "reject", False),
    "a header beyond its bounds": Setting(ENFORCE, example("signed", *LARGE), "reject"),
    "a header beyond its bounds in mode monitor": Setting("", example("signed", *LARGE), "reject"),
    "NUL in the body": Setting(ENFORCE, Case("nul", b"From: a@bank.example\r\n\r\n\0\0\r\n", zone_text(), "203.0.113.66", "h.example", ""), "reject"),
    "NUL in a field": Setting(ENFORCE, Case("nul", b"From: a@bank.example\r\nSubject: a\0b\r\n\r\nx\r\n", zone_text(), "203.0.113.66", "h.example", ""), "reject"),
    "NUL in From": Setting(ENFORCE, Case("nul", b"From: a@bank.example\0, b@bank.example\r\n\r\nx\r\n", zone_text(), "203.0.113.66", "h.example", ""), "reject"),
    "through a relay of ours": Setting(RELAY, example("signed", RELAYED, client=OUR_RELAY, mail_from="news@bank.example"), "accept"),
    "through a relay of ours, from elsewhere": Setting(RELAY, example("spoofed", RELAYED, client=OUR_RELAY), "reject"),
    "SPF alone, through a relay of ours": Setting(RELAY, example("spoofed", FROM_THE_BANK, client=OUR_RELAY, mail_from="news@bank.example"), "accept"),
    "a relay of ours that tells nothing": Setting(RELAY, example("spoofed", client=OUR_RELAY, mail_from="news@bank.example"), "reject"),
    "a relay of ours that cannot be read": Setting(RELAY, example("spoofed", (b"Received", b" by relay with x"), client=OUR_RELAY, mail_from="news@bank.example"), "quarantine"),
    "a relay of ours whose words may be the client's": Setting(
        RELAY, example("spoofed", (b"Received", b" from a b (x [192.0.2.1]) by relay (Postfix) with SMTP id 1"), client=OUR_RELAY, mail_from="news@bank.example"), "reject"
    ),
    "no From": Setting(ENFORCE, Case("none", b"To: a@bank.example\r\n\r\nx\r\n", zone_text(), "203.0.113.66", "h.example", ""), "reject"),
    "no From, accepted": Setting(
        ENFORCE + 'unusable_from = "accept"\n', Case("none", b"To: a@bank.example\r\n\r\nx\r\n", zone_text(), "203.0.113.66", "h.example", ""), "accept"
    ),
    "an IPv6 client": Setting(ENFORCE, example("spoofed", client="2001:db8::1"), "reject"),
    "an IPv4 client as IPv6 writes it": Setting(ENFORCE + 'trusted_networks = ["203.0.113.0/24"]\n', example("spoofed", client="::ffff:203.0.113.66"), "accept", False),
}  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_settings(setting: Setting, sites: Sites, capsys: pytest.CaptureFixture[str]) -> None:
    settings = setting.settings or '[policy]\nmode = "monitor"\n'
    if "monitor" in settings:
        # `check` says what enforce would do.
        site = sites.of(settings)
        assert site.filtered(setting.case) == _of_outcome(site.evaluated(setting.case))
        return
    found = assert_all_agree(sites.of(settings), setting.case, capsys)
    assert found.disposition.action.value == setting.action
    if not setting.is_judged:
        assert found.verdict is None


@pytest.mark.parametrize("on_error", ["tempfail", "accept", "reject"])
def test_a_bug_comes_to_the_same(
    on_error: str,
    sites: Sites,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(MessageEvaluation, "end_of_headers", breaking(MessageEvaluation.end_of_headers))
    site = sites.of(f'{ENFORCE}on_error = "{on_error}"\n')
    found = assert_all_agree(site, example("signed", BROKEN, FORGED), capsys)
    assert found.disposition.action.value == on_error
    assert "made up" in caplog.text
    if on_error == "accept":
        assert [(each.name, each.ordinal) for each in found.outcome.deletions] == [("Authentication-Results", 1)]
