"""How reports leave this host: by SMTP to an MTA, by submission, or through the program sendmail."""

import re
import smtplib
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Protocol

SECONDS = 60.0
SENDMAIL = "/usr/sbin/sendmail"
_NOT_YET, _FOR_GOOD, _CLOSING = 400, 500, 421
_TEMPORARY = 75
"""EX_TEMPFAIL (sysexits(3))."""
_UNKNOWN_USER = 67


class Outcome(Enum):
    """What the MTA said."""

    TAKEN = "taken"
    LATER = "later"
    """4xx: this one is to be tried again."""
    REFUSED = "refused"
    """5xx: for good."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The MTA's answer to one mail for one address."""

    outcome: Outcome
    text: str
    """Code and words, on one line."""


class UnreachableMtaError(Exception):
    """The MTA cannot be reached, or does not want us at all: nothing more is tried in this run."""


class BrokenOffError(UnreachableMtaError):
    """The connection broke while a mail was handed over: it may be this mail's doing, so others go first next time."""


class Transport(Protocol):
    """An MTA. Used by one thread, in a ``with`` statement."""

    def __enter__(self) -> "Transport": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def hand_over(self, mail_from: str, recipient: str, message: bytes) -> Answer:
        """Raises UnreachableMtaError."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the MTA listens, and who we are to it."""

    host: str
    port: int
    starttls: bool = False
    user: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    """Certificates that the server's is checked against; None: those of the system."""


def server_address(text: str, default_port: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``[address]`` or ``[address]:port``. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", text)
    if match is None or not 0 < int(match[3] or default_port) < 65_536:
        raise ValueError(f"{text!r} is no host:port")
    return match[1] or match[2], int(match[3] or default_port)


class _UnwillingError(Exception):
    """The MTA has said so."""


class SmtpTransport:
    """One connection for many mails; a mail that the MTA refused does not end it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> "SmtpTransport":
        return self

    def __exit__(self, *_: object) -> None:
        if self._smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._smtp = None

    def hand_over(self, mail_from: str, recipient: str, message: bytes) -> Answer:
        """See :meth:`Transport.hand_over`."""
        smtp = self._connected()
        try:
            return self._transfer(smtp, mail_from, recipient, message)
        except _UnwillingError as error:
            self._give_up(smtp)
            raise UnreachableMtaError(one_line(str(error))) from None
        except (OSError, smtplib.SMTPException) as error:
            self._give_up(smtp)
            raise BrokenOffError(one_line(str(error))) from None

    def _give_up(self, smtp: smtplib.SMTP) -> None:
        self._smtp = None
        smtp.close()

    def _transfer(self, smtp: smtplib.SMTP, mail_from: str, recipient: str, message: bytes) -> Answer:
        smtp.ehlo_or_helo_if_needed()
        code, text = smtp.mail(mail_from)
        if code == _CLOSING or code >= _FOR_GOOD:
            # It does not want us as a sender: that is nobody's address's fault.
            raise _UnwillingError(f"MAIL FROM:<{mail_from}>: {code} {_words(text)}")
        if code < _NOT_YET:
            code, text = smtp.rcpt(recipient)
        if code < _NOT_YET:
            code, text = self._content(smtp, message)
        if code == _CLOSING:
            raise _UnwillingError(f"{code} {_words(text)}")
        if code >= _NOT_YET:
            smtp.rset()
        return Answer(_outcome(code), f"{code} {_words(text)}")

    @staticmethod
    def _content(smtp: smtplib.SMTP, message: bytes) -> tuple[int, bytes]:
        """The answer to DATA where that is refused, else that to the mail."""
        try:
            return smtp.data(message)
        except smtplib.SMTPDataError as error:
            said = error.smtp_error
            return error.smtp_code, said if isinstance(said, bytes) else said.encode()

    def _connected(self) -> smtplib.SMTP:
        if self._smtp is None:
            try:
                self._smtp = self._connect()
            except (OSError, smtplib.SMTPException) as error:
                where = f"{self._server.host}:{self._server.port}"
                raise UnreachableMtaError(f"{where}: {one_line(str(error))}") from None
        return self._smtp

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        smtp = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
        try:
            if server.starttls:
                smtp.starttls(context=ssl.create_default_context(cafile=server.ca_file))
            if server.user is not None and server.password_file is not None:
                smtp.login(server.user, _password(server.password_file))
        except (OSError, smtplib.SMTPException):
            smtp.close()
            raise
        return smtp


def _password(path: str) -> str:
    """Its only line."""
    return Path(path).read_text("utf-8").removesuffix("\n").removesuffix("\r")


def _outcome(code: int) -> Outcome:
    if code >= _FOR_GOOD:
        return Outcome.REFUSED
    return Outcome.LATER if code >= _NOT_YET else Outcome.TAKEN


def _words(text: bytes) -> str:
    return one_line(text.decode("utf-8", "replace"))


def one_line(text: str) -> str:
    """What somebody else said, for a table."""
    return " ".join(text.split())[:300]


class SendmailTransport:
    """The program that nearly every MTA brings; it takes a mail, or says by its exit status that it does not."""

    def __init__(self, program: str = SENDMAIL) -> None:
        self._program = program

    def __enter__(self) -> "SendmailTransport":
        return self

    def __exit__(self, *_: object) -> None: ...

    def hand_over(self, mail_from: str, recipient: str, message: bytes) -> Answer:
        """See :meth:`Transport.hand_over`."""
        # -i: a dot alone is no end; --: an address is no option.
        command = [self._program, "-i", "-f", mail_from, "--", recipient]
        try:
            done = subprocess.run(  # noqa: S603
                command, input=message.replace(b"\r\n", b"\n"), capture_output=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnreachableMtaError(f"{self._program}: {one_line(str(error))}") from None
        said = one_line((done.stderr or done.stdout).decode("utf-8", "replace"))
        if done.returncode == 0:
            return Answer(Outcome.TAKEN, said or "taken by sendmail")
        if done.returncode == _UNKNOWN_USER:
            return Answer(Outcome.REFUSED, said or "no such user")
        if done.returncode == _TEMPORARY:
            return Answer(Outcome.LATER, said or "later")
        raise UnreachableMtaError(f"{self._program}: {said or f'it ended with status {done.returncode}'}")
