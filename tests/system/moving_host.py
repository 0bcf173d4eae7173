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
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import wait_for
from tests.system.moving_shapes import SHAPES, Shape
from tests.system.old_programs import Daemon

OURS = [sys.executable, "-m", "dmarc_milter"]
SETTINGS = Path("/etc/dmarc-milter/dmarc-milter.toml")
_FILTER = Daemon((*OURS, "serve", "--config", str(SETTINGS)), "/var/spool/postfix/dmarc-milter/dmarc-milter.sock")
MAILBOX_PORT = 10026
"""Where the mailboxes take mail by LMTP, if not from Postfix itself."""
OUTGOING = b"From: me@example.org\r\nTo: you@example.org\r\nSubject: out\r\n\r\nx\r\n"


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
local_header_rewrite_clients =
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
        daemon = _FILTER if unit == "dmarc-milter" else self.shape.daemons[unit]
        self.processes[unit] = daemon.start(Path(f"/var/log/{unit}.log"))

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
            elif (verb, unit) == ("reload", "dmarc-milter"):
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


def _postfix_answers() -> bool:
    with contextlib.suppress(OSError):
        smtplib.SMTP("127.0.0.1", 25, timeout=10).quit()
        return True
    return False


BOUNCE = b"From: postmaster@hobby.example\r\nTo: you@example.org\r\nSubject: not delivered\r\n\r\nx\r\n"
BANK, CROOK = ("192.0.2.10", "mail.bank.example"), ("203.0.113.66", "mail.crook.example")
"""Address and HELO of clients."""


@dataclass(frozen=True)
class Letter:
    """A message without a signature, but for those of the demo."""

    author: bytes
    """The value of From."""
    client: tuple[str, str] = BANK
    mail_from: str = "news@bank.example"
    more: bytes = b""
    """Further header fields."""
    body: bytes = b"x\r\n"

    @property
    def message(self) -> bytes:
        """Header and body."""
        return b"From: " + self.author + b"\r\nTo: you@example.org\r\n" + self.more + b"\r\n" + self.body


LETTERS = {
    "null-spoof": Letter(b"news@bank.example", CROOK, ""),
    "null-of-the-bank": Letter(b"postmaster@bank.example", BANK, ""),
    "capitals": Letter(b"NEWS@BANK.EXAMPLE"),
    "quoted": Letter(b'"news and more"@bank.example'),
    "folded": Letter(b"=?utf-8?q?B=C3=A4nk?=\r\n (a comment; with signs)\r\n <news@bank.example>"),
    "long": Letter(b"news@bank.example", body=b"A line of a long message.\r\n" * 10_000),
    "name-like-an-address": Letter(b'"news@bank.example" <x@crook.example>', CROOK, "x@crook.example"),
    "list": Letter(
        b"somebody@hobby.example",
        ("198.51.100.7", "forwarder.example"),
        "list-bounces@forwarder.example",
        b"List-Id: <talk.forwarder.example>\r\nList-Post: <mailto:talk@forwarder.example>\r\n",
    ),
    "of-no-policy": Letter(b"x@crook.example", CROOK, "x@crook.example"),
}
BOX = Path("/var/mail/box/new")


@dataclass
class Sender:
    """Messages over SMTP, each with what became of it."""

    mailboxes: SmtpSink
    """Where mail arrives by LMTP."""
    seen: set[str] = field(default_factory=set)

    def all(self) -> dict[str, object]:
        """The demo's examples as if from their clients, one of our own users, and one that is written on the host."""
        outcomes: dict[str, object] = {}
        for example in EXAMPLES:
            fields, body = example.content
            message = b"".join(name + b":" + value + b"\r\n" for name, value in fields) + b"\r\n" + body
            outcomes[example.name] = self._one(message, example.client, example.helo, example.mail_from)
            if example.name == "signed":
                altered = message.rstrip() + b"\r\nunsubscribe: x\r\n"
                outcomes["altered"] = self._one(altered, "198.51.100.7", "forwarder.example", "list@forwarder.example")
        crook = ("203.0.113.66", "mail.crook.example")
        outcomes["bounce"] = self._one(BOUNCE, *crook, "")
        outcomes["no-author"] = self._one(BOUNCE.partition(b"\r\n")[2], *crook, "x@crook.example")
        outcomes["our-name"] = self._one(OUTGOING, *crook, "x@crook.example")
        for name, letter in LETTERS.items():
            outcomes[name] = self._one(letter.message, *letter.client, letter.mail_from)
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
        """The one message that is new."""
        wait_for(self._new, "the delivery")
        ((name, message),) = self._new().items()
        self.seen.add(name)
        return message

    def _new(self) -> dict[str, str]:
        there = {str(number): taken.message.decode() for number, taken in enumerate(self.mailboxes.taken)}
        if BOX.is_dir():
            there |= {name: (BOX / name).read_text() for name in os.listdir(BOX)}
        return {name: message for name, message in there.items() if name not in self.seen}


def _bind(source: Path, target: str) -> None:
    subprocess.run(["mount", "--bind", str(source), target], check=True)


def _copied(folder: Path, original: Path, owner: str) -> None:
    """A copy in the place of a folder of the system."""
    copy = folder / original.name
    subprocess.run(["cp", "-a", str(original), str(copy)], check=True)
    shutil.chown(copy, owner)
    _bind(copy, str(original))


def _set_up(folder: Path, shape: Shape) -> None:
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["hostname", "mx.example.org"], check=True)
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    for name in ("run", "spool", "log", "mail", "lib"):
        (folder / name).mkdir()
    etc = folder / "etc"
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (etc / "mailname").write_text("mx.example.org\n")
    for name in ("opendkim.conf", "opendmarc.conf"):
        (etc / name).unlink(missing_ok=True)
    for name in (
        "postfix-policyd-spf-python",
        "default/opendkim",
        "default/opendmarc",
        "pyspf-milter",
        "dkimpy-milter",
    ):
        path = etc / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for unit in ("rspamd", "amavis"):
        if unit not in shape.daemons:
            shutil.rmtree(etc / unit, ignore_errors=True)
    for name, text in shape.files.items():
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).write_text(text)
    (etc / "dkimkeys").mkdir(exist_ok=True)
    subprocess.run(["opendkim-genkey", "-D", str(etc / "dkimkeys"), "-d", "example.org", "-s", "s"], check=True)
    if "rspamd" in shape.daemons:
        for path in (etc / "dkimkeys", etc / "dkimkeys/s.private"):
            shutil.chown(path, "_rspamd")
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
    for name, owner in shape.folders.items():
        _copied(folder, Path(name), owner)
    subprocess.run(["postfix", "set-permissions", "create-missing"], check=False, capture_output=True)
    for unit in ("opendkim", "opendmarc", "dmarc-milter"):
        Path(f"/var/spool/postfix/{unit}").mkdir(mode=0o755, exist_ok=True)
    Path("/var/mail").chmod(0o777)


def main() -> None:
    """See the module."""
    folder, shape = Path(sys.argv[1]), SHAPES[sys.argv[2]]
    _set_up(folder, shape)
    with (
        NameServerThread(ZoneResolver.from_text(zone_text()), port=53),
        SmtpSink(port=MAILBOX_PORT) as mailboxes,
    ):
        host, sender = Host(shape), Sender(mailboxes)
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
        found["report"] = report
        found["bounced"] = [line for line in Path("/var/log/postfix.log").read_text().splitlines() if "bounced" in line]
        subprocess.run(["postfix", "stop"], check=False, capture_output=True)
        for unit in list(host.processes):
            host.stop(unit)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
