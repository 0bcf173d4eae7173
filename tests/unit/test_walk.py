"""Lists of a page look at so many messages and no more, say how far that was, and go on from there."""

import math
import re
import time
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from dmarc_milter.console.search import place_before, search
from dmarc_milter.demo.month import month
from dmarc_milter.journal import reader, walk
from dmarc_milter.journal.criteria import Criteria
from dmarc_milter.journal.figures import Period
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.console import ask, console
from tests.support.journals import insert

COUNT = 2_000


@pytest.fixture
def rows(engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A month of mail; a list looks at 350 messages."""
    found = list(month(COUNT, time.time()))
    insert(url, found)
    monkeypatch.setattr(walk, "STEPS", (50, 100, 200))
    monkeypatch.setattr(walk, "FEW", 20)
    return sorted(found, key=lambda row: (row["time"], row["uid"]), reverse=True)


def uids(found: list[dict[str, Any]]) -> list[str]:
    return [each["uid"] for each in found]


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(),
        Criteria(author_domain="bank.example"),
        Criteria(dmarc="fail"),
        Criteria(author_domain="bank.example", dmarc="pass"),
        Criteria(override="mailing_list"),
        Criteria(since=time.time() - 20 * 86_400, until=time.time() - 10 * 86_400),
    ],
    ids=["all", "a domain", "what fails", "a domain's that pass", "spared", "a period"],
)
def test_what_an_index_finds_is_found_in_all_of_the_journal(
    engine: Engine, rows: list[dict[str, Any]], criteria: Criteria
) -> None:
    expected = [row for row in rows if _fits(row, criteria)]
    found = walk.newest(engine, criteria, COUNT)
    assert uids(found.rows) == uids(expected)
    assert found.looked_until is None
    assert walk.counted(engine, criteria, COUNT) == walk.Counted(len(expected), is_all=True)


def _fits(row: dict[str, Any], criteria: Criteria) -> bool:
    equal = ("author_domain", "dmarc", "override", "spf", "host")
    is_within = (criteria.since or 0) <= row["time"] <= (criteria.until or row["time"])
    return is_within and all(getattr(criteria, each) in (None, row[each]) for each in equal)


@pytest.mark.parametrize("spf", ["pass", "softfail", "fail"])
def test_page_after_page_tells_all_that_fit_and_each_once(engine: Engine, rows: list[dict[str, Any]], spf: str) -> None:
    expected = [row for row in rows if row["spf"] == spf]
    told: list[str] = []
    values = {"spf": spf}
    for _ in range(COUNT):
        found = walk.newest(engine, search(values, time.time()).criteria, 30)
        told += uids(found.rows)
        if found.looked_until is not None:
            values["before"] = place_before(found.looked_until)
        elif len(found.rows) == 30:
            values["before"] = f"{found.rows[-1]['time']!r}_{found.rows[-1]['uid']}"
        else:
            break
    assert told == uids(expected)


def test_where_it_stops_the_page_says_so_and_leads_on(
    engine: Engine, url: DatabaseUrl, rows: list[dict[str, Any]]
) -> None:
    page = ask(console(url), "/messages?q=-pass+-fail+-none+-temperror+-permerror").text
    assert "At least 0 messages" in page
    assert "None so far" in page
    assert 'rel="next"' in page


def test_all_messages_are_counted(engine: Engine, url: DatabaseUrl, rows: list[dict[str, Any]]) -> None:
    said = re.search(r"(\S+) messages, newest first", ask(console(url), "/messages").text)
    assert said is not None
    assert "".join(filter(str.isdecimal, said[1])).endswith(str(COUNT))


def test_a_client_that_sends_much_is_found_too(engine: Engine, rows: list[dict[str, Any]]) -> None:
    criteria = search({"client": "192.0.2.0/24"}, time.time()).criteria
    expected = [row for row in rows if (row["client"] or "").startswith("192.0.2.")]
    assert len(expected) > 100
    found = walk.newest(engine, criteria, 60)
    assert uids(found.rows) == uids(expected)[:60]


@pytest.mark.parametrize(
    ("criteria", "limit", "is_all"),
    [
        # Nothing is asked that an index does not tell, or it is not so much.
        (Criteria(), COUNT, True),
        (Criteria(), 100, False),
        (Criteria(spf="pass"), COUNT, False),
        (Criteria(spf="pass"), 10, False),
        (Criteria(spf="pass", since=time.time() - 86_400), COUNT, True),
    ],
)
def test_counting_looks_at_so_many_and_no_more(
    engine: Engine, rows: list[dict[str, Any]], criteria: Criteria, limit: int, is_all: bool
) -> None:
    expected = [row for row in rows if _fits(row, criteria)]
    found = walk.counted(engine, criteria, limit)
    assert found.is_all is is_all
    if is_all:
        assert found.messages == len(expected)
    elif limit < COUNT:
        assert found.messages == limit
    else:
        assert 0 < found.messages < len(expected)


@pytest.mark.parametrize("limit", [1, 10, COUNT])
def test_what_stands_out_begins_where_enough_of_it_is(engine: Engine, rows: list[dict[str, Any]], limit: int) -> None:
    found = walk.beginning(engine, Period(0.0, math.inf), limit)
    assert (found == 0.0) is (limit == COUNT)
    if found:
        assert reader.count(engine, Criteria(since=found, stands_out=True), COUNT) == limit
