"""The summary of a period: its figures are those of the records, and people and programs can read them."""

import json
import re
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.attaching import trial
from dmarc_milter.cli.main import main
from dmarc_milter.cli.summary import run
from dmarc_milter.cli.summary.text import cut, tell
from dmarc_milter.columns.origin import FINDING
from dmarc_milter.journal import schema
from dmarc_milter.journal.figures import Figure, Period
from dmarc_milter.journal.foremost import SAMPLE
from dmarc_milter.journal.particulars import network_of
from dmarc_milter.journal.rollups import HOUR, dkim_result
from dmarc_milter.journal.seen_lists import authenticated_domains
from dmarc_milter.journal.summary import summary
from dmarc_milter.journal.summary_words import change
from dmarc_milter.journal.tallying import tally
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.journals import insert, make_old
from tests.support.mail import DAY, PERIODS, UNTIL, mail, varied

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("utc")


def within(rows: list[dict[str, Any]], period: Period) -> list[dict[str, Any]]:
    return [each for each in rows if period.since <= each["time"] < period.until]


def by(rows: list[dict[str, Any]], period: Period, take: Callable[[dict[str, Any]], Any]) -> dict[str, Figure]:
    now, before = (Counter(map(take, within(rows, each))) for each in (period, period.before))
    return {name: Figure(now[name], before[name]) for name in now.keys() | before.keys() if name}


def counted(figures: Any) -> dict[str, Figure]:
    return {name: figure for name, figure in figures.items() if any(figure)}


@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS.keys())
@pytest.mark.parametrize("domain", [None, "a.example"])
@pytest.mark.parametrize("is_tallied", [False, True])
def test_figures_are_those_of_the_records(
    engine: Engine, url: DatabaseUrl, period: Period, domain: str | None, is_tallied: bool
) -> None:
    rows = varied()
    insert(url, rows)
    if is_tallied:
        assert tally(engine, UNTIL) == 2
    rows = [each for each in rows if domain is None or each["author_domain"] == domain]
    found = summary(engine, period, domain)
    assert found.all == Figure(len(within(rows, period)), len(within(rows, period.before)))
    is_let_by = {True: "unjudged", False: None}
    unjudged = by(rows, period, lambda row: is_let_by[row["spf"] is None and row["action"] == "accept"])
    assert found.unjudged == unjudged.get("unjudged", Figure())
    done = by(rows, period, lambda row: None if row["spf"] is None and row["action"] == "accept" else row["action"])
    assert counted(found.done) == done
    assert found.would_be == by(rows, period, lambda row: row["wanted"] if row["wanted"] != row["action"] else None)
    assert found.spared == by(rows, period, lambda row: row["override"])
    assert found.rules == by(rows, period, lambda row: row["rule"])
    judged = [each for each in rows if each["spf"] is not None]
    for method in ("dmarc", "spf", "arc", "kind"):
        assert found.results[method] == by(judged, period, lambda row, name=method: row[name])  # type: ignore[misc]
    assert found.results["dkim"] == by(judged, period, dkim_result)
    assert set(found.hosts) == {each["host"] for each in within(rows, period)}
    assert set(found.modes) == {each["mode"] for each in within(rows, period)}
    standing_out = [each for each in rows if each["dmarc"] == "fail" or each["wanted"] != "accept"]
    domains = by(standing_out, period, lambda row: row["author_domain"] or "-")
    assert {each.name or "-": each.messages for each in found.domains} == {
        name: figure for name, figure in domains.items() if figure.now
    }
    networks = by(standing_out, period, lambda row: network_of(row["client"]))
    assert {each.name or "local": each.messages for each in found.networks} == {
        name: figure for name, figure in networks.items() if figure.now
    }
    for network in found.networks:
        of_it = [
            each for each in within(standing_out, period) if network_of(each["client"]) == (network.name or "local")
        ]
        assert network.domains == len({each["author_domain"] for each in of_it} - {None})
    lists = by(rows, period, lambda row: row["list_id"])
    assert {each.name: each.messages for each in found.lists} == {
        name: figure for name, figure in lists.items() if figure.now
    }
    failing = by([each for each in rows if each["dmarc"] == "fail"], period, lambda row: row["list_id"])
    assert all(each.failing == failing.get(each.name, Figure()) for each in found.lists)


def test_each_domain_says_from_where_and_as_whom(engine: Engine, url: DatabaseUrl) -> None:
    rows = [each for each in varied() if each["author_domain"]]
    insert(url, rows)
    period = Period(UNTIL - 2 * DAY, UNTIL)
    for domain in summary(engine, period).domains:
        its = [
            each
            for each in within(rows, period)
            if each["author_domain"] == domain.name and (each["dmarc"] == "fail" or each["wanted"] != "accept")
        ]
        networks = Counter(network_of(each["client"]) for each in its)
        assert networks[domain.network or "local"] == max(networks.values())
        newest = sorted(its, key=lambda row: float(row["time"]))[-SAMPLE:]
        names = Counter(name for each in newest for name in authenticated_domains(each) or {""})
        assert names[domain.proves_to_be or ""] == max(names.values())


