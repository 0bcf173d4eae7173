"""A real MTA with the real filter behind it."""

import smtplib
from pathlib import Path

from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter
from tests.support.waiting import free_port
from tests.system.postfix import Postfix
from tests.system.sendmail import Sendmail

RECIPIENT = "you@example.org"


class Site:
    """Filter and MTA together, in mode enforce; `milter` are lines of [milter], `policy` of [policy] and below."""

    def __init__(
        self,
        folder: Path,
        server: NameServerThread,
        policy: str = "",
        milter: str = "",
        listen: str = "",
        default_action: str = "tempfail",
        mta: str = "postfix",
    ) -> None:
        listen = listen or (f"inet:{free_port()}@127.0.0.1" if mta == "postfix" else f"unix:{folder}/milter.sock")
        dns = f'[dns]\nnameservers = ["{server.address}"]\ndeadline = 8.0\n'
        (folder / "filter").mkdir()
        self.filter = RunningFilter(folder / "filter", listen, f'{milter}{dns}[policy]\nmode = "enforce"\n{policy}')
        try:
            self.mta = self._start(mta, folder / mta, listen, default_action)
        except BaseException:
            self.filter.stop()
            raise

    @staticmethod
    def _start(mta: str, folder: Path, listen: str, default_action: str) -> Postfix | Sendmail:
        if mta == "sendmail":
            return Sendmail(folder, listen, default_action)
        port, _, host = listen.removeprefix("inet:").partition("@")
        return Postfix(folder, f"inet:{host}:{port}" if host else listen, default_action)

    def deliver(self, message: bytes, client: str, helo: str, mail_from: str, login: str = "") -> tuple[int, bytes]:
        """Send `message`; returns the MTA's answer to DATA."""
        with self.mta.session(client, helo, login) as smtp:
            return transact(smtp, mail_from, message)

    def stop(self) -> None:
        """End both."""
        self.mta.stop()
        self.filter.stop()


def transact(smtp: smtplib.SMTP, mail_from: str, message: bytes) -> tuple[int, bytes]:
    smtp.mail(mail_from)
    smtp.rcpt(RECIPIENT)
    return smtp.data(message)


def results(message: bytes) -> list[str]:
    """The Authentication-Results fields of a delivered message, unfolded."""
    head = message.replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n\t", b" ").replace(b"\n ", b" ")
    return [
        " ".join(line.decode().partition(":")[2].split())
        for line in head.split(b"\n")
        if line.lower().startswith(b"authentication-results:")
    ]
