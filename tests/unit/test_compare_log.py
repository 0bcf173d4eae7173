"""What the old chain refused, out of Postfix's log."""

from ipaddress import ip_address

import pytest

from dmarc_milter.comparing import mail_log
from dmarc_milter.comparing.facts import Method

NOW = 1_795_600_000.0
"""25 Nov 2026"""
TIME = "2026-11-24T10:00:05.123456+01:00 mx"
FROM = "from=<a@bank.example> to=<joe@example.org> proto=ESMTP helo=<out.example>"
MILTER = "milter-reject: END-OF-MESSAGE from out.example[192.0.2.10]"
LINES = {
    "OpenDMARC": (
        f"{TIME} postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.1 rejected by DMARC policy for bank.example; {FROM}",
        ("4XyABC1", "192.0.2.10", "a@bank.example", Method.DMARC, "fail"),
    ),
    "OpenDKIM": (
        f"{TIME} postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.0 bad DKIM signature data; {FROM}",
        ("4XyABC1", "192.0.2.10", "a@bank.example", Method.DKIM, "fail"),
    ),
    "OpenDMARC holds": (
        f"{TIME} postfix/cleanup[12]: 4XyABC1: milter-hold: END-OF-MESSAGE from out.example[192.0.2.10]: milter triggers"
        f" HOLD action; {FROM}",
        ("4XyABC1", "192.0.2.10", "a@bank.example", None, "fail"),
    ),
    "rspamd": (
        f"{TIME} postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.1 Action rejected: DMARC policy; {FROM}",
        ("4XyABC1", "192.0.2.10", "a@bank.example", Method.DMARC, "fail"),
    ),
    "spam": (
        f"{TIME} postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.1 Spam message rejected; {FROM}",
        ("4XyABC1", "192.0.2.10", "a@bank.example", None, "fail"),
    ),
    "policyd-spf": (
        "Nov 24 10:00:05 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from out.example[2001:db8::1]: 550 5.7.23"
        " <joe@example.org>: Recipient address rejected: Message rejected due to: SPF softfail - not authorized. Please"
        f" see http://www.open-spf.org/Why?s=mfrom;id=a@bank.example;r=joe; {FROM}",
        (None, "2001:db8::1", "a@bank.example", Method.SPF, "softfail"),
    ),
    "policyd-spf defers": (
        f"Nov  4 10:00:05 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from u[192.0.2.10]: 451 4.4.3 <joe@example.org>:"
        f" Recipient address rejected: SPF Temporary Error: DNS timeout; {FROM}",
        (None, "192.0.2.10", "a@bank.example", Method.SPF, "temperror"),
    ),
    "a bounce": (
        f"{TIME} postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.1 DMARC; from=<> to=<joe@example.org>",
        ("4XyABC1", "192.0.2.10", "", Method.DMARC, "fail"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_refusals(line: str, expected: tuple[str | None, str, str, Method | None, str]) -> None:
    found = mail_log.read(line + "\n", NOW)
    assert found is not None
    queue_id, client, mail_from, method, result = expected
    assert (found.queue_id, found.mail_from, found.method, found.result) == (queue_id, mail_from, method, result)
    assert found.client == ip_address(client).packed
    assert found.time is not None


OTHERS = {
    "a delivery": f"{TIME} postfix/smtp[1]: 4XyABC1: to=<x@y.example>, relay=z, status=sent (250 spf dmarc)",
    "a warning": f"{TIME} postfix/smtpd[1]: warning: milter inet:localhost:8893: can't read SMFIC_BODYEOB",
    "another program": f"{TIME} opendmarc[1]: 4XyABC1: bank.example fail",
    "no address": f"{TIME} postfix/cleanup[12]: 4XyABC1: milter-reject: END-OF-MESSAGE from x[unknown]: 5.7.1 DMARC; {FROM}",
    "a wrong address": f"{TIME} postfix/cleanup[12]: 4XyABC1: milter-reject: CONNECT from x[1.2.3]: 5.7.1 DMARC; {FROM}",
    "nothing": "",
    "a long line": "x" * 100_000,
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_other_lines(line: str) -> None:
    assert mail_log.read(line, NOW) is None


TIMES = {
    "RFC 3339": ("2026-11-24T10:00:05+01:00", 1_795_510_805.0),
    "UTC": ("2026-11-24T10:00:05Z", 1_795_514_405.0),
    "no such day": ("Feb 31 10:00:05", None),
    "no such month": ("Nev 24 10:00:05", None),
}


@pytest.mark.parametrize(("text", "seconds"), TIMES.values(), ids=TIMES)
def test_times(text: str, seconds: float | None) -> None:
    found = mail_log.read(f"{text} mx postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.1 DMARC; {FROM}", NOW)
    assert found is not None
    assert found.time == seconds


@pytest.mark.parametrize(("text", "year"), [("Nov 24 10:00:05", 2026), ("Dec 24 10:00:05", 2025)], ids=["this", "last"])
def test_a_time_without_a_year_is_of_the_last_twelve_months(text: str, year: int) -> None:
    from datetime import datetime

    found = mail_log.read(f"{text} mx postfix/cleanup[12]: 4XyABC1: {MILTER}: 5.7.1 DMARC; {FROM}", NOW)
    assert found is not None
    assert found.time is not None
    assert datetime.fromtimestamp(found.time).astimezone().year == year
