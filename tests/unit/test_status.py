"""What `dmarc-milter status` makes of what it sees: a table per thing that is looked at."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.attaching.postfix import AttachError, Configuration, Service
from dmarc_milter.cli.main import main
from dmarc_milter.cli.status.run import lines
from dmarc_milter.common.version import VERSION
from dmarc_milter.journal.overview import JournalOverview
from dmarc_milter.service import state as service_state
from dmarc_milter.service.state import Reload, ReloadOutcome, ServiceState, StateFile
from dmarc_milter.settings import config
from dmarc_milter.settings.addresses import UnixAddress
from dmarc_milter.settings.changes import digest
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import NotPermittedError
from dmarc_milter.settings.policy import PolicySection
from dmarc_milter.status import journal, look, metrics, mta, name_servers, running
from dmarc_milter.status.finding import Standing, attention, good
from dmarc_milter.status.look import Status
from dmarc_milter.status.metrics import Counts
from dmarc_milter.status.words import ago, duration, size
from dmarc_milter.testing.name_server import NameServerThread

NOW = 1_800_000_000.0
SETTINGS = Settings()
STATE = ServiceState(
    VERSION, 42, NOW - 7_200, "/etc/x.toml", "enforce", ("unix:/run/s",), digest(SETTINGS), {"ready": 1, "leaving": 1}
)
GONE = {"is_alive": False, "answers": False}
ALIVE = {"is_alive": True, "answers": True}
CHANGED = Settings(policy=PolicySection(mode="enforce"))


def reloaded(outcome: ReloadOutcome, error: str = "", changes: tuple[str, ...] = ()) -> ServiceState:
    return replace(STATE, reload=Reload(1, outcome, NOW - 300, error, changes))


@pytest.mark.parametrize(
    ("state", "settings", "seen", "needs_attention", "text"),
    [
        (None, SETTINGS, GONE, ["service"], "it does not run"),
        (None, SETTINGS, {"is_alive": False, "answers": True}, [], "was not started by systemd"),
        (STATE, SETTINGS, GONE, ["service"], "process 42, started 2 h ago, ended"),
        (STATE, SETTINGS, ALIVE, [], "process 42, up 2 h, on unix:/run/s"),
        (STATE, SETTINGS, ALIVE, [], "1 ready, 1 leaving"),
        (replace(STATE, workers={"starting": 1}), SETTINGS, ALIVE, ["workers"], "1 starting, of 1"),
        (replace(STATE, workers={}), SETTINGS, ALIVE, ["workers"], "none, of 1"),
        (replace(STATE, version="0.0.1"), SETTINGS, ALIVE, ["service"], f"version 0.0.1 runs, {VERSION} is installed"),
        (STATE, CHANGED, ALIVE, ["settings"], "the file has changed since the service read it"),
        (reloaded(ReloadOutcome.REFUSED, "no such key"), CHANGED, ALIVE, ["reload"], "refused 5 min ago: no such key"),
        (reloaded(ReloadOutcome.DONE, changes=("a: 1 -> 2",)), SETTINGS, ALIVE, [], "5 min ago: a: 1 -> 2"),
        (reloaded(ReloadOutcome.DONE), SETTINGS, ALIVE, [], "5 min ago: no setting changed"),
        (reloaded(ReloadOutcome.TAKEN), SETTINGS, ALIVE, [], "its workers are starting"),
    ],
)
def test_the_service(
    state: ServiceState | None, settings: Settings, seen: dict[str, bool], needs_attention: list[str], text: str
) -> None:
    found = list(running.findings(state, settings, NOW, **seen))
    assert [each.subject for each in found if each.standing is Standing.ATTENTION] == needs_attention
    assert any(text in each.text for each in found), found
    assert all(each.how_to_fix for each in found if each.standing is Standing.ATTENTION)


HERE = "unix:/var/spool/postfix/dmarc-milter/s"
AT = replace(SETTINGS, milter=replace(SETTINGS.milter, listen=(UnixAddress("/var/spool/postfix/dmarc-milter/s"),)))


def postfix(asked: str, **overrides: str) -> Configuration:
    values = {
        "smtpd_milters": asked, "non_smtpd_milters": "", "milter_default_action": "tempfail",
        "milter_mail_macros": "i {auth_authen}", "mynetworks": "127.0.0.0/8", "content_filter": "", "smtpd_proxy_filter": "",
        "smtpd_sasl_auth_enable": "no",
    }  # fmt: skip
    smtpd = Service("smtp", "inet", "smtpd", is_chrooted=True, overrides=overrides)
    return Configuration(
        Path("/etc/postfix"), (3, 7), "/var/spool/postfix", "postfix", values, frozenset(values), (smtpd,)
    )


@pytest.mark.parametrize(
    ("configuration", "standings", "text"),
    [
        (postfix("unix:dmarc-milter/s"), [Standing.GOOD], "while the filter is down: tempfail"),
        (postfix("{ unix:dmarc-milter/s, default_action=accept }"), [Standing.GOOD], "is down: accept"),
        (postfix(""), [Standing.ATTENTION], "does not ask the filter: smtpd_milters = (empty)"),
        (postfix("inet:127.0.0.1:8891"), [Standing.ATTENTION], "smtpd_milters = inet:127.0.0.1:8891"),
        (postfix("unix:dmarc-milter/s", smtpd_milters=""), [Standing.GOOD, Standing.ATTENTION], "overrides main.cf"),
    ],
)
def test_the_mta(configuration: Configuration, standings: list[Standing], text: str) -> None:
    found = list(mta.of_postfix(configuration, AT))
    assert [each.standing for each in found] == standings
    assert any(text in each.text for each in found)


def recent(**counts: int) -> "Counter[tuple[str | None, str]]":
    return Counter({(None if key == "unjudged" else key, "accept"): count for key, count in counts.items()})


HELD = JournalOverview(NOW - 86_400 * 20, NOW - 4, 12_000_000, recent())
CANNOT = replace(STATE, can_write_journal=False)


@pytest.mark.parametrize(
    ("found", "state", "counts", "needs_attention", "text"),
    [
        (HELD, STATE, Counts(0, 0), 0, "last record 4 s ago, oldest 20 d ago; 12 MB"),
        (HELD, STATE, None, 0, "none in the last hour"),
        (HELD, STATE, Counts(300, 0), 0, "last record 4 s ago, oldest 20 d ago; 12 MB; 300 on their way"),
        (HELD, CANNOT, Counts(300, 0), 1, "it cannot be written; 300 records wait"),
        (HELD, CANNOT, None, 1, "it cannot be written; records wait in memory"),
        (HELD, STATE, Counts(5_000, 0), 1, "5000 records wait: the database is slower than the mail"),
        (HELD, STATE, Counts(0, 7), 1, "7 records were dropped or lost since the start"),
        (replace(HELD, first=None, last=None), STATE, None, 0, "it is empty"),
        (
            replace(HELD, recent=recent(**{"pass": 11_000, "fail": 20, "permerror": 1, "unjudged": 3})),
            STATE, None, 0, "11,024 in the last hour: DMARC 11,000 pass, 20 fail, 1 error, 3 not judged; all accepted",
        ),
        (
            replace(HELD, recent=Counter({("fail", "reject"): 2, ("fail", "quarantine"): 1, ("temperror", "tempfail"): 1})),
            STATE, None, 0, "3 fail, 1 error; 2 refused, 1 quarantined, 1 deferred",
        ),
    ],
)  # fmt: skip
def test_the_journal(
    found: JournalOverview, state: ServiceState, counts: Counts | None, needs_attention: int, text: str
) -> None:
    said = list(journal.findings(found, state, counts, NOW))
    assert sum(each.standing is Standing.ATTENTION for each in said) == needs_attention
    assert any(text in each.text for each in said), said


def test_counts_are_read_as_prometheus_has_them() -> None:
    text = (
        "# TYPE dmarc_milter_journal_waiting_records gauge\ndmarc_milter_journal_waiting_records 12.0\n"
        'dmarc_milter_journal_records_total{outcome="written"} 5.0\n'
        'dmarc_milter_journal_records_total{outcome="dropped"} 2.0\ndmarc_milter_journal_records_total{outcome="lost"} 1.0\n'
        "other_metric 9\n"
    )
    assert metrics.counts(text) == Counts(12.0, 3.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (4, "4 s"), (119, "119 s"), (300, "5 min"), (7_200, "2 h"), (86_400 * 3, "3 d"), (-5, "0.0 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert ago(NOW - seconds, NOW) == f"{text} ago"


@pytest.mark.parametrize(("octets", "text"), [(975, "1 kB"), (3_400_000, "3.4 MB"), (412e6, "412 MB"), (12e9, "12 GB")])
def test_sizes(octets: float, text: str) -> None:
    assert size(octets) == text


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with nothing but a settings file: no Postfix, no service, a name server that is not there."""
    monkeypatch.setattr(mta, "Postfix", _no_postfix)
    path = tmp_path / "x.toml"
    path.write_text(
        f'[dns]\nnameservers = ["127.0.0.1:1"]\n[metrics]\nlisten = ""\n[journal]\ndatabase = "sqlite:///{tmp_path}/no"\n'
    )
    return path


