"""The lines of docs/living-with, given to the programs that they are for."""

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from dmarc_milter.fields.authentication_results import field_value
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.verdict import Action, Disposition
from dmarc_milter.migrating import ucl
from dmarc_milter.settings import config
from tests.support.verdicts import verdict

pytestmark = pytest.mark.system

PAGES = Path(__file__).resolve().parents[2] / "docs" / "living-with"
MAIN_CF = "compatibility_level = 3.6\nmyhostname = mx.example.org\n"
MASTER_CF = "".join(
    f"{name} {kind} n - y - - {command}\n"
    for name, kind, command in (
        ("smtp", "inet", "smtpd"),
        ("submission", "inet", "smtpd"),
        ("submissions", "inet", "smtpd"),
        ("127.0.0.1:10025", "inet", "smtpd"),
        ("127.0.0.1:10028", "inet", "smtpd"),
    )
)


def blocks(kind: str) -> list[ParameterSet]:
    """The blocks of that kind, each with the page that it stands on."""
    form = rf"(?ms)^```{re.escape(kind)}(?: [^\n]*)?\n(.*?)^```"
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in sorted(PAGES.glob("*.md"))
        for number, text in enumerate(re.findall(form, page.read_text()), 1)
    ]


def needs(program: str) -> str:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{program} is not installed: script/setup test")
    return found


def run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def postfix(tmp_path: Path) -> Path:
    needs("postconf")
    (tmp_path / "main.cf").write_text(MAIN_CF)
    (tmp_path / "master.cf").write_text(MASTER_CF)
    return tmp_path


@pytest.mark.parametrize("text", blocks("main.cf"))
def test_main_cf(postfix: Path, text: str) -> None:
    (postfix / "main.cf").write_text(MAIN_CF + text)
    shown = run("/usr/sbin/postconf", "-c", str(postfix), "-n")
    for line in text.splitlines():
        assert line in shown


@pytest.mark.parametrize("text", blocks("master.cf"))
def test_master_cf(postfix: Path, text: str) -> None:
    (postfix / "master.cf").write_text(text)
    assert len(run("/usr/sbin/postconf", "-c", str(postfix), "-M").splitlines()) == len(text.splitlines())


@pytest.mark.parametrize("text", blocks("postconf"))
def test_postconf(postfix: Path, text: str) -> None:
    for line in text.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "postconf"
        run("/usr/sbin/postconf", "-c", str(postfix), *arguments)
        assert arguments[-1].partition("=")[0] in run("/usr/sbin/postconf", "-c", str(postfix), "-P")


@pytest.mark.parametrize("text", blocks("opendkim"))
def test_opendkim(tmp_path: Path, text: str) -> None:
    (tmp_path / "opendkim.conf").write_text(text + "Socket inet:8891@localhost\n")
    run(needs("opendkim"), "-n", "-x", str(tmp_path / "opendkim.conf"))


@pytest.mark.parametrize("text", blocks("perl"))
def test_perl(tmp_path: Path, text: str) -> None:
    (tmp_path / "50-user").write_text(text + "1;\n")
    run(needs("perl"), "-c", str(tmp_path / "50-user"))


@pytest.mark.parametrize("text", blocks("toml"))
def test_settings(text: str) -> None:
    config.parse(tomllib.loads(text))


@pytest.mark.parametrize("text", blocks("rspamd"))
def test_rspamd(text: str) -> None:
    assert ucl.parse(text).values


@pytest.mark.parametrize("text", blocks("shell"))
def test_shell(text: str) -> None:
    run("/bin/sh", "-n", text=text)


# Who reads our field


def field(action: Action) -> str:
    """As it stands in a message that the MTA delivered."""
    disposition = Disposition(action, Action.QUARANTINE, PolicyReason.ERROR())
    return f"Authentication-Results: {field_value('mx.example.org', verdict('fail', 'reject'), disposition)}"


@pytest.mark.parametrize("text", blocks("milter_header_checks"))
def test_a_copy_of_what_was_quarantined(tmp_path: Path, text: str) -> None:
    needs("postmap")
    (tmp_path / "checks").write_text(text)
    for action, found in ((Action.QUARANTINE, "BCC dmarc-failures@example.org\n"), (Action.ACCEPT, "")):
        done = subprocess.run(
            ["/usr/sbin/postmap", "-q", field(action), f"regexp:{tmp_path}/checks"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == found


MAIL_IN_A_BOX = r"""
header MIAB_FAIL_REJECT Authentication-Results =~ /mx\.example\.org; dmarc=fail \(p=reject/
score MIAB_FAIL_REJECT 10
"""


@pytest.mark.parametrize("text", blocks("spamassassin"))
def test_spamassassin(tmp_path: Path, text: str) -> None:
    """AuthRes takes the field, and the rules find what they look for; so do those that were made for OpenDMARC."""
    program = needs("spamassassin")
    rules = tmp_path / "rules"
    rules.mkdir()
    hits = "header AUTHRES_DMARC eval:check_authres_result('dmarc', 'fail')\nscore AUTHRES_DMARC 1\n"
    hits += "report_safe 0\nadd_header all Hits _TESTS_\n"
    (rules / "init.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::Check\nutil_rb_tld example org\n")
    (rules / "local.cf").write_text(text + MAIL_IN_A_BOX + hits)
    command = [program, "-L", "-x", "-C", str(rules), "--siteconfigpath", str(rules)]
    for action, quarantined in ((Action.QUARANTINE, True), (Action.ACCEPT, False)):
        message = f"{field(action)}\nFrom: a@example.com\nSubject: x\n\nx\n"
        told = run(*command, text=message)
        (hit,) = re.findall(r"(?m)^X-Spam-Hits: ((?:.*\n[ \t])*.*)", told)
        found = set(re.findall(r"[A-Z_]+", hit))
        assert {"DMARC_FAIL_REJECT", "MIAB_FAIL_REJECT", "AUTHRES_DMARC"} <= found, told
        assert ("DMARC_QUARANTINED" in found) is quarantined, told
