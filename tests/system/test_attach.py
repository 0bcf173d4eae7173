"""attach and detach on a Postfix configuration of the tests' own, through its own postconf."""

import contextlib
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.attaching.milters import entries
from dmarc_milter.attaching.postfix import Postfix
from dmarc_milter.cli.main import main
from tests.support.answering_filter import AnsweringFilter
from tests.system.servers import need

pytestmark = pytest.mark.system

MAIN = """\
# A comment that stays
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mx.example.org
"""
MASTER = "smtp inet n - {chroot} - - smtpd\ncleanup unix n - n - 0 cleanup\n"


class Site:
    """A folder with main.cf and master.cf, and the command on it."""

    def __init__(self, folder: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.ours = f"inet:127.0.0.1:{port}"
        self.entry = f"{{ {self.ours}, default_action=accept }}"
        self.listen = f"inet:{port}@127.0.0.1"
        self._capsys = capsys
        self.write("")

    def write(self, more: str, chroot: str = "n") -> None:
        (self.folder / "main.cf").write_text(MAIN + more)
        (self.folder / "master.cf").write_text(MASTER.format(chroot=chroot))

    @property
    def main_cf(self) -> str:
        return (self.folder / "main.cf").read_text()

    def run(self, *arguments: str, listen: str | None = None) -> tuple[int, str, str]:
        (self.folder / "filter.toml").write_text(f'[milter]\nlisten = "{listen or self.listen}"\n')
        command = [*arguments, "--config", str(self.folder / "filter.toml"), "--postfix-config", str(self.folder)]
        with contextlib.suppress(FileNotFoundError):
            age(self.folder / "main.cf")
        status = main([*command, "--no-reload"])
        told = self._capsys.readouterr()
        return status, told.out, told.err


@pytest.fixture
def running() -> Iterator[AnsweringFilter]:
    filter_ = AnsweringFilter(socket.create_server(("127.0.0.1", 0)))
    yield filter_
    filter_.close()


@pytest.fixture(autouse=True)
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postfix's tools wait until main.cf is two seconds old: here it is so at once."""
    run = Postfix._run

    def run_and_age(postfix: Postfix, *arguments: str) -> str:
        done = run(postfix, *arguments)
        age(postfix.folder / "main.cf")
        return done

    monkeypatch.setattr(Postfix, "_run", run_and_age)


def age(path: Path) -> None:
    status = path.stat()
    os.utime(path, (status.st_atime - 60, status.st_mtime - 60))


@pytest.fixture
def site(tmp_path: Path, running: AnsweringFilter, capsys: pytest.CaptureFixture[str]) -> Site:
    need(shutil.which("postconf", path="/usr/sbin"), "postfix")
    return Site(tmp_path, running.port, capsys)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "smtpd_milters = inet:127.0.0.1:1, { unix:/run/x, default_action=accept }\n",
        "smtpd_milters =\n    inet:127.0.0.1:1,\n    inet:127.0.0.1:2\n# the end\n",
    ],
    ids=["none", "one with braces", "several lines"],
)
def test_there_and_back_octet_for_octet(site: Site, running: AnsweringFilter, more: str) -> None:
    site.write(more)
    before = site.main_cf
    status, out, _ = site.run("attach", "postfix", "--yes")
    assert (status, running.asked) == (0, 1)
    others = [each.text for each in entries(more.partition("=")[2].partition("#")[0])]
    assert f"  + smtpd_milters = {', '.join([*others, site.entry])}\n" in out
    assert ("  - smtpd_milters = " in out) is bool(more)
    assert "# A comment that stays" in site.main_cf
    assert "milter_default_action" not in site.main_cf
    attached = site.main_cf
    status, out, _ = site.run("attach", "postfix", "--yes")
    assert (status, "already attached" in out, site.main_cf) == (0, True, attached)
    status, out, _ = site.run("detach", "postfix", "--yes")
    assert (status, site.main_cf) == (0, before)
    assert f"  - smtpd_milters = {', '.join([*others, site.entry])}\n" in out
    assert site.run("detach", "postfix", "--yes")[0] == 1
    assert sorted(each.name for each in site.folder.iterdir()) == ["filter.toml", "main.cf", "master.cf"]


