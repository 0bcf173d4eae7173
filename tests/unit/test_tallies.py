"""What stood out on a day that is over is tallied once, and a day whose records change is tallied anew."""

import itertools
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from dmarc_milter.journal import domain_kinds, schema, tallying
from dmarc_milter.journal import refused as module_of_refused
from dmarc_milter.journal.domain import domain
from dmarc_milter.journal.figures import Figure, Period
from dmarc_milter.journal.filling import fill
from dmarc_milter.journal.refused import refused
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.summary import summary
from dmarc_milter.journal.tallies import divided
from dmarc_milter.journal.tally_tables import metadata, tallied_days, tallied_domains, tallied_kinds
from dmarc_milter.journal.tallying import GRACE_SECONDS, forget_tallies, tally
from dmarc_milter.journal.what_if_words import meaning
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.journals import insert, make_old, what_if
from tests.support.mail import UNTIL, varied

TODAY = int(UNTIL // DAY) * DAY
YESTERDAY, THE_DAY_BEFORE = TODAY - DAY, TODAY - 2 * DAY
TWO_DAYS = Period(THE_DAY_BEFORE, TODAY)


@pytest.fixture(autouse=True)
def _nobody_writes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody has to be let in between two days."""
    monkeypatch.setattr(tallying, "PAUSE_SECONDS", 0.0)


def tallied(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(tallied_days.c.day).order_by(tallied_days.c.day)).scalars())


def all_tables(engine: Engine) -> dict[str, set[Any]]:
    with engine.connect() as connection:
        return {name: set(map(tuple, connection.execute(sa.select(each)))) for name, each in metadata.tables.items()}


def domains(engine: Engine) -> dict[str | None, Figure]:
    return {each.name: each.messages for each in summary(engine, TWO_DAYS).domains}


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (TODAY, [THE_DAY_BEFORE]),
        (TODAY + GRACE_SECONDS - 1, [THE_DAY_BEFORE]),
        (TODAY + GRACE_SECONDS, [THE_DAY_BEFORE, YESTERDAY]),
        (TODAY + DAY, [THE_DAY_BEFORE, YESTERDAY]),
        (TODAY + 2 * DAY, [THE_DAY_BEFORE, YESTERDAY, TODAY]),
    ],
)
def test_days_that_are_over_but_for_the_first_which_may_be_forgotten_in_part(
    engine: Engine, url: DatabaseUrl, now: float, days: list[int]
) -> None:
    insert(url, varied())
    assert tally(engine, now) == len(days)
    assert tallied(engine) == days
    assert tally(engine, now) == 0


def test_an_empty_journal_has_no_days(engine: Engine) -> None:
    assert tally(engine, UNTIL) == 0


def test_days_without_records_take_no_time(engine: Engine, url: DatabaseUrl) -> None:
    """A record of 1970, by a host whose clock was wrong, is no reason to look at every day since."""
    row = varied(1)[0]
    moments = {"first": 10.0, "of 1970": 2.0 * DAY, "of the day before": THE_DAY_BEFORE + 5.0, "of today": TODAY + 1.0}
    insert(url, [{**row, "uid": uid, "time": moment} for uid, moment in moments.items()])
    assert tally(engine, UNTIL) == 2
    assert tallied(engine) == [2 * DAY, THE_DAY_BEFORE]


def test_they_are_read(engine: Engine, url: DatabaseUrl) -> None:
    """Else the tests of figures would tell nothing of them."""
    insert(url, varied())
    tally(engine, UNTIL)
    before = domains(engine)["a.example"]
    with engine.begin() as connection:
        connection.execute(tallied_domains.update().values(messages=tallied_domains.c.messages + 1_000))
    assert domains(engine)["a.example"].now == before.now + 2_000


PERIODS = {
    "days that are tallied": TWO_DAYS,
    "what is before and behind them": Period(THE_DAY_BEFORE - 5_000.5, UNTIL),
    "parts of days": Period(THE_DAY_BEFORE + 5_000.5, YESTERDAY + 5_000),
    "within a day": Period(YESTERDAY + 10, YESTERDAY + 50_000),
}


@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS.keys())
def test_what_is_refused_is_what_the_records_say(engine: Engine, url: DatabaseUrl, period: Period) -> None:
    rows = varied(1_500)
    insert(url, rows)
    tally(engine, UNTIL)
    its = [each for each in rows if period.since <= each["time"] < period.until]
    found, lists, days = refused(engine, period)
    assert bool(days) == (period.until - period.since > DAY + 5_000)
    wanted, wanted_lists = what_if(sorted(its, key=lambda row: float(row["time"])))
    assert (found.totals, found.others) == (wanted.totals, 0)
    assert len(found.groups) > 10
    for group, other in zip(found.groups, wanted.groups, strict=True):
        key = (group.author_domain, group.method, group.identifier)
        assert key == (other.author_domain, other.method, other.identifier)
        assert (group.count, group.sent_on) == (other.count, other.sent_on)
        assert group.particulars == other.particulars
        assert (group.rule, meaning(group)) == (other.rule, meaning(other))
    assert list(lists) == wanted_lists


@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS.keys())
@pytest.mark.parametrize("limit", [0, 1, 7])
def test_the_largest_groups_alone(engine: Engine, url: DatabaseUrl, period: Period, limit: int) -> None:
    """They are told as if all were; the rules are those of all."""
    insert(url, varied(1_500))
    tally(engine, UNTIL)
    found, every = refused(engine, period, limit).refused, refused(engine, period).refused
    told = [(each.key, each.count, each.particulars, each.rule) for each in found.groups]
    assert told == [(each.key, each.count, each.particulars, each.rule) for each in every.groups[:limit]]
    assert found.others == sum(each.count for each in every.groups[limit:])
    assert (found.totals, found.rules) == (every.totals, every.rules)
    assert set(found.rules) == {each.rule for each in every.groups if each.rule}


@pytest.mark.parametrize("least", [1, 20, 1_000_000])
@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS.keys())
def test_the_kinds_of_a_domain_are_those_of_its_records(
    engine: Engine, url: DatabaseUrl, period: Period, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain_kinds, "MIN_MESSAGES", least)
    rows = varied(1_500)
    insert(url, rows)
    tally(engine, UNTIL)
    with engine.connect() as connection:
        is_tallied = connection.execute(sa.select(tallied_kinds.c.day)).first() is not None
    assert is_tallied == (least < 1_000_000)
    for name in {each["author_domain"] for each in rows} - {None}:
        its = (each for each in rows if each["author_domain"] == name and each["time"] >= period.since)
        kinds = Counter(each["kind"] for each in its if each["time"] < period.until)
        assert domain(engine, name, period).kinds == kinds


def test_the_kinds_of_domains_with_much_mail_are_tallied(
    engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain_kinds, "MIN_MESSAGES", 3)
    row = varied(1)[0]
    moments = {"large.example": (1, 1, 1), "small.example": (1, 1), "two.days.example": (1, 1, DAY + 1)}
    rows = [
        {**row, "uid": f"{name}{number}", "author_domain": name, "time": THE_DAY_BEFORE + float(moment), "kind": "own"}
        for name, its in moments.items()
        for number, moment in enumerate(its)
    ]
    insert(url, [{**row, "uid": "first", "time": THE_DAY_BEFORE - 1.0}, *rows])
    tally(engine, UNTIL)
    assert all_tables(engine)["tallied_kinds"] == {(THE_DAY_BEFORE, "large.example", "own", 3)}


def test_a_journal_of_version_6_is_tallied_anew(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    tally(engine, UNTIL)
    tables = all_tables(engine)
    with engine.begin() as connection:
        tallied_kinds.drop(connection)
        connection.execute(schema.version_table.update().values(version=6))
    schema.prepare(engine)
    assert tallied(engine) == []
    tally(engine, UNTIL)
    assert all_tables(engine) == tables


def test_the_largest_groups_and_lists_of_a_day_are_kept_and_all_are_counted(
    engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers choose the names."""
    monkeypatch.setattr(module_of_refused, "MAX_GROUPS", 10)
    monkeypatch.setattr(module_of_refused, "MAX_LISTS", 5)
    row = next(each for each in varied() if each["kind"] == "nobody" and each["wanted"] == "reject")
    more = {"time": YESTERDAY + 1.0, "policy": "reject", "dmarc": "fail", "list_has_address": True}
    rows = [
        {**row, **more, "uid": f"{number}-{again}", "author_domain": f"d{number}", "list_id": f"l{number}"}
        for number in range(30)
        for again in range(1 + (number < 5))
    ]
    insert(url, [{**row, "uid": "first", "time": THE_DAY_BEFORE - 1.0}, *rows])
    tally(engine, UNTIL)
    found, lists, _ = refused(engine, TWO_DAYS)
    assert found.messages == 35
    assert [each.count for each in found.groups] == [2] * 5 + [1] * 5
    assert found.others == 20
    assert [each.messages for each in lists] == [2] * 5


def test_a_record_that_comes_late_has_its_day_tallied_anew(engine: Engine, url: DatabaseUrl) -> None:
    rows = [{**each, "author_domain": "a.example"} for each in varied()]
    insert(url, rows)
    tally(engine, UNTIL)
    late = {**next(each for each in rows if each["dmarc"] == "fail"), "uid": "late", "time": YESTERDAY + 5.0}
    insert(url, [late])
    assert tallied(engine) == [THE_DAY_BEFORE]
    now = domains(engine)["a.example"].now
    assert tally(engine, UNTIL) == 1
    assert tallied(engine) == [THE_DAY_BEFORE, YESTERDAY]
    assert domains(engine)["a.example"].now == now
    insert(url, [{**late, "uid": "later"}])
    assert domains(engine)["a.example"].now == now + 1


def test_rows_of_older_versions_that_are_filled_have_their_days_tallied_anew(engine: Engine) -> None:
    """A row that another host's older program wrote has no network before."""
    make_old(engine, varied())
    schema.prepare(engine)
    tally(engine, UNTIL)
    without = all_tables(engine)
    fill(engine)
    assert tallied(engine) == []
    tally(engine, UNTIL)
    assert all_tables(engine)["tallied_domains"] == without["tallied_domains"]
    assert all_tables(engine)["tallied_networks"] != without["tallied_networks"]


def test_a_run_that_is_ended_leaves_whole_days(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    tally(engine, UNTIL)
    whole = all_tables(engine)
    forget_tallies(engine, UNTIL)
    calls = iter((False, True))

    def ended(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("INSERT INTO tallied_lists") and next(calls):
            raise KeyboardInterrupt

    sa.event.listen(engine, "before_cursor_execute", ended)
    with pytest.raises(KeyboardInterrupt):
        tally(engine, UNTIL)
    sa.event.remove(engine, "before_cursor_execute", ended)
    assert tallied(engine) == [THE_DAY_BEFORE]
    assert {row[0] for row in all_tables(engine)["tallied_sources"]} == {THE_DAY_BEFORE}
    assert tally(engine, UNTIL) == 1
    assert all_tables(engine) == whole


def test_days_are_forgotten_whose_records_are(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    tally(engine, UNTIL)
    forget_tallies(engine, YESTERDAY)
    assert tallied(engine) == [YESTERDAY]
    forget_tallies(engine, YESTERDAY + 1)
    assert not any(all_tables(engine).values())


moments = st.integers(0, 10 * DAY)


@given(moments, moments, st.frozensets(st.sampled_from(range(0, 12 * DAY, DAY))))
def test_days_and_what_is_between_them_make_the_period(one: int, other: int, days: frozenset[int]) -> None:
    period = Period(min(one, other), max(one, other))
    inside, between = divided(period, sorted(days))
    pieces = sorted([*((day, day + DAY) for day in inside), *((each.since, each.until) for each in between)])
    assert days.issuperset(inside)
    assert [pieces[0][0], pieces[-1][1]] == [period.since, period.until]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(pieces))
