"""A host with an old chain, moved to this filter by the steps that `dmarc-milter migrate` tells, followed to the letter.

Run by tests/system/test_moving.py as root in namespaces of its own (mounts, network, processes), with a folder and the name
of a shape. The folder takes the place of /etc, /run and /var/spool/postfix. Prints JSON: what became of each message before,
beside, and after.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import smtplib
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.waiting import is_listening, wait_for

OURS = [sys.executable, "-m", "dmarc_milter"]
SETTINGS = Path("/etc/dmarc-milter/dmarc-milter.toml")
OUTGOING = b"From: me@example.org\r\nTo: you@example.org\r\nSubject: out\r\n\r\nx\r\n"


@dataclass(frozen=True)
class Shape:
    """Files below /etc, and the daemons that listen; the keys of signing are made."""

    main_cf: str
    files: dict[str, str]
    daemons: dict[str, tuple[list[str], str]]
    """By unit: the command, and where it listens."""
    master_cf: str = ""


_DKIM = (
    "Domain example.org\nSelector s\nKeyFile /etc/dkimkeys/s.private\nSyslog no\nUserID root\nNameservers 127.0.0.1\n"
)
_DMARC = (
    "RejectFailures true\nSyslog no\nUserID root\nIgnoreAuthenticatedClients true\nTrustedAuthservIDs mx.example.org\n"
)
_POLICYD = "Header_Type = AR\nAuthserv_Id = mx.example.org\ndebugLevel = 0\n"
_SPF_SERVICE = "policyd-spf unix - n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf\n"
_RESTRICTIONS = (
    "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service unix:private/policyd-spf\n"
)
_INET = {
    "opendkim": (["opendkim", "-f", "-x", "/etc/opendkim.conf"], "inet:8891"),
    "opendmarc": (["opendmarc", "-f", "-c", "/etc/opendmarc.conf"], "inet:8893"),
}
SHAPES = {
    # A tutorial's: three programs, and one list for everything.
    "tutorial": Shape(
        "smtpd_milters = inet:localhost:8891, inet:localhost:8893\nnon_smtpd_milters = $smtpd_milters\n"
        + _RESTRICTIONS,
        {
            "opendkim.conf": f"Mode sv\nAuthservID mx.example.org\nSocket inet:8891@localhost\n{_DKIM}",
            "opendmarc.conf": f"AuthservID mx.example.org\nSocket inet:8893@localhost\n{_DMARC}",
            "postfix-policyd-spf-python/policyd-spf.conf": _POLICYD + "Mail_From_reject = False\nHELO_reject = False\n",
        },
        _INET,
        _SPF_SERVICE,
    ),
    # docker-mailserver's: parameters name the filters.
    "parameters": Shape(
        "dkim_milter = inet:localhost:8891\ndmarc_milter = inet:localhost:8893\n"
        "smtpd_milters = $dkim_milter $dmarc_milter\nnon_smtpd_milters = $dkim_milter\n" + _RESTRICTIONS,
        {
            "opendkim.conf": f"Mode sv\nSocket inet:8891@localhost\n{_DKIM}",
            "opendmarc.conf": f"AuthservID mx.example.org\nSocket inet:8893@localhost\n{_DMARC}",
            "postfix-policyd-spf-python/policyd-spf.conf": _POLICYD + "Mail_From_reject = False\nHELO_reject = False\n",
        },
        _INET,
        _SPF_SERVICE,
    ),
    # Debian's page: sockets below the queue directory; OpenDMARC checks SPF itself.
    "sockets": Shape(
        "smtpd_milters = local:opendkim/opendkim.sock,local:opendmarc/opendmarc.sock\nnon_smtpd_milters = $smtpd_milters\n",
        {
            "opendkim.conf": "Mode sv\nSocket local:/var/spool/postfix/opendkim/opendkim.sock\nUMask 000\n" + _DKIM,
            "opendmarc.conf": "AuthservID OpenDMARC\nSPFIgnoreResults true\nSPFSelfValidate true\nUMask 000\n"
            f"Socket local:/var/spool/postfix/opendmarc/opendmarc.sock\n{_DMARC}",
        },
        {
            "opendkim": (_INET["opendkim"][0], "/var/spool/postfix/opendkim/opendkim.sock"),
            "opendmarc": (_INET["opendmarc"][0], "/var/spool/postfix/opendmarc/opendmarc.sock"),
        },
    ),
}
MAIN_CF = """compatibility_level = 3.6
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_client_connection_count_limit = 0
maillog_file = /var/log/postfix.log
"""
MASTER_CF = """smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
virtual unix - n n - - virtual
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
trace unix - - n - 0 bounce
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass
class Host:
    """The daemons that run."""

    shape: Shape
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, unit: str) -> None:
        """A unit of the host."""
        if unit == "postfix":
            subprocess.run(["postfix", "start"], check=True, capture_output=True)
            wait_for(_postfix_answers, "Postfix")
            return
        command, where = (
            ([*OURS, "serve", "--config", str(SETTINGS)], "/var/spool/postfix/dmarc-milter/dmarc-milter.sock")
            if unit == "dmarc-milter"
            else self.shape.daemons[unit]
        )
        with open(f"/var/log/{unit}.log", "ab") as log:
            self.processes[unit] = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: _listens(where), unit)

    def stop(self, unit: str) -> None:
        """The same."""
        process = self.processes.pop(unit, None)
        if process is not None:
            process.terminate()
            process.wait(60)

    def systemctl(self, *words: str) -> None:
        """As far as the steps use it."""
        verb, units = words[0], [each for each in words[1:] if not each.startswith("-")]
        for unit in units:
            if (verb, unit) == ("reload", "postfix"):
                subprocess.run(["postfix", "reload"], check=True, capture_output=True)
                # Servers that run finish their session; ours have none.
                wait_for(_postfix_answers, "Postfix")
            elif verb == "reload":
                seen = _said(unit)
                self.processes[unit].send_signal(signal.SIGHUP)
                wait_for(partial(_has_said_more, unit, seen), "the reload")
            else:
                self.stop(unit)
                if verb != "disable":
                    self.start(unit)

    def obey(self, line: str) -> None:
        """One command of a step."""
        words = shlex.split(line)
        if words[0] == "systemctl":
            self.systemctl(*words[1:])
        else:
            subprocess.run(line, shell=True, check=True, capture_output=True)


