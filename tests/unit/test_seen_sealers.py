"""Which ARC sealers vouch for what, and which of those that are trusted are of no use."""

import time
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.demo.month import month
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.journal import reader, seen_sealers
from dmarc_milter.journal.seen_sealers import Sealed, of_no_use, seen, setting
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.journals import insert


def refused(*chain: str, author: str | None = "a.example", kind: str = "other") -> Sealed:
    return Sealed(chain, author, kind, is_spared=False)


def spared(*chain: str) -> Sealed:
    return Sealed(chain, "a.example", "sent_on", is_spared=True)


def test_each_sealer_of_a_chain_counts() -> None:
    both = refused("new.example", "old.example", kind="sent_on")
    found = seen([refused("old.example"), both, spared("kept.example"), refused("old.example", author=None)])
    old, new, kept = found
    assert (old.name, old.messages, old.sent_on, old.spared) == ("old.example", 3, 1, 0)
    assert (old.beside, old.authors) == ({"new.example": 1}, {"a.example": 2})
    assert (new.name, new.messages, new.beside) == ("new.example", 1, {"old.example": 1})
    assert (kept.name, kept.messages, kept.spared, kept.authors) == ("kept.example", 0, 1, {})


def test_who_sealed_twice_counts_once() -> None:
    (found,) = seen([refused("a.example", "a.example")])
    assert (found.messages, found.beside) == (1, {})


def test_what_strangers_choose_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_sealers, "MAX_SEALERS", 3)
    monkeypatch.setattr(seen_sealers, "MAX_NAMES", 2)
    found = seen(refused("z.example", f"s{number}.example", author=f"a{number}.example") for number in range(9))
    assert [(each.name, each.messages) for each in found] == [("z.example", 9), ("s0.example", 1), ("s1.example", 1)]
    assert (len(found[0].beside), len(found[0].authors)) == (2, 2)


@pytest.mark.parametrize(
    ("trusted", "unused"),
    [
        (DomainPattern("kept.example", with_subdomains=False), []),
        (DomainPattern("example", with_subdomains=True), []),
        (DomainPattern("old.example", with_subdomains=False), ["old.example"]),
        (DomainPattern("lists.example", with_subdomains=True), [".lists.example"]),
    ],
    ids=["useful", "below", "refused-all-the-same", "never-seen"],
)
def test_what_spared_nothing_is_of_no_use(trusted: DomainPattern, unused: list[str]) -> None:
    found = seen([spared("kept.example"), refused("other.example", "old.example")])
    assert of_no_use(found, [trusted]) == unused


SETTINGS = {
    # trusted already              the line
    (): 'trusted_sealers = ["a.example", "b.lists.example"]',
    ("a.example",): 'trusted_sealers = ["a.example", "b.lists.example"]',
    (".lists.example",): 'trusted_sealers = [".lists.example", "a.example"]',
    ("a.example", ".lists.example"): None,
}


@pytest.mark.parametrize(("trusted", "line"), SETTINGS.items())
def test_the_line_of_those_that_would_spare_something(trusted: tuple[str, ...], line: str | None) -> None:
    patterns = [DomainPattern(each.removeprefix("."), with_subdomains=each.startswith(".")) for each in trusted]
    found = seen([refused("a.example"), refused("b.lists.example", "a.example"), spared("kept.example")])
    assert setting(found, patterns) == line


def test_few_messages_are_looked_at(engine: Engine, url: DatabaseUrl) -> None:
    """The index of what is vouched for is read, and not the far larger one of what stands out."""
    insert(url, list(month(1_000, time.time())))
    asked: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        asked.append((given[2], given[3]))

    sa.event.listen(engine, "before_cursor_execute", note)
    assert list(reader.sealed(engine, 0.0))
    sa.event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all()
            for text, given in asked
            if "arc_vouching" in text
        ]
    assert ["ix_messages_vouched" in str(plan) for plan in plans] == [True, False]
    assert "ix_messages_by_override" in str(plans[1])
