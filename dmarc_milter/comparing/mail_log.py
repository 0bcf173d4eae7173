"""What the old chain refused, out of Postfix's log.

A milter's refusal has the queue id of the message. A policy service's (policyd-spf) has the client and the envelope,
and mostly no queue id.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from dmarc_milter.common.network import unmapped
from dmarc_milter.comparing.facts import Method

MAX_LINE = 8_192
_DAY = 86_400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINE = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
    r"|[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8})"
    r" [^ ]{1,255} [^ \[]{1,64}\[[0-9]+\]: (?:\[ID [^\]]*\] )?"
    r"(?P<queue>NOQUEUE|[0-9A-Za-z]{5,20}): (?P<what>milter-reject|milter-hold|reject): (?P<stage>[A-Z-]+) "
    r"from [^ \[]*\[(?P<client>[0-9A-Za-z.:]+)\](?::[0-9]+)?: (?P<rest>.*)"
)
_ENVELOPE = re.compile(
    r"(?P<reply>.*?); from=<(?P<from>[^>]*)>(?: to=<(?P<to>[^>]*)>)?(?: proto=[^ ]*)?(?: helo=<(?P<helo>[^>]*)>)?"
)
_SPF = re.compile(r"\bspf\b|sender policy framework|openspf|5\.7\.2[34]\b", re.IGNORECASE)
_DKIM = re.compile(r"\bdkim\b|signature data|5\.7\.2[0-2]\b", re.IGNORECASE)
_DMARC = re.compile(r"\bdmarc\b", re.IGNORECASE)
_OF_HELO = re.compile(r"[?;]s=helo\b")
_NO_SIGNATURE = re.compile(r"\bno (?:dkim )?signature\b", re.IGNORECASE)
_SPF_RESULT = re.compile(r"\b(fail|softfail|neutral|none|permerror|temperror)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal."""

    time: float | None
    """Seconds since 1970."""
    queue_id: str | None
    client: bytes
    mail_from: str
    recipient: str
    helo: str
    reply: str
    method: Method | None
    """On what it stands, as far as the reply says; None for anything else."""

    @property
    def is_of_helo(self) -> bool:
        """Whether SPF refused it for HELO; policyd-spf tells that in the address for an explanation."""
        return self.method is Method.SPF and _OF_HELO.search(self.reply) is not None

    @property
    def result(self) -> str:
        """What the old chain must have found, as far as the reply tells; 4xx is an error for now."""
        if self.reply.startswith("4"):
            return "temperror"
        if self.method is Method.DKIM and _NO_SIGNATURE.search(self.reply):
            return "none"
        found = _SPF_RESULT.search(self.reply) if self.method is Method.SPF else None
        return found[1].lower() if found is not None else "fail"


def read(line: str, now: float) -> Refusal | None:
    """The refusal that a line of the log tells of; None for any other line. `now` gives times without a year theirs."""
    # Most lines are about something else.
    is_meant = ": milter-" in line or ": reject: " in line
    match = _LINE.match(line[:MAX_LINE].rstrip("\r\n")) if is_meant else None
    if match is None:
        return None
    told = _ENVELOPE.match(match["rest"])
    try:
        client = unmapped(ip_address(match["client"].removeprefix("IPv6:")).packed)
    except ValueError:
        return None
    reply = told["reply"] if told is not None else match["rest"]
    return Refusal(
        _seconds(match["time"], now),
        match["queue"] if match["queue"] != "NOQUEUE" else None,
        client,
        (told["from"] if told is not None else None) or "",
        (told["to"] if told is not None else None) or "",
        (told["helo"] if told is not None else None) or "",
        reply,
        _method(reply),
    )


def _method(reply: str) -> Method | None:
    """DMARC first: its reply may name the others."""
    found = ((Method.DMARC, _DMARC), (Method.SPF, _SPF), (Method.DKIM, _DKIM))
    return next((method for method, pattern in found if pattern.search(reply)), None)


def _seconds(text: str, now: float) -> float | None:
    """RFC 3339, or ``Nov 24 10:00:05`` in local time, of the last twelve months."""
    try:
        if text[4:5] == "-":
            return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        year = datetime.fromtimestamp(now).astimezone().year
        month, day = _MONTHS.index(text[:3]) + 1, int(text[4:6])
        hour, minute, second = (int(each) for each in text[7:].split(":"))
        found = datetime(year, month, day, hour, minute, second).timestamp()
        return found if found <= now + _DAY else datetime(year - 1, month, day, hour, minute, second).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
