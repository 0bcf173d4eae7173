"""Health beside the real filter: what an operator sees while it works, and when something of it has failed.

The page and `dmarc-milter status` say the same.
"""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.console.pages import health
from dmarc_milter.console.settings import ConsoleSection
from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.service.state import NAME
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.console import ask, console
from tests.support.examples import play
from tests.support.running import RunningFilter, settings
from tests.support.waiting import free_port, wait_for
from tests.system.servers import need

pytestmark = pytest.mark.system

POSTFIX = (
    "compatibility_level = 3.6\nmynetworks = 127.0.0.1\nsmtpd_milters = {socket}\nmilter_default_action = accept\n"
)
MORE = """
[policy.indirect]
trusted_sealers = ["fwd.example"]
[metrics]
listen = "127.0.0.1:{port}"
[journal]
database = "sqlite:///{folder}/journal.sqlite"
"""
Findings = dict[str, tuple[str, str]]
"""Where each subject stands, and what is said of it; of several, the worst."""


class Watched(NamedTuple):
    """A filter, its name server, and what looks at them."""

    filter: RunningFilter
    server: NameServerThread
    state: Path

    def recorded(self) -> int:
        """How many messages are in the journal."""
        return len(json.loads(ask(console(self.filter.journal), "/messages.json").text))

    def page(self) -> tuple[str, Findings]:
        """The verdict, and the table."""
        section = ConsoleSection(filter_settings=str(self.filter.config))
        # One of its own: a page is kept for some seconds.
        text = ask(console(self.filter.journal, section), "/health").text
        (verdict,) = re.findall(r'<section class="verdict \w+"><h2>([^<]+)</h2>', text)
        rows = re.findall(
            r'<th scope="row"[^>]*>([^<]+)</th><td[^>]*><span class="stand s-\w+">(\w+)</span></td>'
            r"<td[^>]*>(.*?)</td>",
            text,
        )
        assert rows
        found: Findings = {}
        for subject, stands, said in rows:
            found.setdefault(subject, (stands, unescape(re.sub(r"<[^>]+>", "", said))))
        return verdict, found


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    need(shutil.which("postconf"), "postfix")
    socket, state = f"unix:{tmp_path}/socket", tmp_path / NAME
    postfix = tmp_path / "postfix"
    postfix.mkdir()
    (postfix / "main.cf").write_text(POSTFIX.format(socket=socket))
    (postfix / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    monkeypatch.setenv("MAIL_CONFIG", str(postfix))
    monkeypatch.setattr(health, "default_path", lambda _environment: state)
    environment = {**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)}
    with NameServerThread(ZoneResolver.from_text(zone_text())) as server:
        more = MORE.format(port=free_port(), folder=tmp_path)
        patient = settings(server, more).replace("[dns]", "[dns]\ntimeout = 0.3\ndeadline = 2.0")
        running = RunningFilter(tmp_path, socket, patient, environment)
        wait_for(lambda: '"ready": 2' in state.read_text(), "both workers")
        yield Watched(running, server, state)
        running.stop()


def say_the_same(watched: Watched, verdict: str, capsys: pytest.CaptureFixture[str]) -> Findings:
    """What both say of each subject; times and sizes go on meanwhile."""
    shown, found = watched.page()
    needs_attention = verdict == "Needs attention"
    command = ["status", "--json", "--config", str(watched.filter.config), "--state", str(watched.state)]
    assert main(command) == (1 if needs_attention else 0)
    told = json.loads(capsys.readouterr().out)
    assert (shown, told["needs_attention"]) == (verdict, needs_attention)
    by_command: Findings = {}
    for each in told["findings"]:
        fix = f". To fix: {each['how_to_fix']}" if each["how_to_fix"] else ""
        by_command.setdefault(each["subject"], (each["standing"], each["text"] + fix))
    assert {name: (stands, _timeless(said)) for name, (stands, said) in found.items()} == {
        name: (stands, _timeless(said)) for name, (stands, said) in by_command.items()
    }
    return found


def _timeless(said: str) -> str:
    return re.sub(r"; [0-9]+ on their way", "", re.sub(r"[0-9.]+ (ms|s|min|kB|MB)\b", "some", said))


def test_it_works(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    empty = say_the_same(watched, "Works", capsys)
    assert empty["journal"][0] == "note"
    for scene in EXAMPLES:
        play(watched.filter, scene)
    wait_for(lambda: watched.recorded() == len(EXAMPLES), "all of it in the journal")
    found = say_the_same(watched, "Works", capsys)
    assert {stands for stands, _ in found.values()} == {"ok"}
    assert found["mail"][1] == "8 in the last hour: DMARC 3 pass, 1 none, 3 fail, 1 error; 3 refused, 1 quarantined"
    assert found["workers"][1] == "2 ready"
    assert found["MTA"][1] == f"Postfix asks at {watched.filter.address}; while the filter is down: accept"
    assert f"{watched.server.address} (" in found["DNS"][1]
    assert found["journal"][1].startswith("last record ")


def test_the_dns_is_gone(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.server.disturb = lambda _question, _octets: None
    play(watched.filter, EXAMPLES[0])
    wait_for(lambda: watched.recorded() == 1, "the message that could not be judged")
    found = say_the_same(watched, "Needs attention", capsys)
    assert found["mail"][1].startswith("1 in the last hour: DMARC 1 error; ")
    stands, said = found["DNS"]
    assert stands == "attention"
    assert said.startswith(f"{watched.server.address} does not answer: ")
    assert said.endswith("To fix: look at [dns] nameservers, and at that server")
    assert found["service"][0] == "ok", "what works is told, too"
    watched.server.disturb = None
    say_the_same(watched, "Works", capsys)


def test_it_is_stopped(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.filter.stop()
    found = say_the_same(watched, "Needs attention", capsys)
    assert found["service"][1].startswith("it does not run. To fix: systemctl start dmarc-milter")


def test_it_is_killed(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    pid = watched.filter.process.pid
    watched.filter.stop(signal.SIGKILL)
    found = say_the_same(watched, "Needs attention", capsys)
    assert found["service"][0] == "attention"
    assert f"it is gone: process {pid}, started " in found["service"][1]


def test_its_settings_are_not_those_of_the_file(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    config = watched.filter.config
    config.write_text(config.read_text().replace('mode = "enforce"', 'mode = "monitor"'))
    found = say_the_same(watched, "Needs attention", capsys)
    assert found["settings"][1].startswith("the file has changed since the service read it. To fix: systemctl reload")
    config.write_text(config.read_text().replace('mode = "monitor"', 'mode = "enfroce"'))
    watched.filter.process.send_signal(signal.SIGHUP)
    wait_for(lambda: '"refused"' in watched.state.read_text(), "the refusal")
    config.write_text(config.read_text().replace('mode = "enfroce"', 'mode = "enforce"'))
    found = say_the_same(watched, "Needs attention", capsys)
    assert "refused" in found["reload"][1]
    assert "policy.mode" in found["reload"][1]
    assert "settings" not in found, "those of the file are those that are in force"


def test_the_mta_asks_somewhere_else(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    Path(os.environ["MAIL_CONFIG"], "main.cf").write_text(POSTFIX.format(socket="inet:localhost:8891"))
    found = say_the_same(watched, "Needs attention", capsys)
    assert found["MTA"][1].startswith("Postfix does not ask the filter: smtpd_milters = inet:localhost:8891. To fix: ")
