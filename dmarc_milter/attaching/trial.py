"""One message through the MTA of this host, to see that it is taken while the filter is asked."""

import re
import smtplib
from email.message import EmailMessage

SECONDS = 60.0


class TrialError(Exception):
    """What the MTA said instead of taking it."""


def send_through(recipient: str, host: str = "127.0.0.1", port: int = 25) -> str:
    """Hand a trial for `recipient` to the MTA; its queue id. Raises TrialError."""
    message = EmailMessage()
    message["From"] = recipient
    message["To"] = recipient
    message["Subject"] = "dmarc-milter: a trial"
    message.set_content("This message was sent by 'dmarc-milter attach', to see that mail is taken.\n")
    return hand_over(message, recipient, host, port)


def hand_over(message: EmailMessage, recipient: str, host: str = "127.0.0.1", port: int = 25) -> str:
    """Hand a message to the MTA, from nobody, so that nothing bounces; its queue id. Raises TrialError."""
    try:
        with smtplib.SMTP(host, port, timeout=SECONDS) as smtp:
            smtp.ehlo_or_helo_if_needed()
            _expect(smtp.mail(""))
            _expect(smtp.rcpt(recipient))
            text = _expect(smtp.data(message.as_bytes()))
    except (OSError, smtplib.SMTPException) as error:
        raise TrialError(str(error)) from None
    queued = re.search(r"queued as (\w+)", text)
    return queued[1] if queued else text


def _expect(answer: tuple[int, bytes]) -> str:
    code, text = answer
    if not 200 <= code < 300:
        raise TrialError(f"{code} {text.decode('ascii', 'replace')}")
    return text.decode("ascii", "replace")