def _no_postfix(folder: Path | None) -> Any:
    raise AttachError("postconf was not found: is Postfix installed?")


def test_what_needs_attention_comes_first_and_is_the_exit_status(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--config", str(alone), "--state", str(alone.with_name("state.json"))]) == 1
    title, *lines = capsys.readouterr().out.splitlines()
    assert "mode monitor" in title
    standings = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert standings[:3] == ["attention"] * 3
    assert "unknown" in standings[3:]
    assert all(len(line) <= 80 for line in lines if str(alone.parent) not in line), "but for a path that is longer"
    assert any('dns.nameservers = ["127.0.0.1:1"]' in line for line in lines)


def test_the_metrics_are_read_once(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer costs its patience once."""
    asked: list[object] = []
    monkeypatch.setattr(metrics, "read", asked.append)
    assert main(["status", "--config", str(alone), "--state", str(alone.with_name("state.json"))]) == 1
    assert asked == [None], "its address"


def test_json(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--config", str(alone), "--state", str(alone.with_name("state.json"))]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["needs_attention"] is True
    assert {each["subject"] for each in found["findings"]} == {"service", "DNS", "journal", "MTA"}
    assert found["settings"]["dns.nameservers"] == '["127.0.0.1:1"]'


def test_another_process_with_the_number_of_the_service_is_not_the_service(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of a service that was killed names a process that somebody else may be by now."""
    StateFile({"RUNTIME_DIRECTORY": str(alone.parent)}).write(replace(STATE, pid=os.getpid()))
    assert main(["status", "--json", "--config", str(alone), "--state", str(alone.with_name("state.json"))]) == 1
    (service,) = (each for each in json.loads(capsys.readouterr().out)["findings"] if each["subject"] == "service")
    assert (service["standing"], "it is gone" in service["text"]) == ("attention", True)


def test_a_settings_file_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[milter]\nlissten = 1\n")
    assert main(["status", "--config", str(path)]) == 2
    assert "lissten" in capsys.readouterr().err


def findings(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[tuple[str, str]]]:
    """Standing and text of each finding, by what it is about."""
    main(["status", "--json", "--config", str(path), "--state", str(path.with_name("state.json")), *arguments])
    found: dict[str, list[tuple[str, str]]] = {}
    for each in json.loads(capsys.readouterr().out)["findings"]:
        found.setdefault(each["subject"], []).append((each["standing"], each["text"]))
    return found


def test_a_name_server_that_answers_is_good(
    alone: Path, name_server: NameServerThread, capsys: pytest.CaptureFixture[str]
) -> None:
    there = f"127.0.0.1:{name_server.port}"
    for servers, standings in ((f'["{there}"]', ["ok"]), (f'["{there}", "127.0.0.1:1"]', ["attention", "ok"])):
        alone.write_text(f'[dns]\nnameservers = {servers}\n[metrics]\nlisten = ""\n[journal]\nenabled = false\n')
        found = findings(alone, capsys)["DNS"]
        assert sorted(standing for standing, _ in found) == standings
        (good_one,) = (text for standing, text in found if standing == "ok")
        assert good_one.startswith(there)
        assert good_one.endswith("ms) of [dns] nameservers answers")


def test_no_name_server_at_all(
    alone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.write_text('[metrics]\nlisten = ""\n[journal]\nenabled = false\n')
    monkeypatch.setattr(name_servers, "name_servers", lambda section: ())
    found = findings(alone, capsys)
    assert found["DNS"] == [("attention", "no name server is named in /etc/resolv.conf")]
    assert found["journal"][0][0] == "note"
    assert "trace, summary and what-if have no data" in found["journal"][0][1]


def test_what_only_root_may_read_is_unknown(
    alone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(service_state, "read", refuse)
    (found,) = findings(alone, capsys)["service"]
    assert found == ("unknown", f"{alone.with_name('state.json')}: Permission denied; run this with sudo")


def test_built_in_settings_where_the_usual_file_may_not_be_read(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path | None) -> Any:
        raise NotPermittedError("/etc/x.toml: Permission denied; run this with sudo")

    monkeypatch.setattr(config, "load_file", refuse)
    monkeypatch.setattr(name_servers, "name_servers", lambda section: ())
    seen = look.look(None, alone.with_name("state.json"))
    assert (seen.config, seen.mode) == ("built-in settings", "monitor")
    (about,) = (each for each in seen.findings if each.subject == "settings")
    assert about.standing is Standing.UNKNOWN
    # A file that was named is another matter.
    with pytest.raises(NotPermittedError):
        look.look(alone, alone.with_name("state.json"))


def test_an_address_that_postfix_cannot_reach() -> None:
    outside = replace(SETTINGS, milter=replace(SETTINGS.milter, listen=(UnixAddress("/run/s"),)))
    (found,) = mta.of_postfix(postfix("unix:dmarc-milter/s"), outside)
    assert found.standing is Standing.ATTENTION
    assert "cannot reach /run/s" in found.text


def test_settings_are_named_where_there_are_any() -> None:
    assert "settings that are not the default" in "\n".join(lines(SHOWN, 80, coloured=False))
    assert "settings" not in "\n".join(lines(replace(SHOWN, settings=(), findings=()), 80, coloured=False))


SHOWN = Status(
    NOW,
    VERSION,
    "enforce",
    replace(STATE, addresses=(HERE,), started=NOW - 86_400 * 12),
    "/etc/dmarc-milter/dmarc-milter.toml",
    (("policy.mode", '"enforce"'), ("milter.workers", "2")),
    (
        attention("DNS", "192.0.2.53 does not answer: no answer", "look at /etc/resolv.conf, and at that server"),
        attention("reload", "refused 2 h ago: policy.mood is unknown", "correct the settings, then: systemctl reload dmarc-milter"),
        good("service", f"process 42, up 12 d, on {HERE}"),
        good("workers", "2 ready"),
        good("MTA", "Postfix asks at unix:dmarc-milter/s; while the filter is down: accept"),
        good("DNS", "192.0.2.54 (2 ms) of /etc/resolv.conf answers"),
        good("journal", "last record 0.4 s ago, oldest 30 d ago; 412 MB"),
        good("mail", "12,804 in the last hour: DMARC 11,020 pass, 1,122 none, 641 fail, 21 error; 9 refused, 88 quarantined"),
    ),
)  # fmt: skip


def test_the_page_shows_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "mx1")
    monkeypatch.setattr("time.time", lambda: NOW)
    page = (Path(__file__).parents[2] / "docs/status.md").read_text("utf-8")
    said = "".join(f"    {line}\n" for line in lines(SHOWN, 80, coloured=False))
    assert f"    $ dmarc-milter status\n{said}" in page
