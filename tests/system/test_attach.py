"""attach and detach on a Postfix configuration of the tests' own, through its own postconf."""

import shutil
import stat
from pathlib import Path

import pytest

from dmarc_milter.cli.attach import split
from dmarc_milter.cli.main import main
from tests.system.servers import need

pytestmark = pytest.mark.system

MAIN = """\
# A comment that stays
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mx.example.org
"""
MASTER = "smtp inet n - {chroot} - - smtpd\ncleanup unix n - n - 0 cleanup\n"
OURS = "inet:127.0.0.1:8893"


class Site:
    """A folder with main.cf and master.cf, and the command on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.write("")

    def write(self, more: str, chroot: str = "n") -> None:
        (self.folder / "main.cf").write_text(MAIN + more)
        (self.folder / "master.cf").write_text(MASTER.format(chroot=chroot))

    @property
    def main_cf(self) -> str:
        return (self.folder / "main.cf").read_text()

    def run(self, *arguments: str, listen: str = "inet:8893@127.0.0.1") -> tuple[int, str, str]:
        (self.folder / "filter.toml").write_text(f'[milter]\nlisten = "{listen}"\n')
        command = [*arguments, "--config", str(self.folder / "filter.toml"), "--postfix-config", str(self.folder)]
        status = main([*command, "--no-reload"])
        told = self._capsys.readouterr()
        return status, told.out, told.err


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    need(shutil.which("postconf", path="/usr/sbin"), "postfix")
    return Site(tmp_path, capsys)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "smtpd_milters = inet:127.0.0.1:1, { unix:/run/x, default_action=accept }\n",
        "smtpd_milters =\n    inet:127.0.0.1:1,\n    inet:127.0.0.1:2\nmilter_default_action = tempfail\n# the end\n",
    ],
    ids=["none", "one with braces", "several lines"],
)
def test_there_and_back_to_the_letter(site: Site, more: str) -> None:
    site.write(more)
    before = site.main_cf
    status, out, _ = site.run("attach", "postfix", "--yes")
    assert status == 0
    assert f"+ smtpd_milters = {', '.join([*split(more.partition('=')[2].partition('milter_d')[0]), OURS])}" in out
    assert "# A comment that stays" in site.main_cf
    attached = site.main_cf
    status, out, _ = site.run("attach", "postfix", "--yes")
    assert (status, "already attached" in out, site.main_cf) == (0, True, attached)
    assert site.run("detach", "postfix", "--yes")[0] == 0
    assert site.main_cf == before
    assert site.run("detach", "postfix", "--yes")[0] == 1
    assert sorted(each.name for each in site.folder.iterdir()) == ["filter.toml", "main.cf", "master.cf"]


def test_what_was_changed_since_stays(site: Site) -> None:
    site.run("attach", "postfix", "--yes")
    changed = site.main_cf.replace("mx.example.org", "mail.example.org").replace(OURS, f"{OURS}, inet:127.0.0.1:7")
    (site.folder / "main.cf").write_text(changed)
    assert site.run("detach", "postfix", "--yes")[0] == 0
    assert "myhostname = mail.example.org" in site.main_cf
    assert "smtpd_milters = inet:127.0.0.1:7" in site.main_cf
    assert OURS not in site.main_cf


def test_nothing_is_changed_unasked(site: Site) -> None:
    before = site.main_cf
    for options in (["--dry-run"], []):
        status, out, _ = site.run("attach", "postfix", *options)
        assert status == 1
        assert f"+ smtpd_milters = {OURS}" in out
        assert site.main_cf == before


def test_the_default_action(site: Site) -> None:
    site.run("attach", "postfix", "--yes")
    assert "milter_default_action = accept" in site.main_cf
    site.run("attach", "postfix", "--yes", "--default-action", "tempfail")
    assert "milter_default_action = tempfail" in site.main_cf
    site.run("detach", "postfix", "--yes")
    assert site.main_cf == MAIN


def test_an_operators_default_action_is_left_alone(site: Site) -> None:
    site.write("milter_default_action = quarantine\n")
    site.run("attach", "postfix", "--yes")
    assert "milter_default_action = quarantine" in site.main_cf


@pytest.mark.parametrize(
    ("listen", "chroot", "expected"),
    [
        ("unix:/var/spool/postfix/dmarc-milter/s", "y", "unix:dmarc-milter/s"),
        ("unix:/run/s", "n", "unix:/run/s"),
        ("inet6:8893@::1", "y", "inet:[::1]:8893"),
    ],
)
def test_addresses(site: Site, listen: str, chroot: str, expected: str) -> None:
    site.write("", chroot)
    assert site.run("attach", "postfix", "--yes", listen=listen)[0] == 0
    assert f"smtpd_milters = {expected}\n" in site.main_cf


def test_a_socket_that_smtpd_cannot_reach(site: Site) -> None:
    site.write("", "y")
    status, _, err = site.run("attach", "postfix", "--yes", listen="unix:/run/s")
    assert status == 2
    assert "cannot reach /run/s" in err
    assert site.main_cf == MAIN


def test_a_folder_inside_postfixs_for_the_socket(site: Site) -> None:
    """smtpd runs in a group that may use the socket, whatever group the filter has."""
    queue = site.folder / "queue"
    queue.mkdir()
    site.write("", "y")
    (site.folder / "main.cf").write_text(site.main_cf.replace("/var/spool/postfix", str(queue)))
    listen = f"unix:{queue}/dmarc-milter/s"
    status, out, _ = site.run("attach", "postfix", "--dry-run", listen=listen)
    assert (status, (queue / "dmarc-milter").exists()) == (1, False)
    assert "a folder for the socket" in out
    status, out, _ = site.run("attach", "postfix", "--yes", listen=listen)
    assert (status, (queue / "dmarc-milter").group()) == (0, "postfix"), out
    assert stat.filemode((queue / "dmarc-milter").stat().st_mode) == "drwxr-s---"
    assert "smtpd_milters = unix:dmarc-milter/s\n" in site.main_cf
    assert "already attached" in site.run("attach", "postfix", "--yes", listen=listen)[1]


def test_sendmail(site: Site) -> None:
    status, out, _ = site.run("attach", "sendmail")
    assert status == 0
    assert "INPUT_MAIL_FILTER(`dmarc-milter', `S=inet:8893@127.0.0.1, T=S:4m;R:4m;E:10m')dnl" in out
    status, out, _ = site.run("attach", "sendmail", "--default-action", "tempfail")
    assert "S=inet:8893@127.0.0.1, F=T, T=S:4m" in out


def test_no_postfix_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "postfix", "--yes", "--postfix-config", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("dmarc-milter: ")