def _said(unit: str) -> int:
    return Path(f"/var/log/{unit}.log").read_text().count("serving on")


def _has_said_more(unit: str, before: int) -> bool:
    return _said(unit) > before


def _listens(where: str) -> bool:
    if where.startswith("inet:"):
        import socket

        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", int(where.removeprefix("inet:"))), 5).close()
            return True
        return False
    return is_listening(where)


def _postfix_answers() -> bool:
    with contextlib.suppress(OSError):
        smtplib.SMTP("127.0.0.1", 25, timeout=10).quit()
        return True
    return False


BOX = Path("/var/mail/box/new")


@dataclass
class Sender:
    """Messages over SMTP, each with what became of it."""

    seen: set[str] = field(default_factory=set)

    def all(self) -> dict[str, object]:
        """The demo's examples as if from their clients, one of our own users, and one that is written on the host."""
        outcomes: dict[str, object] = {}
        for example in EXAMPLES:
            fields, body = example.content
            message = b"".join(name + b":" + value + b"\r\n" for name, value in fields) + b"\r\n" + body
            outcomes[example.name] = self._one(message, example.client, example.helo, example.mail_from)
        outcomes["outgoing"] = self._one(OUTGOING, None, "me", "me@example.org")
        subprocess.run(
            ["sendmail", "-f", "cron@bank.example", "you@example.org"],
            input=b"From: cron@bank.example\n\nx\n",
            check=True,
        )
        outcomes["cron"] = self._delivered()
        return outcomes

    def _one(self, message: bytes, client: str | None, helo: str, mail_from: str) -> object:
        with smtplib.SMTP("127.0.0.1", 25, timeout=60) as smtp:
            smtp.ehlo("test.invalid")
            if client is not None:
                smtp.docmd(f"XCLIENT ADDR={client} NAME=[UNAVAILABLE] HELO={helo}")
                smtp.ehlo(helo)
            smtp.mail(mail_from)
            code, text = smtp.rcpt("you@example.org")
            if code == 250:
                code, text = smtp.data(message)
        return self._delivered() if code == 250 else [code, text.decode()]

    def _delivered(self) -> str:
        wait_for(lambda: BOX.is_dir() and set(os.listdir(BOX)) - self.seen, "the delivery")
        (new,) = set(os.listdir(BOX)) - self.seen
        self.seen.add(new)
        return (BOX / new).read_text()


def _bind(source: Path, target: str) -> None:
    subprocess.run(["mount", "--bind", str(source), target], check=True)


def _set_up(folder: Path, shape: Shape) -> None:
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    for name in ("run", "spool", "log", "mail", "lib"):
        (folder / name).mkdir()
    etc = folder / "etc"
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    for name in ("opendkim.conf", "opendmarc.conf"):
        (etc / name).unlink(missing_ok=True)
    for name in (
        "postfix-policyd-spf-python",
        "default/opendkim",
        "default/opendmarc",
        "rspamd",
        "pyspf-milter",
        "dkimpy-milter",
    ):
        path = etc / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name, text in shape.files.items():
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).write_text(text)
    (etc / "dkimkeys").mkdir(exist_ok=True)
    subprocess.run(["opendkim-genkey", "-D", str(etc / "dkimkeys"), "-d", "example.org", "-s", "s"], check=True)
    (etc / "postfix/main.cf").write_text(MAIN_CF + shape.main_cf)
    (etc / "postfix/master.cf").write_text(MASTER_CF + shape.master_cf)
    for name, target in {
        "etc": "/etc",
        "run": "/run",
        "spool": "/var/spool/postfix",
        "log": "/var/log",
        "mail": "/var/mail",
        "lib": "/var/lib/postfix",
    }.items():
        (folder / name).chmod(0o755)
        _bind(folder / name, target)
    shutil.chown("/var/lib/postfix", "postfix", "postfix")
    subprocess.run(["postfix", "set-permissions", "create-missing"], check=False, capture_output=True)
    for unit in ("opendkim", "opendmarc", "dmarc-milter"):
        Path(f"/var/spool/postfix/{unit}").mkdir(mode=0o755, exist_ok=True)
    Path("/var/mail").chmod(0o777)


def main() -> None:
    """See the module."""
    folder, shape = Path(sys.argv[1]), SHAPES[sys.argv[2]]
    _set_up(folder, shape)
    host, sender = Host(shape), Sender()
    with NameServerThread(ZoneResolver.from_text(zone_text()), port=53):
        for unit in (*shape.daemons, "postfix"):
            host.start(unit)
        found: dict[str, object] = {"before": sender.all()}
        done = subprocess.run([*OURS, "migrate", "--json"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        for step, name in zip(report["steps"], ("beside", "after", "cleaned"), strict=True):
            for command in step["commands"]:
                host.obey(command["line"])
            found[name] = sender.all()
        found["main.cf"] = subprocess.run(["postconf", "-n"], capture_output=True, text=True, check=True).stdout
        subprocess.run(["postfix", "stop"], check=False, capture_output=True)
        for unit in list(host.processes):
            host.stop(unit)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
