"""A real Postfix with the real filter behind it."""

import smtplib
from pathlib import Path

from dmarc_milter.demo.nameserver import NameServerThread
from tests.running import RunningFilter
from tests.system.postfix import Postfix, free_port

RECIPIENT = "you@example.org"


class Site:
    """Filter and Postfix together, in mode enforce; `milter` are lines of [milter], `policy` of [policy] and below."""

    def __init__(
        self,
        folder: Path,
        server: NameServerThread,
        policy: str = "",
        milter: str = "",
        listen: str = "",
        default_action: str = "tempfail",
    ) -> None:
        listen = listen or f"inet:{free_port()}@127.0.0.1"
        dns = f'[dns]\nnameservers = ["{server.address}"]\ndeadline = 8.0\n'
        (folder / "filter").mkdir()
        self.filter = RunningFilter(folder / "filter", listen, f'{milter}{dns}[policy]\nmode = "enforce"\n{policy}')
        port, _, host = listen.removeprefix("inet:").partition("@")
        self.postfix = Postfix(folder / "postfix", f"inet:{host}:{port}" if host else listen, default_action)

    def deliver(self, message: bytes, client: str, helo: str, mail_from: str, login: str = "") -> tuple[int, bytes]:
        """Send `message`; returns Postfix's answer to DATA."""
        with self.postfix.session(client, helo, login) as smtp:
            return transact(smtp, mail_from, message)

    def stop(self) -> None:
        """End both."""
        self.postfix.stop()
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
