"""A Sendmail of the tests' own, in a network namespace where clients have the addresses they claim.

Debian's packages of Postfix and Sendmail exclude each other: script/setup unpacks Sendmail into .sendmail instead.
"""

import ctypes
import smtplib
import socket
import subprocess
import threading
from pathlib import Path

from dmarc_milter.attaching import sendmail
from dmarc_milter.settings.addresses import listen_address
from tests.support.waiting import wait_for
from tests.system.servers import need

UNPACKED = Path(__file__).resolve().parents[2] / ".sendmail"
CLONE_NEWNET = 0x40000000
PORT = 25

SENDMAIL_MC = """\
include(`{cf}/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.example.org')dnl
define(`confCW_FILE', `{folder}/local-host-names')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`HELP_FILE', `{folder}/help')dnl
define(`ALIAS_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/service.switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')dnl
define(`confFORWARD_PATH', `')dnl
define(`confTO_IDENT', `0')dnl
define(`confMAX_MESSAGE_SIZE', `60000000')dnl
define(`confLOG_LEVEL', `0')dnl
define(`LOCAL_MAILER_PATH', `{folder}/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u')dnl
MODIFY_MAILER_FLAGS(`LOCAL', `-Aw5@|:/')dnl
FEATURE(`use_cw_file')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
DAEMON_OPTIONS(`Name=MTA, Port={port}, Addr=127.0.0.1')dnl
FEATURE(`no_default_msa')dnl
{filter}
MAILER(`local')dnl
MAILER(`smtp')dnl
"""

DELIVER = """\
#!/bin/sh
# Whole files only: written under another name first.
exec 2>>{folder}/deliver.log
new=$(mktemp {folder}/boxes/part.XXXXXX) && cat >"$new" && mv "$new" "{folder}/boxes/$(date +%s%N)"
"""


class Sendmail:
    """Started on construction; `milter` is an address as in [milter] listen: a unix socket."""

    def __init__(self, folder: Path, milter: str, default_action: str = "tempfail") -> None:
        self._folder = folder
        program = UNPACKED / "usr/libexec/sendmail/sendmail"
        need(str(program) if program.exists() else None, "sendmail-bin, unpacked by script/setup test")
        for name in ("queue", "boxes"):
            (folder / name).mkdir(parents=True)
        (folder / "boxes").chmod(0o1777)
        (folder / "local-host-names").write_text("example.org\n")
        (folder / "service.switch").write_text("hosts files\naliases files\n")
        (folder / "deliver.log").touch(0o666)
        (folder / "deliver.log").chmod(0o666)
        (folder / "deliver").write_text(DELIVER.format(folder=folder))
        (folder / "deliver").chmod(0o755)
        self._configure(milter, default_action)
        # Its own network (127.0.0.1 and whatever addresses clients are to have), and a host name with a dot, for which
        # Sendmail would otherwise wait a minute.
        # The shell stays: a program that is set-group-id would not die with unshare.
        run = f"{program} -C {folder}/sendmail.cf -bD -X {folder}/dialogue"
        start = f"hostname mx.example.org && ip link set lo up && {run}; exit $?"
        with (folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                ["unshare", "--net", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c", start],
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(self._answers, "Sendmail to listen")
        except BaseException:
            self.stop()
            raise

    def _configure(self, milter: str, default_action: str) -> None:
        """sendmail.cf out of a sendmail.mc with the very line that `attach sendmail` tells."""
        line = sendmail.line(listen_address(milter), fail_temporarily=default_action == "tempfail")
        cf = UNPACKED / "usr/share/sendmail/cf"
        text = SENDMAIL_MC.format(cf=cf, folder=self._folder, port=PORT, filter=line)
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={cf}/"], input=text, capture_output=True, text=True, check=True, cwd=cf / "cf"
        )
        (self._folder / "sendmail.cf").write_text(made.stdout)

    def _connect(self, client: str) -> socket.socket:
        """A connection from `client` inside the namespace; only the thread that opens the socket enters it."""
        version = "-6" if ":" in client else "-4"
        enter = ["nsenter", "--net", "--target", str(self._process.pid)]
        added = subprocess.run([*enter, "ip", version, "address", "replace", client, "dev", "lo"], check=False)
        assert added.returncode == 0
        made: list[socket.socket | OSError] = []

        def inside() -> None:
            try:
                made.append(self._socket_inside(client))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        (found,) = made
        if isinstance(found, OSError):
            raise found
        return found

    def _socket_inside(self, client: str) -> socket.socket:
        with Path(f"/proc/{self._process.pid}/ns/net").open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_connection(("127.0.0.1", PORT), timeout=60, source_address=(client, 0))

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with self._connect("127.0.0.1") as connected:
                return connected.recv(3) == b"220"
        except OSError:
            return False

    def session(self, client: str, helo: str, login: str = "") -> smtplib.SMTP:
        """An SMTP session from `client`."""
        assert not login, "no authentication here"
        smtp = smtplib.SMTP(local_hostname=helo, timeout=60)
        smtp.sock = self._connect(client)
        code, text = smtp.getreply()
        assert code == 220, text
        smtp.ehlo()
        return smtp

    def delivered(self) -> list[bytes]:
        """The messages delivered so far, oldest first."""
        found = [path for path in (self._folder / "boxes").iterdir() if not path.name.startswith("part.")]
        return [path.read_bytes() for path in sorted(found)]

    def wait_for_delivery(self, count: int) -> list[bytes]:
        """The messages, once there are `count`."""
        wait_for(lambda: len(self.delivered()) >= count, f"{count} messages")
        return self.delivered()

    def queue(self, name: str) -> list[Path]:
        """The queue's control files; "hold" are the quarantined."""
        return list((self._folder / "queue").glob("hf*" if name == "hold" else "qf*"))

    def stop(self) -> None:
        """End it and all its processes: --kill-child."""
        self._process.kill()
        self._process.wait(30)
