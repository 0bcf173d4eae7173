"""`compare` holds no more than it needs, whatever messages and logs contain."""

import tracemalloc

import pytest

from dmarc_milter.comparing import hop, told
from dmarc_milter.comparing.cause import Cause
from dmarc_milter.comparing.facts import Compared, Method
from dmarc_milter.comparing.hop import Ids
from dmarc_milter.comparing.tally import MAX_DETAIL, MAX_DIFFERENCES, MAX_ROWS, OTHER, Tally
from dmarc_milter.message.header import split_message


def test_results_that_are_made_up_fill_no_table() -> None:
    tally = Tally()
    for number in range(3 * MAX_ROWS):
        tally.add("m", [Compared(Method.SPF, f"r{number}", "pass", None, Cause.UNKNOWN)])
    rows = tally.rows(Method.SPF)
    assert len(rows) == MAX_ROWS + 1
    assert sum(row.messages for row in rows) == 3 * MAX_ROWS
    assert next(row.messages for row in rows if row.old == OTHER) == 2 * MAX_ROWS


def test_differences_beyond_the_bound_are_counted() -> None:
    tally = Tally()
    for number in range(MAX_DIFFERENCES + 5):
        tally.add(f"m{number}", [Compared(Method.DKIM, "pass", "fail", "x", Cause.UNKNOWN, "y" * 5_000)])
    assert (len(tally.differences), tally.differing) == (MAX_DIFFERENCES, MAX_DIFFERENCES + 5)
    assert {len(each.compared.detail) for each in tally.differences} == {MAX_DETAIL}


HEADERS = {
    "fields": b"Authentication-Results: a.example; spf=pass\r\n" * 19_000,
    "hops": b"Received: from a (a [192.0.2.1]) by b; date\r\n" * 19_000,
    "results": b"Authentication-Results: a.example" + b"; dkim=pass header.d=x.example" * 500 + b"\r\n",
    "both": (b"Authentication-Results: a.example; x=y\r\nReceived: from a (a [127.0.0.1]) by b; date\r\n") * 9_000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_headers_of_any_length_are_read_within_bounds(header: bytes) -> None:
    fields = split_message(header + b"\r\n")[0]
    tracemalloc.start()
    beside = hop.find(fields, Ids(None, frozenset()), lambda _: True)
    found = told.of_fields(beside.old)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(beside.old) <= hop.MAX_FIELDS
    assert len(found.dkim) <= 50 * hop.MAX_FIELDS
    assert used < 20 << 20
