"""What the numbers of the console's pages lead to, and what they should."""

import ipaddress
import random
import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy.engine import Engine

from dmarc_milter.console.access import Gate
from dmarc_milter.console.settings import ConsoleSection
from dmarc_milter.demo.month import month
from dmarc_milter.demo.reports import counts, write_reports
from dmarc_milter.journal.rollups import dkim_result
from dmarc_milter.journal.row import TABLE
from dmarc_milter.journal.what_if import best_identifier
from tests.support.console import ask, console
from tests.support.journals import insert

NOW = 1_795_000_000.0
COUNT = 800
Row = dict[str, Any]
PAGES = (
    *("/", "/?range=7d", "/?range=30d", "/?host=mx1.example.org", "/?range=30d&host=mx2.example.org"),
    *("/what-if?days=7", "/what-if?days=30"),
    *("/domains/bank.example", "/domains/shop.example?range=7d", "/domains/partner.example?range=7d"),
    *("/reports", "/health"),
)
NOT_OF_MESSAGES = {
    "domains claimed": "domains",
    "key": "bits",
    "headline": "a sentence whose figures are below it",
    "highest": "how high a chart is: its bars are in a table",
    "step": "hours of a bar",
    "smaller": "what is in no group that is shown: the command tells it",
    "forgotten": "what a report told of messages that the journal has forgotten",
    "tries": "deliveries",
    "answer": "what a server answered",
    "why": "what a server answered",
    "finding": "workers, processes, milliseconds",
}
"""The places of a page that have other numbers than of messages, and what these are."""


def varied() -> list[Row]:
    """The demo's month, with what it has not: another mode, what was not judged, local clients, two signatures."""
    chance = random.Random(7)
    found = []
    for row in month(COUNT, NOW):
        number = chance.random()
        if number < 0.1:
            row |= {"mode": "monitor", "action": "accept"}
        elif number < 0.13:
            names = ("spf", "spf_domain", "dkim", "arc", "dmarc", "dmarc_reason", "alignments", "policy", "override")
            row |= {**dict.fromkeys(names), "rule": None, "action": "accept", "wanted": "accept"}
        elif number < 0.16:
            row |= {"client": None}
        elif number < 0.3 and row["dkim"]:
            row |= {"dkim": [*row["dkim"], {**row["dkim"][0], "result": "pass", "domain": "second.example"}]}
        elif number < 0.4 and row["mail_from"]:
            row |= {"mail_from": f"Some.Body@{row['mail_from']}"}
        elif number < 0.45:
            row |= {"list_id": "dev.lists.example", "list_has_address": number < 0.42}
        elif number < 0.7 and row["list_id"]:
            row |= {"list_has_address": False}
        for column in TABLE:
            if column.derive is not None:
                row[column.name] = column.derive(row)
        found.append(row)
    return found


def fill(engine: Engine, url: str, rows: list[Row]) -> None:
    """The journal with these rows, and with reports that tell of them."""
    insert(url, rows)
    write_reports(engine, NOW, counts(row for row in rows if is_reported(row)))


def of_filter(folder: Path, journal: str) -> ConsoleSection:
    """A console's settings that name those of a filter, which does not run."""
    settings = folder / "filter.toml"
    settings.write_text(f'[dns]\nnameservers = ["127.0.0.1:1"]\n[journal]\ndatabase = "{journal}"\n')
    return ConsoleSection(filter_settings=str(settings))


class Bare(NamedTuple):
    """A number of a page without a link to what it counts."""

    place: str
    """What the page calls its cell, else the element around it that has a name."""
    number: str