def test_what_was_changed_since_stays(site: Site) -> None:
    site.run("attach", "postfix", "--yes")
    changed = site.main_cf.replace("mx.example.org", "mail.example.org").replace(
        site.entry, f"{site.entry}, inet:127.0.0.1:7"
    )
    (site.folder / "main.cf").write_text(changed)
    site.run("attach", "postfix", "--yes", "--default-action", "tempfail")
    assert site.run("detach", "postfix", "--yes")[0] == 0
    assert "myhostname = mail.example.org" in site.main_cf
    assert "smtpd_milters = inet:127.0.0.1:7" in site.main_cf
    assert site.ours not in site.main_cf


def test_nothing_is_changed_unasked(site: Site) -> None:
    before = site.main_cf
    for options in (["--dry-run"], []):
        status, out, _ = site.run("attach", "postfix", *options)
        assert status == 1
        assert f"+ smtpd_milters = {site.entry}" in out
        assert site.main_cf == before


def test_a_dry_run_says_by_its_status_whether_something_would_change(site: Site) -> None:
    assert site.run("detach", "postfix", "--dry-run")[0] == 0
    assert site.run("attach", "postfix", "--dry-run")[0] == 1
    assert site.main_cf == MAIN
    site.run("attach", "postfix", "--yes")
    attached = site.main_cf
    assert site.run("attach", "postfix", "--dry-run")[0] == 0
    status, out, _ = site.run("detach", "postfix", "--dry-run")
    assert (status, f"  - smtpd_milters = {site.entry}\n" in out, site.main_cf) == (1, True, attached)
    (site.folder / "main.cf").unlink()
    assert site.run("attach", "postfix", "--dry-run")[0] == 2
    assert site.run("detach", "postfix", "--dry-run")[0] == 2


def test_the_default_action_is_of_this_filter_alone(site: Site) -> None:
    site.run("attach", "postfix", "--yes", "--default-action", "tempfail")
    assert f"smtpd_milters = {{ {site.ours}, default_action=tempfail }}\n" in site.main_cf
    assert "milter_default_action" not in site.main_cf
    site.run("detach", "postfix", "--yes")
    assert site.main_cf == MAIN


def test_an_operators_default_action_is_left_alone(site: Site) -> None:
    site.write("milter_default_action = quarantine\n")
    site.run("attach", "postfix", "--yes")
    assert "milter_default_action = quarantine" in site.main_cf
    assert f"smtpd_milters = {site.ours}\n" in site.main_cf


def test_a_filter_that_does_not_answer_is_not_attached(site: Site, running: AnsweringFilter) -> None:
    running.close()
    assert site.run("attach", "postfix", "--dry-run")[0] == 1
    status, _, err = site.run("attach", "postfix", "--yes")
    assert (status, site.main_cf) == (2, MAIN)
    assert f"the filter at {site.listen} does not answer: Connection refused" in err
    assert "systemctl start dmarc-milter" in err
    assert site.run("attach", "postfix", "--yes", "--no-probe")[0] == 0


def test_something_else_that_answers_is_not_attached(site: Site) -> None:
    other = AnsweringFilter(socket.create_server(("127.0.0.1", 0)), b"220 mx.example.org ESMTP\r\n")
    status, _, err = site.run("attach", "postfix", "--yes", listen=f"inet:{other.port}@127.0.0.1")
    other.close()
    assert (status, "does not speak the milter protocol" in err, site.main_cf) == (2, True, MAIN)


def test_where_the_filter_moved_the_old_address_goes(site: Site) -> None:
    site.run("attach", "postfix", "--yes", "--default-action", "tempfail")
    other = AnsweringFilter(socket.create_server(("127.0.0.1", 0)))
    status, out, _ = site.run("attach", "postfix", "--yes", listen=f"inet:{other.port}@127.0.0.1")
    other.close()
    assert (status, site.ours in site.main_cf) == (0, False)
    new = f"{{ inet:127.0.0.1:{other_port(out)}, default_action=tempfail }}"
    assert f"smtpd_milters = {new}\n" in site.main_cf
    assert site.run("detach", "postfix", "--yes")[0] == 0
    assert site.main_cf == MAIN


def other_port(out: str) -> str:
    return out.split("+ smtpd_milters = { inet:127.0.0.1:")[1].split(",")[0]


