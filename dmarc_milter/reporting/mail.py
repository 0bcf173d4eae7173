"""A report as a mail (RFC 9990 3.5.2): the same report gives the same octets."""

import base64
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr

from dmarc_milter.reporting.document import Part, Reporter

_TEXT = """\
This is a DMARC aggregate report (RFC 9990) of {submitter}
about {domain}.

It tells of {messages} messages of {day} (UTC). It is meant for programs; the
attachment is what they read. 'dmarc-milter report show' prints it as a table.

The DMARC record of {domain} asks for it (rua).
Questions: {email}
"""


def aggregate_mail(part: Part, reporter: Reporter, recipients: Sequence[str], made: float) -> bytes:
    """The whole mail, unsigned, lines ended by CRLF. `made` is its Date, in seconds since 1970."""
    identity = part.identity
    boundary = f"=_{identity.id}"
    text = _TEXT.format(
        submitter=identity.submitter,
        domain=identity.policy_domain,
        messages=part.messages,
        day=time.strftime("%Y-%m-%d", time.gmtime(identity.day)),
        email=reporter.email,
    )
    head = [
        f"From: {formataddr((reporter.organization, reporter.email))}",
        f"To: {_folded(recipients)}",
        f"Subject: {identity.subject}",
        f"Date: {format_datetime(datetime.fromtimestamp(made, UTC))}",
        f"Message-ID: {identity.message_id(reporter.email.rpartition('@')[2])}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        text.replace("\n", "\r\n"),
        f"--{boundary}",
        "Content-Type: application/gzip",
        f'Content-Disposition: attachment;\r\n filename="{identity.file_name}"',
        "Content-Transfer-Encoding: base64",
        "",
        "",
    ]
    attached = base64.encodebytes(part.octets).replace(b"\n", b"\r\n")
    return "\r\n".join(head).encode("ascii") + attached + f"--{boundary}--\r\n".encode()


def _folded(recipients: Sequence[str]) -> str:
    return ",\r\n ".join(recipients)


_NAME = re.compile(rb'filename="([!-~]{1,255})"')


def attachment(message: bytes) -> tuple[str, bytes]:
    """The attached file of a mail that :func:`aggregate_mail` made: its name, and its octets."""
    found = _NAME.search(message)
    assert found is not None
    start = message.index(b"\r\n\r\n", found.end()) + 4
    return found[1].decode("ascii"), base64.b64decode(message[start : message.index(b"--", start)])
