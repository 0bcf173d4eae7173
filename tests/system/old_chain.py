"""Postfix with OpenDKIM, OpenDMARC and policyd-spf, as many run it, and this filter in front of them.

OpenDMARC and policyd-spf ask whom /etc/resolv.conf names: they run where another file is mounted over it.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter
from tests.support.waiting import free_port
from tests.system.old_programs import end, opendmarc, policyd_spf
from tests.system.opendkim import OpenDkim
from tests.system.postfix import Postfix
from tests.system.servers import need_programs
from tests.system.site import RECIPIENT

OLD_ID, OUR_ID = "mx.example.org", "new.example.org"
HOST = "127.0.5.3"
"""Where no resolver of the system listens on port 53."""
OPENDKIM = {"AuthservID": OLD_ID, "Mode": "v", "Nameservers": HOST}
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


class OldChain:
    """All of them, started on construction, asking a name server with `zone`; a context manager."""

    def __init__(self, folder: Path, zone: ZoneResolver) -> None:
        need_programs("opendkim", "opendmarc", "policyd-spf")
        if os.geteuid() != 0:
            pytest.skip("needs root, to mount another /etc/resolv.conf")
        self._closing = ExitStack()
        with self._closing:
            server = self._closing.enter_context(NameServerThread(zone, host=HOST, port=53))
            (folder / "resolv.conf").write_text(f"nameserver {HOST}\noptions timeout:2 attempts:1\n")
            over = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"'
            self._prefix = ["unshare", "--mount", "sh", "-c", over, "sh"]
            port, dmarc_port = free_port(), free_port()
            self.filter = RunningFilter(
                folder,
                f"inet:{port}@127.0.0.1",
                f'authserv_id = "{OUR_ID}"\n[dns]\nnameservers = ["{server.address}"]\n',
            )
            self._closing.callback(self.filter.stop)
            verifier = self._closing.enter_context(OpenDkim(folder / "opendkim", OPENDKIM, self._prefix))
            (folder / "opendmarc.conf").write_text(f"{OPENDMARC}Socket inet:{dmarc_port}@127.0.0.1\n")
            judge = opendmarc(folder / "opendmarc.conf", f"inet:{dmarc_port}")
            self._closing.callback(end, judge.start(folder / "opendmarc.log", self._prefix))
            (folder / "policyd.conf").write_text(POLICYD)
            self.postfix = Postfix(
                folder / "postfix",
                f"inet:127.0.0.1:{port}, unix:{verifier.socket}, inet:127.0.0.1:{dmarc_port}",
                more_main=MAIN,
                more_master=policyd_spf("policyd", folder / "policyd.conf"),
                prefix=self._prefix,
            )
            self._closing.callback(self.postfix.stop)
            self._closing = self._closing.pop_all()

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
