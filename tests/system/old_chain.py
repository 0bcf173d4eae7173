"""Postfix with OpenDKIM, OpenDMARC and policyd-spf, as many run it, and this filter in front of them.

OpenDMARC and policyd-spf ask whom /etc/resolv.conf names: they run where another file is mounted over it.
"""

import os
import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter
from tests.support.waiting import free_port, wait_for
from tests.system.postfix import Postfix
from tests.system.servers import need
from tests.system.site import RECIPIENT

OLD_ID, OUR_ID = "mx.example.org", "new.example.org"
HOST = "127.0.5.3"
"""Where no resolver of the system listens on port 53."""
OPENDKIM = f"""\
AuthservID {OLD_ID}
Mode v
Syslog no
RequireSafeKeys no
AlwaysAddARHeader yes
On-Default accept
"""
OPENDMARC = f"""\
AuthservID {OLD_ID}
TrustedAuthservIDs {OLD_ID}
RejectFailures true
HoldQuarantinedMessages false
Syslog false
"""
POLICYD = f"""\
debugLevel = 1
TestOnly = 1
HELO_reject = False
Mail_From_reject = Fail
Header_Type = AR
Authserv_Id = {OLD_ID}
skip_addresses = 127.0.0.0/8
"""
MAIN = """\
smtpd_sender_restrictions = check_policy_service unix:private/policyd
"""
MASTER = "policyd unix - n n - 0 spawn user=nobody argv={program} {folder}/policyd.conf\n"


class OldChain:
    """All of them, started on construction, asking a name server with `zone`; a context manager."""

    def __init__(self, folder: Path, zone: ZoneResolver) -> None:
        opendkim = need(shutil.which("opendkim", path="/usr/sbin"), "opendkim")
        opendmarc = need(shutil.which("opendmarc", path="/usr/sbin"), "opendmarc")
        policyd = need(shutil.which("policyd-spf"), "postfix-policyd-spf-python")
        if os.geteuid() != 0:
            pytest.skip("needs root, to mount another /etc/resolv.conf")
        self._closing = ExitStack()
        with self._closing:
            server = self._closing.enter_context(NameServerThread(zone, host=HOST, port=53))
            (folder / "resolv.conf").write_text(f"nameserver {HOST}\noptions timeout:2 attempts:1\n")
            over = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"'
            self._prefix = ["unshare", "--mount", "sh", "-c", over, "sh"]
            ours = f"inet:{free_port()}@127.0.0.1"
            self.filter = RunningFilter(
                folder, ours, f'authserv_id = "{OUR_ID}"\n[dns]\nnameservers = ["{server.address}"]\n'
            )
            self._closing.callback(self.filter.stop)
            milters = [
                f"inet:127.0.0.1:{ours.partition(':')[2].partition('@')[0]}",
                self._milter(folder, opendkim, ["-f", "-x"], f"{OPENDKIM}Nameservers {HOST}\n"),
                self._milter(folder, opendmarc, ["-f", "-c"], OPENDMARC),
            ]
            (folder / "policyd.conf").write_text(POLICYD)
            self.postfix = Postfix(
                folder / "postfix",
                ", ".join(milters),
                more_main=MAIN,
                more_master=MASTER.format(program=policyd, folder=folder),
                prefix=self._prefix,
            )
            self._closing.callback(self.postfix.stop)
            self._closing = self._closing.pop_all()

    def _milter(self, folder: Path, program: str, options: list[str], settings: str) -> str:
        """Start it; its address as in smtpd_milters."""
        port = free_port()
        config = folder / f"{Path(program).name}.conf"
        config.write_text(f"{settings}Socket inet:{port}@127.0.0.1\n")
        process = subprocess.Popen([*self._prefix, program, *options, str(config)])
        self._closing.callback(process.wait)
        # Nothing has to be saved, and some take long over a SIGTERM.
        self._closing.callback(process.kill)
        wait_for(lambda: _is_open(port), f"{program} to listen")
        return f"inet:127.0.0.1:{port}"

    def __enter__(self) -> "OldChain":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def send(self, message: bytes, client: str, mail_from: str) -> int:
        """The code of the MTA's answer: to RCPT, or to DATA."""
        with self.postfix.session(client, "out.example", "") as smtp:
            smtp.mail(mail_from)
            code, _ = smtp.rcpt(RECIPIENT)
            return code if code >= 400 else smtp.data(message)[0]


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