def test_detach_needs_no_settings(site: Site) -> None:
    site.run("attach", "postfix", "--yes")
    (site.folder / "broken.toml").write_text("[milter\n")
    arguments = ["detach", "postfix", "--yes", "--no-reload", "--postfix-config", str(site.folder)]
    assert main([*arguments, "--config", str(site.folder / "broken.toml")]) == 0
    assert site.main_cf == MAIN


def test_warnings_of_a_master_cf_that_makes_it_void(site: Site) -> None:
    (site.folder / "master.cf").write_text("smtp inet n - n - - smtpd\n  -o smtpd_milters=\n")
    status, _, err = site.run("attach", "postfix", "--yes")
    assert status == 0
    assert "warning: the service smtp/inet of master.cf does not ask the filter" in err


def test_warnings_of_own_mail(site: Site) -> None:
    site.write("mynetworks = 127.0.0.0/8 192.0.2.0/24\n")
    assert 'trusted_networks = ["' in site.run("attach", "postfix", "--dry-run")[2]


def test_detach_names_the_places_that_it_leaves(site: Site) -> None:
    site.write(f"non_smtpd_milters = {site.ours}\n")
    site.run("attach", "postfix", "--yes")
    assert "non_smtpd_milters in main.cf names the filter" in site.run("detach", "postfix", "--yes")[2]


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
    if not Path("/var/spool/postfix/dmarc-milter").exists() and "spool" in listen:
        (site.folder / "queue/dmarc-milter").mkdir(parents=True)
        (site.folder / "main.cf").write_text(site.main_cf.replace("/var/spool/postfix", f"{site.folder}/queue"))
        listen = listen.replace("/var/spool/postfix", f"{site.folder}/queue")
    assert site.run("attach", "postfix", "--yes", "--no-probe", listen=listen)[0] == 0
    assert f"smtpd_milters = {{ {expected}, default_action=accept }}\n" in site.main_cf


def test_a_socket_that_smtpd_cannot_reach(site: Site) -> None:
    site.write("", "y")
    status, _, err = site.run("attach", "postfix", "--yes", listen="unix:/run/s")
    assert status == 2
    assert "cannot reach /run/s" in err
    assert site.main_cf == MAIN.replace("- n -", "- y -")


def test_a_folder_inside_postfixs_for_the_socket(site: Site) -> None:
    """smtpd runs in a group that may use the socket, whatever group the filter has."""
    queue = site.folder / "queue"
    queue.mkdir()
    site.write("", "y")
    (site.folder / "main.cf").write_text(site.main_cf.replace("/var/spool/postfix", str(queue)))
    before = site.main_cf
    listen = f"unix:{queue}/dmarc-milter/s"
    status, out, _ = site.run("attach", "postfix", "--dry-run", listen=listen)
    assert (status, (queue / "dmarc-milter").exists()) == (1, False)
    assert "a folder for the socket" in out
    status, out, _ = site.run("attach", "postfix", "--yes", listen=listen)
    assert (status, (queue / "dmarc-milter").group()) == (1, "postfix"), out
    assert stat.filemode((queue / "dmarc-milter").stat().st_mode) == "drwxr-s---"
    assert (site.main_cf, "attach again" in out) == (before, True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{queue}/dmarc-milter/s")
    listening.listen()
    (queue / "dmarc-milter/s").chmod(0o660)
    for folder in (queue, *queue.parents):
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o001)
    filter_ = AnsweringFilter(listening)
    status, _, err = site.run("attach", "postfix", "--yes", listen=listen)
    assert (status, "socket" in err) == (0, False), err
    assert "smtpd_milters = { unix:dmarc-milter/s, default_action=accept }\n" in site.main_cf
    (queue / "dmarc-milter/s").chmod(0o600)
    status, _, err = site.run("attach", "postfix", "--yes", listen=listen)
    filter_.close()
    assert (status, 'socket_group = "postfix"' in err) == (2, True), err


def test_sendmail(site: Site) -> None:
    status, out, _ = site.run("attach", "sendmail")
    assert status == 0
    assert f"INPUT_MAIL_FILTER(`dmarc-milter', `S={site.listen}, T=S:4m;R:4m;E:10m')dnl" in out
    status, out, _ = site.run("attach", "sendmail", "--default-action", "tempfail")
    assert f"S={site.listen}, F=T, T=S:4m" in out


def test_no_postfix_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "postfix", "--yes", "--postfix-config", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("dmarc-milter: ")
