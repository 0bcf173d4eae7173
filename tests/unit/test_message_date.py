"""Dates of header fields, as programs write them and as nobody should."""

import pytest

from dmarc_milter.message.date import MAX_DATE, received_at, seconds_of

AT = 1_795_514_405
"""Tue, 24 Nov 2026 10:00:05 +0000"""
DATES = {
    "Postfix": (b" Tue, 24 Nov 2026 10:00:05 +0000 (UTC)", AT),
    "east": (b"Tue, 24 Nov 2026 11:30:05 +0130", AT),
    "west": (b"24 Nov 2026 04:00:05 -0600", AT),
    "folded": (b"\r\n\tTue, 24 Nov\r\n 2026 10:00:05 +0000", AT),
    "a name": (b"Tue, 24 Nov 2026 05:00:05 EST", AT),
    "GMT": (b"Tue, 24 Nov 2026 10:00:05 GMT", AT),
    "a military zone": (b"Tue, 24 Nov 2026 10:00:05 A", AT),
    "two digits": (b"Tue, 24 Nov 26 10:00:05 +0000", AT),
    "three digits": (b"Tue, 24 Nov 126 10:00:05 +0000", AT),
    "no seconds": (b"24 nov 2026 10:00 +0000", AT - 5),
    "a leap second": (b"31 Dec 2016 23:59:60 +0000", 1_483_228_799),
    "1970": (b"1 Jan 1970 00:00:00 +0000", 0),
    "before 1970": (b"1 Jan 1970 00:00:00 +0100", None),
    "no such day": (b"30 Feb 2026 10:00:05 +0000", None),
    "no such month": (b"24 Nev 2026 10:00:05 +0000", None),
    "no such hour": (b"24 Nov 2026 25:00:05 +0000", None),
    "no such offset": (b"24 Nov 2026 10:00:05 +0099", None),
    "a day and more from UTC": (b"24 Nov 2026 10:00:05 +9900", None),
    "the year 0": (b"24 Nov 0000 10:00:05 +0000", None),
    "the last year": (b"31 Dec 9999 23:59:59 -2300", 253_402_383_599),
    "no zone": (b"24 Nov 2026 10:00:05", None),
    "nothing": (b"", None),
    "octets": (b"24 Nov 2026 10:00:05 +0000 \xff", None),
    "RFC 3339": (b"2026-11-24T10:00:05Z", None),
    "too long": (b"24 Nov 2026 10:00:05 +0000 (" + b"x" * MAX_DATE + b")", None),
}


@pytest.mark.parametrize(("value", "seconds"), DATES.values(), ids=DATES)
def test_dates(value: bytes, seconds: int | None) -> None:
    assert seconds_of(value) == seconds


RECEIVED = {
    "Postfix": (b" from a (a [192.0.2.1]) by b (Postfix) id 1; Tue, 24 Nov 2026 10:00:05 +0000 (UTC)", AT),
    "two semicolons": (b" from a;b by c; Tue, 24 Nov 2026 10:00:05 +0000", AT),
    "no semicolon": (b" from a by b Tue, 24 Nov 2026 10:00:05 +0000", None),
    "no date": (b" from a by b;", None),
    "huge": (b" " * 5_000 + b"; Tue, 24 Nov 2026 10:00:05 +0000", None),
}


@pytest.mark.parametrize(("value", "seconds"), RECEIVED.values(), ids=RECEIVED)
def test_received_fields(value: bytes, seconds: int | None) -> None:
    assert received_at(value) == seconds
