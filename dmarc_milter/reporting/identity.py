"""What a report is called: in its document, its Subject, its Message-ID and its file name (RFC 9990 3.5.1, 3.5.2).

All of it follows from what the report is about. So a report that is made again, or by another host of the fleet, has
the same names, and whoever gets it twice knows.
"""

import hashlib
from dataclasses import dataclass

from dmarc_milter.journal.rollups import DAY

MAX_FILE_NAME = 255
_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class ReportIdentity:
    """One report: in whose name, about whom, of which policy and day, and which part of it."""

    submitter: str
    policy_domain: str
    policy: str
    """:func:`~dmarc_milter.journal.reported.policy_key`"""
    day: int
    """Its start in UTC, in seconds since 1970."""
    part: int = 1
    """From 1 up."""

    @property
    def begin(self) -> int:
        """The first second of the day, in seconds since 1970."""
        return self.day

    @property
    def end(self) -> int:
        """The last second of the day (RFC 9990 3.1.1.4)."""
        return self.day + DAY - 1

    @property
    def id(self) -> str:
        """The Report-ID, which is the unique-id of the file name, too: letters and digits only."""
        about = "\n".join((self.submitter, self.policy_domain, self.policy, str(self.day), str(self.part)))
        return hashlib.sha256(about.encode()).hexdigest()[:_ID_DIGITS]

    @property
    def file_name(self) -> str:
        """``receiver!policy-domain!begin!end!unique-id.xml.gz``; a domain for which there is no room is shortened."""
        tail = f"!{self.begin}!{self.end}!{self.id}.xml.gz"
        room = MAX_FILE_NAME - len(tail) - len(self.submitter) - 1
        return f"{self.submitter}!{_shortened(self.policy_domain, room)}{tail}"

    @property
    def subject(self) -> str:
        """Folded, so that no line is too long."""
        return f"Report Domain: {self.policy_domain}\r\n Submitter: {self.submitter}\r\n Report-ID: <{self.id}>"

    def message_id(self, host: str) -> str:
        """``<id@host>``, for the message that carries it."""
        return f"<{self.id}@{host}>"


def _shortened(domain: str, room: int) -> str:
    """The last labels of `domain`, for which there is room."""
    while len(domain) > room and "." in domain:
        domain = domain.partition(".")[2]
    return domain[-room:]
