"""Failure reports as mails: multipart/report of RFC 5965 and 6591, as RFC 9991 has them (pure)."""

import base64
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr
from typing import Any, NamedTuple

from dmarc_milter.common.text import plain
from dmarc_milter.common.version import VERSION
from dmarc_milter.reporting.document import Reporter

_TEXT = """\
This is a DMARC failure report (RFC 9991) about a message that was received
from {source_ip} on {date} (UTC), with {domain} in From.

Local parts of addresses are replaced by a keyed digest; the body is left out.
The DMARC record of {policy_domain} asks for it (ruf). Questions: {email}
"""
MAX_VALUE = 900


class PendingFailure(NamedTuple):
    """A failure that waits to be told."""

    uid: str
    time: float
    policy_domain: str
    incidents: int
    record: bytes
    content: str


def failure_mail(
    pending: PendingFailure, name: str, reporter: Reporter, recipients: Sequence[str], made: float
) -> bytes:
    """The whole mail, unsigned, lines ended by CRLF. `name` is what Message-ID and boundary are made of."""
    told: dict[str, Any] = json.loads(pending.content)
    domain = str(told["author_domain"])
    text = _TEXT.format(
        source_ip=told["source_ip"] or "an unknown address",
        date=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(pending.time)),
        domain=domain,
        policy_domain=pending.policy_domain,
        email=reporter.email,
    )
    host = reporter.email.rpartition("@")[2]
    lines = [
        f"From: {formataddr((reporter.organization, reporter.email))}",
        "To: " + ",\r\n ".join(recipients),
        f"Subject: DMARC failure report about {domain}",
        f"Date: {_date(made)}",
        f"Message-ID: <{name}@{host}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=feedback-report;\r\n boundary="=_{name}"',
        "",
        f"--=_{name}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        text.replace("\n", "\r\n"),
        f"--=_{name}",
        "Content-Type: message/feedback-report",
        "",
        *_fields(pending, told),
        "",
        f"--=_{name}",
        "Content-Type: text/rfc822-headers; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "",
        _base64(str(told["header"])),
        f"--=_{name}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii")


def _base64(text: str) -> str:
    """No line of it can be taken for a boundary, nor be too long."""
    return base64.encodebytes(f"{text}\r\n".encode()).decode("ascii").replace("\n", "\r\n")


def _date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _fields(pending: PendingFailure, told: dict[str, Any]) -> list[str]:
    """message/feedback-report (RFC 6591 3.2, RFC 9991 4)."""
    fields = [
        "Feedback-Type: auth-failure",
        "Version: 1",
        f"User-Agent: dmarc-milter/{VERSION}",
        "Auth-Failure: dmarc",
        "Authentication-Results: " + str(told["authentication_results"]).replace("\r\n", "\n").replace("\n", "\r\n"),
        f"Identity-Alignment: {', '.join(told['failed']) or 'none'}",
        f"Reported-Domain: {told['author_domain']}",
        f"Original-Mail-From: <{_one(told['mail_from'])}>",
        f"Arrival-Date: {_date(pending.time)}",
        f"Delivery-Result: {told['delivery']}",
    ]
    if told["source_ip"]:
        fields.append(f"Source-IP: {told['source_ip']}")
    if told["signatures"]:
        # RFC 6591 3.2.4: they may appear once.
        domain, selector, identity = told["signatures"][0]
        fields += [f"DKIM-Domain: {domain}", f"DKIM-Identity: @{identity}", f"DKIM-Selector: {_one(selector)}"]
    if told["spf_record"]:
        domain, record = told["spf_record"]
        fields.append(f'SPF-DNS: txt : {domain} : "{_one(record)}"')
    if pending.incidents > 1:
        fields.append(f"Incidents: {pending.incidents}")
    return fields


def _one(text: str) -> str:
    """On one line."""
    return plain(str(text), MAX_VALUE)