class Numbers(HTMLParser):
    """The links of a page to messages, with the number in them; and the numbers that have none."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, int]] = []
        self.bare: list[Bare] = []
        self._open: list[tuple[str, str]] = []
        """Elements with their names."""
        self._link: str | None = None
        self.feed(text)
        assert not self._open, "each element has its end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in _WITHOUT_END:
            name = given.get("data-label") or given.get("id") or given.get("class", "")
            self._open.append((tag, name))
        if tag == "a":
            self._link = given.get("href", "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """It holds no text."""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag
        if tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "main" not in tags or any(each in _NO_COUNTS for each in tags):
            return
        for word in data.split():
            number = re.fullmatch(r"\(?([0-9][0-9,]*?)[).,;:]*", word)
            if number is None or number[1].strip("0,") == "":
                continue
            if self._link is None:
                self.bare.append(Bare(next((name for _, name in reversed(self._open) if name), ""), number[1]))
            elif self._link.startswith("/messages?"):
                self.links.append((self._link, int(number[1].replace(",", ""))))


_WITHOUT_END = {"meta", "link", "input", "br", "wbr"}
_NO_COUNTS = {"time", "code", "pre", "svg", "kbd", "option"}
"""Moments, what is to be typed or copied, and pictures, whose numbers are in a table."""


def counted(app: Gate, address: str) -> int:
    answer = ask(app, address)
    assert answer.status == 200, (address, answer.text)
    (found,) = re.findall(r'id="count">([0-9,]+) message', answer.text)
    return int(found.replace(",", ""))


def _is_in(row: Row, network: str) -> bool:
    address = row["outer_client"] or row["client"]
    return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _stands_out(row: Row) -> bool:
    return bool(row["dmarc"] == "fail" or row["wanted"] != "accept")


def _proves(row: Row, value: str) -> bool:
    method, name = best_identifier(row)
    told = f"{method.value}:{name}" if name else "nobody"
    return value == told


def _is_failing_list(row: Row) -> bool:
    is_list = row["list_id"] is not None and row["list_has_address"] is not False
    return is_list and row["dmarc"] == "fail" and row["policy"] in ("quarantine", "reject")


def _is_signed(row: Row, value: str, *, is_pass: bool) -> bool:
    found = [(f"{each['domain']}/{each['selector']}", each["result"]) for each in row["dkim"] or ()]
    return any(key == value and (result == "pass") == is_pass for key, result in found)


def is_reported(row: Row) -> bool:
    is_told = bool(row["dmarc"] in ("pass", "fail", "temperror") and row["policy"] and row["action"] != "tempfail")
    return is_told and bool(row["outer_client"] or row["client"])


def _is_vouched(row: Row) -> bool:
    """A chain vouches for it, and no rule decided."""
    return bool(row["dmarc"] == "fail" and row["wanted"] != "accept" and row["arc_vouching"]) and row["rule"] is None


_FAILING = {"1": _stands_out, "list": _is_failing_list, "sealed": _is_vouched}
MEANT: dict[str, Callable[[Row, str], bool]] = {
    "since": lambda row, value: row["time"] >= datetime.fromisoformat(value).timestamp(),
    "until": lambda row, value: row["time"] <= datetime.fromisoformat(value).timestamp(),
    "from": lambda row, value: row["author_domain"] == (None if value == "none" else value),
    "client": lambda row, value: _is_in(row, value) if value != "none" else not (row["outer_client"] or row["client"]),
    "failing": lambda row, value: _FAILING[value](row),
    "sealer": lambda row, value: set(value.split(",")) <= set(row["arc_vouching"] or ()),
    "dmarc": lambda row, value: row["dmarc"] in (("temperror", "permerror") if value == "error" else (value,)),
    "judged": lambda row, value: (row["spf"] is not None) == (value == "yes"),
    "done": lambda row, value: (row["wanted"] == row["action"]) == (value == "yes"),
    "wanted": lambda row, value: row["wanted"] != "accept" if value == "not-accept" else row["wanted"] == value,
    "dkim": lambda row, value: row["spf"] is not None and dkim_result(row) == value,
    "as": _proves,
    "passed": lambda row, value: _is_signed(row, value, is_pass=True),
    "not_passed": lambda row, value: _is_signed(row, value, is_pass=False),
    "reported": lambda row, value: row["policy_domain"] == value and is_reported(row),
    "mail_from": lambda row, value: row["mail_from"].lower().rpartition("@")[2] == ("" if value == "none" else value),
    "list": lambda row, value: row["list_id"] == value,
    "spared": lambda row, value: row["override"] == value,
    **{
        name: lambda row, value, name=name: row[name] == value  # type: ignore[misc]
        for name in ("action", "spf", "arc", "kind", "host", "rule")
    },
}
"""What an address asks for, of one row: told apart from the queries on purpose."""


def meant(rows: list[Row], address: str) -> int:
    asked = parse_qsl(urlsplit(address).query)
    return sum(all(MEANT[name](row, value) for name, value in asked) for row in rows)


def check_numbers(rows: list[Row], url: str, page: str, section: ConsoleSection) -> None:
    """Each number of a page, against the list that it leads to and against the rows themselves."""
    app = console(url, section)
    found = Numbers(ask(app, page).text)
    assert found.links
    for address, number in dict.fromkeys(found.links):
        assert (address, counted(app, address), meant(rows, address)) == (address, number, number)
    assert [each for each in found.bare if each.place not in NOT_OF_MESSAGES] == []
