"""What the numbers of the console's pages lead to, and what they should."""

import ipaddress
import random
import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dmarc_milter.console.access import Gate
from dmarc_milter.demo.month import month
from dmarc_milter.journal.rollups import dkim_result
from dmarc_milter.journal.row import TABLE
from dmarc_milter.journal.what_if import best_identifier
from tests.support.console import ask, console

NOW = 1_795_000_000.0
COUNT = 800
Row = dict[str, Any]
PAGES = (
    *("/", "/?range=7d", "/?range=30d", "/?host=mx1.example.org", "/?range=30d&host=mx2.example.org"),
    *("/what-if?days=7", "/what-if?days=30"),
    *("/domains/bank.example", "/domains/shop.example?range=7d", "/domains/partner.example?range=7d"),
)
NOT_OF_MESSAGES = {"domains claimed", "pass", "not"}
"""Columns that count domains and signatures."""


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


class Numbers(HTMLParser):
    """The links of a page to messages, with the number in them, and the cells that hold a number and no link."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, int]] = []
        self.bare: list[tuple[str, str]] = []
        self._link: str | None = None
        self._cell: str | None = None
        self._text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self._link, self._text, self._cell = given.get("href") or "", "", None
        if tag == "td" and given.get("class") == "n":
            self._cell, self._text = given.get("data-label") or "", ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        number = re.search(r"(?<![0-9.,/:])[0-9][0-9,]*(?![0-9.,/:])", self._text)
        if tag == "a" and self._link is not None:
            if self._link.startswith("/messages?") and number is not None:
                self.links.append((self._link, int(number[0].replace(",", ""))))
            self._link = None
        if tag == "td" and self._cell is not None:
            if number is not None and not self._text.strip().startswith("0"):
                self.bare.append((self._cell, self._text))
            self._cell = None


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


def check_numbers(rows: list[Row], url: str, page: str) -> None:
    """Each number of a page, against the list that it leads to and against the rows themselves."""
    app = console(url)
    found = Numbers(ask(app, page).text)
    assert found.links
    for address, number in dict.fromkeys(found.links):
        assert (address, counted(app, address), meant(rows, address)) == (address, number, number)
    assert [each for each in found.bare if each[0] not in NOT_OF_MESSAGES] == []
