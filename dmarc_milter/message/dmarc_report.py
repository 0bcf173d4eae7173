"""Messages that say of themselves that they are aggregate reports (RFC 9990 3.5.2)."""

import re

from dmarc_milter.message.header import Header

_SUBJECT = re.compile(
    rb"[ \t\r\n]*Report[ \t\r\n]+Domain:[ \t\r\n]*[!-~]{1,253}[ \t\r\n]+Submitter:[ \t\r\n]*[!-~]{1,253}", re.IGNORECASE
)
"""RFC 7489 asked for the same words; its senders write them with and without a blank behind the colons."""
MAX_SUBJECT = 2_000
"""Octets that are looked at."""


def is_dmarc_report(header: Header) -> bool:
    """Whether the first Subject is that of an aggregate report.

    Anybody can write it. All that follows is that this message alone makes nobody a report.
    """
    fields = header.all("subject")
    return bool(fields) and _SUBJECT.match(fields[0].value[:MAX_SUBJECT]) is not None
