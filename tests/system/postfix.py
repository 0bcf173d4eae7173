"""A Postfix of the tests' own: its configuration, queue and port; mail is read back from where it delivered it."""

import os
import shutil
import smtplib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.waiting import free_port, wait_for

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = all
alias_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}/boxes
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtputf8_enable = no
message_size_limit = 60000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
# Fields of strangers are not rewritten; every connection is from loopback here, whatever XCLIENT says.
local_header_rewrite_clients =
smtpd_milters = {milter}
milter_default_action = {default_action}
milter_connect_timeout = 5s
"""


class Postfix:
    """Started on construction; `milter` is as in smtpd_milters, `more_main` and `more_master` are more lines.

    `prefix` is put before its commands.
    """

    def __init__(
        self,
        folder: Path,
        milter: str,
        default_action: str = "tempfail",
        *,
        more_main: str = "",
        more_master: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._prefix = prefix
        self.port = free_port()
        for name in ("queue", "data", "boxes", "etc"):
            (folder / name).mkdir(parents=True)
        shutil.chown(folder / "data", "postfix")
        os.chown(folder / "boxes", 65534, 65534)
        values = {"folder": folder, "milter": milter, "default_action": default_action}
        (folder / "etc" / "main.cf").write_text(MAIN.format(**values) + more_main)
        (folder / "etc" / "master.cf").write_text(MASTER.format(port=self.port) + more_master)
        self._postfix("start")
        try:
            wait_for(self._answers, "Postfix to listen")
        except BaseException:
            self.stop()
            raise

    def _postfix(self, command: str) -> None:
        arguments = ["/usr/sbin/postfix", "-c", str(self._folder / "etc"), command]
        subprocess.run([*self._prefix, *arguments], check=True, capture_output=True)

    def _answers(self) -> bool:
        try:
            smtplib.SMTP("127.0.0.1", self.port, timeout=5).quit()
        except OSError:
            return False
        return True

    def session(self, client: str, helo: str, login: str = "") -> smtplib.SMTP:
        """An SMTP session that seems to come from `client`, and to be authenticated as `login`."""
        smtp = smtplib.SMTP("127.0.0.1", self.port, timeout=60)
        smtp.ehlo("test.invalid")
        name = "IPV6:" + client if ":" in client else client
        attributes = f"ADDR={name} NAME=[UNAVAILABLE] HELO={helo}" + (f" LOGIN={login}" if login else "")
        code, text = smtp.docmd(f"XCLIENT {attributes}")
        assert code == 220, text
        smtp.ehlo(helo)
        return smtp

    def delivered(self) -> list[bytes]:
        """The messages delivered so far, oldest first."""
        new = sorted((self._folder / "boxes" / "box" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in new]

    def wait_for_delivery(self, count: int) -> list[bytes]:
        """The messages, once there are `count`."""
        wait_for(lambda: len(self.delivered()) >= count, f"{count} messages")
        return self.delivered()

    def queue(self, name: str) -> list[Path]:
        """The files in a queue: hold, deferred, active."""
        return [path for path in (self._folder / "queue" / name).rglob("*") if path.is_file()]

    @property
    def log(self) -> str:
        """What Postfix logged."""
        return (self._folder / "log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Stop it and all its processes."""
        self._postfix("abort")
