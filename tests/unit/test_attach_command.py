"""attach and detach as commands: what is printed, the exit status, and what main.cf says then.

Postfix's tools are stand-ins here; tests/system/test_attach.py has the real ones.
"""

import builtins
import grp
import os
import pwd
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.attaching import postfix, probe, record, trial
from dmarc_milter.attaching.postfix import AttachError, Postfix
from dmarc_milter.attaching.trial import TrialError
from dmarc_milter.cli.attach import run
from dmarc_milter.cli.main import main
from dmarc_milter.settings.addresses import InetAddress, UnixAddress
from tests.support.answering_filter import AnsweringFilter
from tests.support.postfix_tools import PostfixTools
from tests.support.smtp_sink import SmtpSink

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(pwd.getpwuid(os.getuid()).pw_gid).gr_name
MAIN = "# A comment that stays\nmyhostname = mx.example.org\n"
MASTER = "smtp inet n - {chroot} - - smtpd\ncleanup unix n - n - 0 cleanup\n"


class Host:
    """main.cf and master.cf, a filter that answers, and the command between the two."""

    def __init__(self, folder: Path, running: AnsweringFilter, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "etc" / "postfix"
        self.folder.mkdir(parents=True)
        self.main_cf = self.folder / "main.cf"
        self.tools = PostfixTools(self.folder)
        self.running = running
        self.ours = f"inet:127.0.0.1:{running.port}"
        self.entry = f"{{ {self.ours}, default_action=accept }}"
        self.listen = f"inet:{running.port}@127.0.0.1"
        self._config = folder / "filter.toml"
        self._capsys = capsys
        self.write()

    def write(self, more: str = "", master: str = MASTER.format(chroot="n")) -> str:
        self.main_cf.write_text(MAIN + more)
        (self.folder / "master.cf").write_text(master)
        return self.text

    @property
    def text(self) -> str:
        return self.main_cf.read_text()

    @property
    def files(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()}

    def run(self, *arguments: str, listen: str | None = None) -> tuple[int, str, str]:
        self._config.write_text(f'[milter]\nlisten = "{listen or self.listen}"\n')
        status = main([*arguments, "--config", str(self._config)])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def attach(self, *options: str, listen: str | None = None) -> tuple[int, str, str]:
        return self.run("attach", "postfix", *options, listen=listen)

    def detach(self, *options: str, listen: str | None = None) -> tuple[int, str, str]:
        return self.run("detach", "postfix", *options, listen=listen)


@pytest.fixture
def running() -> Iterator[AnsweringFilter]:
    filter_ = AnsweringFilter(socket.create_server(("127.0.0.1", 0)))
    yield filter_
    filter_.close()


@pytest.fixture
def host(
    tmp_path: Path,
    running: AnsweringFilter,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Host:
    found = Host(tmp_path, running, capsys)
    found.tools.replace(monkeypatch)
    return found


def answer(monkeypatch: pytest.MonkeyPatch, text: str | None) -> list[str]:
    """Somebody sits at the terminal and types `text`, or ends the input (None); what they are asked."""
    asked: list[str] = []

    def typed(question: str) -> str:
        asked.append(question)
        if text is None:
            raise EOFError
        return text

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", typed)
    return asked


# There and back


@pytest.mark.parametrize(
    ("more", "others"),
    [
        ("", ""),
        ("smtpd_milters = inet:127.0.0.1:1, { unix:/run/x, default_action=accept }\n", "inet:127.0.0.1:1, { unix:/run/x, default_action=accept }, "),
        ("smtpd_milters =\n    inet:127.0.0.1:1,\n    inet:127.0.0.1:2\n# the end\n", "inet:127.0.0.1:1, inet:127.0.0.1:2, "),
    ],
    ids=["none", "one with braces", "several lines"],
)  # fmt: skip
def test_there_and_back_octet_for_octet(host: Host, more: str, others: str) -> None:
    before = host.write(more)
    status, out, err = host.attach("--yes")
    assert (status, err, host.running.asked) == (0, "", 1)
    assert out.startswith(f"{host.main_cf}:\n")
    assert f"  + smtpd_milters = {others}{host.entry}\n" in out
    assert "changed and reloaded\nto see it work, send a message from another host" in out
    assert f"smtpd_milters = {others}{host.entry}\n" in host.text
    attached = host.text
    status, out, err = host.attach("--yes")
    assert (status, err, host.text) == (0, "", attached)
    assert out.startswith(f"{host.main_cf}: already attached ({host.ours})\n")
    status, out, err = host.detach("--yes")
    assert (status, err, host.text) == (0, "", before)
    assert (
        out
        == f"{host.main_cf}:\n  - smtpd_milters = {others}{host.entry}\n"
        + (f"  + smtpd_milters = {others.removesuffix(', ')}\n" if others else "")
        + "changed and reloaded\n"
    )
    assert len(host.tools.reloads) == 2
    assert host.detach("--yes") == (1, f"{host.main_cf}: not attached\n", "")
    assert host.files == {"main.cf", "master.cf"}


def test_a_second_attach_is_undone_together_with_the_first(host: Host) -> None:
    before = host.text
    host.attach("--yes")
    assert host.attach("--yes", "--default-action", "tempfail")[0] == 0
    assert f"smtpd_milters = {{ {host.ours}, default_action=tempfail }}\n" in host.text
    assert host.detach("--yes")[0] == 0
    assert host.text == before


def test_what_was_changed_since_stays(host: Host) -> None:
    host.attach("--yes")
    host.main_cf.write_text(host.text.replace("mx.", "mail.").replace(host.entry, f"{host.entry}, inet:127.0.0.1:7"))
    assert host.detach("--yes")[0] == 0
    assert host.text == MAIN.replace("mx.", "mail.") + "smtpd_milters = inet:127.0.0.1:7\n"


def test_an_old_postfix_has_one_action_for_all_filters(host: Host) -> None:
    before = host.write("mail_version = 2.11.3\n")
    assert host.attach("--yes")[0] == 0
    assert host.text == f"{before}smtpd_milters = {host.ours}\nmilter_default_action = accept\n"
    host.main_cf.write_text(host.text + "# changed since\n")
    assert host.detach("--yes")[0] == 0
    assert host.text == f"{before}# changed since\n"


@pytest.mark.parametrize(
    ("options", "is_running", "said", "reloads"),
    [
        ((), True, "changed and reloaded\n", [[]]),
        (("--no-reload",), True, "changed; not yet in force: postfix reload\n", []),
        ((), False, "changed; Postfix does not run, and will read it when it starts\n", []),
    ],
    ids=["it runs", "not wanted", "it does not run"],
)
def test_when_it_is_in_force(
    host: Host, options: tuple[str, ...], is_running: bool, said: str, reloads: list[list[str]]
) -> None:
    host.tools.is_running = is_running
    status, out, err = host.attach("--yes", *options)
    assert (status, said in out, err) == (0, True, "")
    assert host.tools.reloads == reloads


def test_another_postfix_than_the_systems(host: Host, tmp_path: Path) -> None:
    """Like the second one of a host: it is read, changed and reloaded, and the system's is not."""
    other = shutil.copytree(host.folder, tmp_path / "postfix-2")
    assert host.attach("--yes", "--postfix-config", str(other))[0] == 0
    assert (host.text, host.ours in (other / "main.cf").read_text()) == (MAIN, True)
    assert host.tools.reloads == [["-c", str(other)]]


# Nothing is changed unasked


@pytest.mark.parametrize(
    ("typed", "is_changed"), [("y", True), (" YES ", True), ("", False), ("n", False), ("yesterday", False), (None, False)]
)  # fmt: skip
def test_who_sits_at_the_terminal_is_asked(
    host: Host, monkeypatch: pytest.MonkeyPatch, typed: str | None, is_changed: bool
) -> None:
    asked = answer(monkeypatch, typed)
    status, out, err = host.attach()
    assert (asked, err) == (["Change it? [y/N] "], "")
    assert f"+ smtpd_milters = {host.entry}" in out
    assert (status, host.ours in host.text) == ((0, True) if is_changed else (1, False))
    host.attach("--yes")
    assert host.detach()[0] == (0 if is_changed else 1)
    assert (host.ours not in host.text) is is_changed
    assert len(asked) == 2


@pytest.mark.parametrize("command", ["attach", "detach"])
def test_without_a_terminal_it_has_to_be_said(host: Host, command: str) -> None:
    if command == "detach":
        host.attach("--yes")
    before = host.text
    status, _, err = host.run(command, "postfix")
    assert (status, err) == (1, "dmarc-milter: nothing changed; say --yes to change it\n")
    assert host.text == before


def test_a_dry_run_says_by_its_status_whether_something_would_change(host: Host) -> None:
    assert host.detach("--dry-run")[0] == 0
    status, out, err = host.attach("--dry-run")
    assert (status, out, err) == (1, f"{host.main_cf}:\n  + smtpd_milters = {host.entry}\n", "")
    assert (host.text, host.files) == (MAIN, {"main.cf", "master.cf"})
    host.attach("--yes")
    attached = host.text
    assert host.attach("--dry-run")[0] == 0
    status, out, err = host.detach("--dry-run")
    assert (status, out, err) == (1, f"{host.main_cf}:\n  - smtpd_milters = {host.entry}\n", "")
    assert host.text == attached
    assert len(host.tools.reloads) == 1


def test_a_dry_run_says_that_the_filter_is_not_there(host: Host) -> None:
    host.running.close()
    status, _, err = host.attach("--dry-run")
    assert status == 1
    assert err.startswith(f"dmarc-milter: warning: the filter at {host.listen} does not answer: Connection refused.")


# Whether the filter is there


def test_a_filter_that_does_not_answer_is_not_attached(host: Host) -> None:
    host.running.close()
    status, _, err = host.attach("--yes")
    assert (status, host.text) == (2, MAIN)
    assert err == (
        f"dmarc-milter: the filter at {host.listen} does not answer: Connection refused. Start it first: "
        "systemctl start dmarc-milter. Nothing was changed.\n"
    )
    assert host.attach("--yes", "--no-probe")[0] == 0
    # There is nothing more to change, and still it is told.
    status, out, err = host.attach("--yes")
    assert (status, "already attached" in out) == (2, True)
    assert err.endswith("systemctl start dmarc-milter.\n")


@pytest.mark.parametrize(
    "said", [b"220 mx.example.org ESMTP\r\n", b"", b"\0\0\0\x01c", b"\0\0\0\x02O\0", b"\xff\xff\xff\xff"]
)
def test_something_else_that_answers_is_not_attached(host: Host, said: bytes) -> None:
    other = AnsweringFilter(socket.create_server(("127.0.0.1", 0)), said)
    status, _, err = host.attach("--yes", listen=f"inet:{other.port}@127.0.0.1")
    other.close()
    assert (status, host.text) == (2, MAIN)
    assert "does not answer: what answers there does not speak the milter protocol." in err


@pytest.mark.parametrize(("everywhere", "here"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_what_listens_everywhere_is_asked_on_loopback(
    monkeypatch: pytest.MonkeyPatch, everywhere: str, here: str
) -> None:
    asked = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert probe.why_silent(InetAddress(everywhere, 8893)) == "it has not answered within 10 s"
    assert asked == [(here, 8893)]


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert probe.why_silent(UnixAddress(f"{tmp_path}/none")) == "No such file or directory"


def test_another_milter_at_the_same_address(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "other_milter", lambda listen: "opendmarc")
    said = f"dmarc-milter: at {host.listen}, where [milter] listen has this filter, opendmarc answers. "
    for command in ("attach", "detach"):
        status, _, err = host.run(command, "postfix", "--yes")
        assert (status, host.text, err.startswith(said)) == (2, MAIN, True)
    # What attach has recorded is enough for detach.
    monkeypatch.setattr(run, "other_milter", lambda listen: None)
    host.attach("--yes")
    monkeypatch.setattr(run, "other_milter", lambda listen: "opendmarc")
    assert host.detach("--yes")[0] == 0


# Unix sockets


@pytest.mark.parametrize(
    ("listen", "chroot", "named"),
    [
        ("unix:{queue}/public/s", "y", "unix:public/s"),
        ("unix:{queue}/public/s", "n", "unix:public/s"),
        ("unix:/run/s", "n", "unix:/run/s"),
        ("inet6:8893@::1", "y", "inet:[::1]:8893"),
    ],
)
def test_addresses(host: Host, tmp_path: Path, listen: str, chroot: str, named: str) -> None:
    (tmp_path / "queue" / "public").mkdir(parents=True)
    host.write(f"queue_directory = {tmp_path}/queue/\n", MASTER.format(chroot=chroot))
    assert host.attach("--yes", "--no-probe", listen=listen.format(queue=f"{tmp_path}/queue"))[0] == 0
    assert f"smtpd_milters = {{ {named}, default_action=accept }}\n" in host.text


@pytest.mark.parametrize("level", ["0", "3.6"])
def test_a_socket_that_smtpd_cannot_reach(host: Host, level: str) -> None:
    """Where master.cf says nothing, smtpd is chrooted in old Postfix only."""
    before = host.write(f"compatibility_level = {level}\n", MASTER.format(chroot="-"))
    status, _, err = host.attach("--yes", "--no-probe", listen="unix:/run/s")
    if level == "3.6":
        assert (status, err) == (0, "")
        return
    assert (status, host.text) == (2, before)
    assert "smtpd runs inside /var/spool/postfix and cannot reach /run/s: let [milter] listen be in there" in err


def test_a_folder_inside_postfixs_for_the_socket(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "USER", "nobody-of-this-name")
    folder = tmp_path / "queue" / "dmarc-milter"
    folder.parent.mkdir()
    before = host.write(f"queue_directory = {folder.parent}\nmail_owner = {ME}\n", MASTER.format(chroot="y"))
    listen = f"unix:{folder}/s"
    shown = f"+ {folder}: a folder for the socket, of {ME}, group {MY_GROUP}, mode 2750\n"
    for options, said in ((("--dry-run",), "warning: the filter at"), ((), "nothing changed")):
        status, out, err = host.attach(*options, listen=listen)
        assert (status, shown in out, said in err, folder.exists()) == (1, True, True, False)
    status, out, _ = host.attach("--yes", listen=listen)
    assert (status, stat.filemode(folder.stat().st_mode), folder.group()) == (1, "drwxr-s---", MY_GROUP)
    assert f"{folder} is made; {host.main_cf} is not changed yet." in out
    assert (host.text, host.tools.reloads) == (before, [])
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{folder}/s")
    listening.listen()
    filter_ = AnsweringFilter(listening)
    status, out, err = host.attach("--yes", listen=listen)
    filter_.close()
    assert (status, err, filter_.asked) == (0, "", 1)
    assert "smtpd_milters = { unix:dmarc-milter/s, default_action=accept }\n" in host.text


def test_a_socket_whose_group_is_not_postfixs(host: Host, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o001)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{tmp_path}/s")
    listening.listen()
    (tmp_path / "s").chmod(0o660)
    filter_ = AnsweringFilter(listening)
    status, _, err = host.attach("--yes", listen=f"unix:{tmp_path}/s")
    filter_.close()
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    assert (status, host.text) == (2, MAIN)
    assert err == (
        f"dmarc-milter: Postfix cannot ask the filter: its user nobody may not write to {tmp_path}/s (group {MY_GROUP}, "
        f'mode 0660). Set in [milter]: socket_group = "{group}", and restart the filter. Nothing was changed.\n'
    )


@pytest.mark.parametrize(
    ("mode", "group", "is_allowed"),
    [
        (0o711, None, True),
        (0o710, None, False),
        (0o710, "nobody", True),
        (0o701, "nobody", False),
    ],
)
def test_folders_that_postfix_may_not_enter(tmp_path: Path, mode: int, group: str | None, is_allowed: bool) -> None:
    status = tmp_path.stat()
    gid = pwd.getpwnam("nobody").pw_gid if group else status.st_gid
    shown = os.stat_result((stat.S_IFDIR | mode, 1, 1, 1, status.st_uid + 1, gid, 0, 0, 0, 0))
    account = pwd.getpwnam("nobody")
    assert probe._may(shown, account.pw_uid, {account.pw_gid}, stat.S_IXOTH) is is_allowed


@pytest.mark.parametrize("name", [ME, "nobody-of-this-name"])
def test_the_folder_belongs_to_the_services_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without such a user, the filter runs as whoever calls this."""
    monkeypatch.setattr(run, "USER", name)
    assert run._user() == ME


# What else is told


def test_what_of_the_configuration_concerns_the_filter_is_told(host: Host, tmp_path: Path) -> None:
    (tmp_path / "etc" / "amavis").mkdir()
    host.write(
        "content_filter = scan\nmynetworks = 192.0.2.0/24\n",
        "smtp inet n - n - - smtpd\n  -o smtpd_milters=\n",
    )
    status, _, err = host.attach("--dry-run")
    told = err.splitlines()
    assert status == 1
    assert all(each.startswith("dmarc-milter: warning: ") for each in told)
    for said in (
        "192.0.2.0/24",
        "the service smtp/inet of master.cf does not ask the filter",
        "order: Amavis gets the mail after",
    ):
        assert sum(said in each for each in told) == 1, err


def test_the_host_is_not_read_where_postfixs_folder_is_another(host: Host, tmp_path: Path) -> None:
    (tmp_path / "etc" / "amavis").mkdir()
    host.write("content_filter = scan\n")
    (tmp_path / "elsewhere").mkdir()
    for name in ("main.cf", "master.cf"):
        shutil.copy(host.folder / name, tmp_path / "elsewhere")
    assert "order:" in host.attach("--dry-run")[2]
    assert "order:" not in host.attach("--dry-run", "--postfix-config", str(tmp_path / "elsewhere"))[2]


def test_detach_names_the_places_that_it_leaves(host: Host) -> None:
    host.write(
        f"non_smtpd_milters = {host.ours}\n",
        f"smtp inet n - n - - smtpd\n  -o smtpd_milters={host.ours}\n25 inet n - n - - smtpd\n  -o smtpd_milters=\n",
    )
    host.attach("--yes")
    assert host.detach("--yes")[2].splitlines() == [
        f"dmarc-milter: warning: {place} names the filter, too; that is left to you"
        for place in ("non_smtpd_milters in main.cf", "the option smtpd_milters of smtp/inet in master.cf")
    ]


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (None, 0, "a message to a@example.org was taken as "),
        ("451 4.7.1 not now", 2, "dmarc-milter: the message to a@example.org was not taken: 451 4.7.1 not now\n"),
    ],
)
def test_a_message_through_the_mta(
    host: Host, monkeypatch: pytest.MonkeyPatch, reply: str | None, status: int, said: str
) -> None:
    with SmtpSink(lambda command, argument: reply if command == "RCPT" else None) as sink:
        monkeypatch.setattr(run, "send_through", lambda recipient: trial.send_through(recipient, port=sink.port))
        found, out, err = host.attach("--yes", "--send-to", "a@example.org")
    assert (found, said in (err if status else out)) == (status, True), (out, err)
    assert [each.recipient for each in sink.taken] == ([] if status else ["a@example.org"])
    # It is attached, whatever comes of the message.
    assert host.ours in host.text


@pytest.mark.parametrize(
    ("text", "told"), [("250 2.0.0 Ok: queued as 4XYZ", "4XYZ"), ("250 2.0.0 taken", "2.0.0 taken")]
)
def test_the_name_of_the_message_in_the_queue(text: str, told: str) -> None:
    with SmtpSink(lambda command, argument: text if command == "DATA" else None) as sink:
        assert trial.send_through("a@example.org", port=sink.port) == told


def test_no_mta_takes_the_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken_by_nobody:
        port = taken_by_nobody.getsockname()[1]
    with pytest.raises(TrialError, match="Connection refused"):
        trial.send_through("a@example.org", port=port)


@pytest.mark.parametrize(
    ("options", "said"),
    [((), "S={listen}, T="), (("--default-action", "tempfail"), "S={listen}, F=T, T=")],
)
def test_sendmail_is_told_what_to_write(host: Host, options: tuple[str, ...], said: str) -> None:
    status, out, err = host.run("attach", "sendmail", *options)
    assert (status, err) == (0, "")
    assert f"INPUT_MAIL_FILTER(`dmarc-milter', `{said.format(listen=host.listen)}" in out
    assert ("mail comes in unjudged while the filter is down" in out) is (not options)
    assert host.text == MAIN


# What goes wrong


@pytest.mark.parametrize(
    ("argument", "says", "told"),
    [
        ("-n", "postconf: warning: x\npostconf: fatal: y\n", "dmarc-milter: postconf: postconf: fatal: y\n"),
        ("-M", "\n", "dmarc-milter: postconf: failed\n"),
    ],
)
@pytest.mark.parametrize("command", ["attach", "detach"])
def test_a_configuration_that_cannot_be_read(host: Host, command: str, argument: str, says: str, told: str) -> None:
    host.tools.refused = {(argument,): says}
    assert host.run(command, "postfix", "--yes") == (2, "", told)


@pytest.mark.parametrize("command", ["attach", "detach"])
def test_no_main_cf(host: Host, command: str) -> None:
    host.main_cf.unlink()
    said = f"dmarc-milter: postconf: postconf: fatal: open {host.main_cf}: No such file or directory\n"
    assert host.run(command, "postfix", "--dry-run") == (2, "", said)


def test_no_postfix(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    assert host.attach("--yes") == (2, "", "dmarc-milter: postconf was not found: is Postfix installed?\n")


def test_a_postconf_that_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "postconf"
    program.write_text("#!/bin/sh\nexec sleep 3600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(postfix, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(AttachError, match="postconf has not answered within 0 s"):
        Postfix(None)


def test_a_mail_owner_that_is_nobody_here(host: Host, tmp_path: Path) -> None:
    host.write(f"queue_directory = {tmp_path}\nmail_owner = nobody-of-this-name\n")
    status, _, err = host.attach("--yes", listen=f"unix:{tmp_path}/new/s")
    assert (status, err) == (2, "dmarc-milter: Postfix's mail_owner nobody-of-this-name is no user here\n")


def test_settings_that_cannot_be_read(host: Host) -> None:
    status, _, err = host.attach("--yes", listen="nonsense")
    assert (status, host.text) == (2, MAIN)
    assert "milter.listen" in err
    # They say nothing that detach needs, where attach has left a record.
    host.attach("--yes")
    assert host.detach("--yes", listen="nonsense")[0] == 0
    assert host.text == MAIN


@pytest.mark.parametrize("parameter", ["smtpd_milters", "milter_default_action"])
def test_an_attach_that_fails_half_way_leaves_main_cf_as_it_was(host: Host, parameter: str) -> None:
    before = host.write("mail_version = 2.11.3\n# left alone\n")
    host.tools.refused = {("-e", parameter): "postconf: fatal: no space left"}
    status, _, err = host.attach("--yes")
    assert (status, err) == (2, "dmarc-milter: postconf: postconf: fatal: no space left\n")
    assert (host.text, host.files, host.tools.reloads) == (before, {"main.cf", "master.cf"}, [])


def test_a_record_that_cannot_be_written_undoes_the_attach(host: Host) -> None:
    (host.folder / record.NAME).symlink_to(host.folder / "none" / "there")
    status, _, err = host.attach("--yes")
    assert (status, host.text, host.tools.reloads) == (2, MAIN, [])
    assert err == f"dmarc-milter: {host.folder / record.NAME}: No such file or directory\n"


def test_a_detach_that_fails_half_way_leaves_main_cf_as_it_was(host: Host) -> None:
    before = host.write("mail_version = 2.11.3\n")
    host.attach("--yes")
    host.main_cf.write_text(host.text + "# changed since\n")
    attached = host.text
    host.tools.refused = {("-X", "milter_default_action"): "postconf: fatal: no space left"}
    status, _, err = host.detach("--yes")
    assert (status, err) == (2, "dmarc-milter: postconf: postconf: fatal: no space left\n")
    assert (host.text, record.NAME in host.files, len(host.tools.reloads)) == (attached, True, 1)
    host.tools.refused = {}
    assert host.detach("--yes")[0] == 0
    assert host.text == f"{before}# changed since\n"


def test_a_postfix_that_cannot_reload(host: Host) -> None:
    host.tools.reload_error = "postfix: fatal: bad main.cf\n"
    status, _, err = host.attach("--yes")
    assert (status, err) == (2, "dmarc-milter: postfix reload failed: postfix: fatal: bad main.cf\n")
    # Detach can undo what was written.
    host.tools.reload_error = ""
    assert host.detach("--yes")[0] == 0
    assert host.text == MAIN