def test_hours_add_up(engine: Engine, url: DatabaseUrl) -> None:
    rows = varied()
    insert(url, rows)
    period = Period(UNTIL - DAY, UNTIL)
    for domain in (None, "b.example"):
        its = [each for each in rows if domain is None or each["author_domain"] == domain]
        found = summary(engine, period, domain).hourly
        assert len(found) == 24
        assert dict(found) == {
            int(period.since) + HOUR * number: len(
                within(its, Period(period.since + HOUR * number, period.since + HOUR * (number + 1)))
            )
            for number in range(24)
        }


def test_a_summary_of_a_journal_that_is_not_filled_yet_says_so(engine: Engine) -> None:
    rows = varied(20)
    make_old(engine, rows)
    schema.prepare(engine)
    found = summary(engine, Period(UNTIL - DAY, UNTIL))
    assert not found.is_complete
    assert "Records of an older version are still being counted" in tell(found, (), None)


def test_no_question_of_a_summary_reads_the_whole_table(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    asked: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        asked.append((given[2], given[3]))

    sa.event.listen(engine, "before_cursor_execute", note)
    for domain in (None, "a.example"):
        summary(engine, Period(UNTIL - DAY, UNTIL), domain)
    asked = [each for each in asked if "FROM messages" in each[0]]
    sa.event.remove(engine, "before_cursor_execute", note)
    assert len(asked) > 10
    with engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            scans = [step[3] for step in plan if step[3].startswith("SCAN messages")]
            assert all(re.search(r"ix_messages_(by_list|standing_out|unfilled)$", each) for each in scans), statement


CHANGES = {
    Figure(103, 100): "+3 %",
    Figure(59, 100): "-41 %",
    Figure(100, 100): "+0 %",
    Figure(0, 100): "-100 %",
    Figure(3, 0): "new",
    Figure(0, 0): "",
    Figure(30_000, 10): "x 3,000",
}


@pytest.mark.parametrize(("figure", "said"), CHANGES.items())
def test_changes(figure: Figure, said: str) -> None:
    assert change(figure) == said


def test_long_names_are_cut_in_the_middle() -> None:
    assert cut("mail.shop.example", 17) == "mail.shop.example"
    assert cut("a-very-long-label.of-some.shop.example", 20) == "a-very..shop.example"


def test_eighty_columns_whatever_senders_write(engine: Engine, url: DatabaseUrl) -> None:
    rows = varied()
    for number, row in enumerate(rows):
        row["host"] = f"mx{number % 9}.a-very-long-name.of-a-host.example"
        row["client"] = f"2001:db8:{number:x}:ffff::1"
        if row["author_domain"]:
            row["author_domain"] = f"{'x' * 60}.{number}.example"
            row["list_id"] = f"\u202e{'l' * 60}{number}.\x1b[31m"
        row["rule"] = f"{'rule-' * 12}{number % 12}"
    insert(url, rows)
    for seconds in (HOUR, DAY, 40 * DAY):
        text = tell(summary(engine, Period(UNTIL - seconds, UNTIL)), ["r" * 64], None)
        assert max(map(len, text.splitlines())) <= 80
        assert not [each for each in text if not each.isprintable() and each != "\n"]


# As the command tells it


def example(url: str) -> None:
    """Two days of a small site: the mail of docs/summary.md."""
    rows: list[dict[str, Any]] = []

    def add(count: int, hours_ago: float, found: int, **more: Any) -> None:
        for number in range(count):
            row = {**kinds[found], **more, "host": "mx1", "uid": f"u{len(rows)}"}
            row["time"] = UNTIL - (hours_ago + 20 * number / count) * HOUR
            for column in FINDING.columns:
                assert column.derive is not None
                row[column.name] = column.derive(row)
            rows.append(row)

    kinds = mail(17)
    own, nobody, other, unjudged = 0, 1, 3, 16
    for ago, factor in ((1, 4), (25, 3)):
        add(100 * factor, ago, own, author_domain="partner.example", spf="pass", wanted="accept", action="accept")
        add(31 * factor, ago, unjudged, wanted="accept", action="accept")
        add(
            2 * factor,
            ago,
            other,
            author_domain="shop.example",
            client="198.51.100.7",
            spf_domain="esp1.mailer.example",
        )
        add(factor, ago, nobody, author_domain="bank.example", client="203.0.113.66")
        by_list = {"spf": "pass", "spf_domain": "lists.example"}
        spared = {"wanted": "accept", "action": "accept"}
        add(5 * factor, ago, 7, author_domain="friend.example", list_id="dev.lists.example", **by_list, **spared)
        add(factor, ago, 9, author_domain="customer.example", rule="old-crm", **spared)
    add(1, 50, own, author_domain="partner.example", wanted="accept", action="accept")
    add(3, 0.5, nobody, author_domain="new.example", client="203.0.113.70")
    insert(url, rows)


SETTINGS = """
[[override]]
name = "old-crm"
client = ["192.0.2.7"]
action = "accept"

[[override]]
name = "printers"
client = ["192.0.2.99"]
action = "accept"
"""


@pytest.fixture
def command(tmp_path: Path, url: DatabaseUrl, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    example(url)
    path = tmp_path / "filter.toml"
    path.write_text(SETTINGS)
    monkeypatch.setattr("dmarc_milter.cli.summary.run.time.time", lambda: UNTIL)
    return ["summary", "--since", "2026-11-24T10:00", "--journal", url, "--config", str(path)]


def test_the_document_shows_what_is_told(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    told = capsys.readouterr().out
    shown = "".join(f"    {line}".rstrip() + "\n" for line in told.splitlines())
    document = (ROOT / "docs" / "summary.md").read_text("utf-8")
    assert shown in document, told
    assert "dead: it decided nothing" in told


def test_for_programs(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    document = (ROOT / "docs" / "summary.md").read_text("utf-8")
    assert {f"`{key}`" for key in found} <= set(re.findall(r"`\w+`", document))
    assert (found["since"], found["before"]["since"]) == ("2026-11-24T10:00:00+00:00", "2026-11-23T10:00:00+00:00")
    assert found["dead_rules"] == ["printers"]
    assert found["rules"] == [{"rule": "old-crm", "messages": 4, "messages_before": 3}]
    assert found["actions"]["reject"] == {"messages": 15, "messages_before": 9}


def test_of_one_domain(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--from", "somebody@SHOP.example."]) == 0
    told = capsys.readouterr().out
    assert "only mail of shop.example\n" in told
    assert "bank.example" not in told
    assert main([*command, "--from", "a b"]) == 2


def test_a_period_that_is_to_come(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--since", "2027-01-01"]) == 2
    assert "--since is not in the past" in capsys.readouterr().err


def test_colours(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--color", "always"]) == 0
    coloured = capsys.readouterr().out
    assert main(command) == 0
    assert re.sub(r"\x1b\[\d+m", "", coloured) == capsys.readouterr().out != coloured


def test_it_is_sent_through_the_mta(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[tuple[bytes, str]] = []
    monkeypatch.setattr(run, "hand_over", lambda message, recipient: taken.append((message.as_bytes(), recipient)))
    assert main([*command, "--mail", "postmaster@mx.example"]) == 0
    assert capsys.readouterr().out == ""
    ((octets, recipient),) = taken
    sent = message_from_bytes(octets, policy=policy.default)
    assert (recipient, sent["To"], sent["Auto-Submitted"]) == ("postmaster@mx.example",) * 2 + ("auto-generated",)
    assert sent["Subject"] == "dmarc-milter: 563 messages since 2026-11-24 10:00: 15 refused, 0 quarantined, 0 deferred"
    assert main(command) == 0
    assert sent.get_content() == capsys.readouterr().out


def test_an_mta_that_does_not_take_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise trial.TrialError("451 not now")

    monkeypatch.setattr(run, "hand_over", refuse)
    assert main([*command, "--mail", "postmaster@mx.example"]) == 2
    assert "did not take the summary: 451 not now" in capsys.readouterr().err
    assert main([*command, "--mail", "a@b\nBcc: c@d"]) == 2


def test_an_empty_journal(engine: Engine, url: DatabaseUrl, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--journal", url]) == 0
    assert capsys.readouterr().out.endswith("The journal has no records yet.\n")


def test_nothing_to_compare_with(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, [each for each in varied() if each["time"] > UNTIL - HOUR])
    told = tell(summary(engine, Period(UNTIL - DAY, UNTIL)), (), None)
    assert "change" not in told
    assert "new" not in told
    assert "The journal begins on 2026-11-25 09:00: there is less to compare with." in told


def test_counts_that_are_older_than_the_records(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    with engine.begin() as connection:
        connection.execute(schema.messages.delete().where(schema.messages.c.time < UNTIL - DAY))
    told = tell(summary(engine, Period(UNTIL - 2 * DAY, UNTIL)), (), None)
    assert "Records are kept since 2026-11-24 10:" in told


def test_results_have_the_same_order_each_day(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    told = tell(summary(engine, Period(UNTIL - DAY, UNTIL)), (), None)
    assert re.findall(r"(?m)^DMARC +(\w+)", told) == ["pass", "none", "fail"]
    assert re.findall(r"(?m)^ARC +(\w+)", told) == ["pass", "none", "fail"]


def test_hours_before_the_journal_are_not_listed(engine: Engine, url: DatabaseUrl) -> None:
    insert(url, varied())
    found = summary(engine, Period(0.0, UNTIL))
    assert 71 <= len(found.hourly) <= 73
    assert sum(count for _, count in found.hourly) == found.all.now == 600
