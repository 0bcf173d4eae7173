"""Anything in an address, and anything in a row of the journal: an answer that is none of a failure, and text as text."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy.engine import Engine

from dmarc_milter.columns.column import Kind
from dmarc_milter.console.access import Gate
from dmarc_milter.console.app import PAGES
from dmarc_milter.console.search import NAMES
from dmarc_milter.console.settings import ConsoleSection, ConsoleSettings
from dmarc_milter.console.site import Site
from dmarc_milter.demo.month import month
from dmarc_milter.journal.row import TABLE
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.journal import JournalSection
from tests.support.console import Answer, ask, console
from tests.support.journals import insert

pytestmark = pytest.mark.usefixtures("utc")

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
OCTETS = (
    *("%00", "%FF%FE", "%ED%A0%80", "%0A", "%0D%0Ax:%20y", "%", "%zz", "+", "%20", "%E2%80%AE", "%E0%B8%81.example"),
    *(
        quote(SCRIPT),
        quote("{{7*191}}"),
        "W" * 60_000,
        "9" * 400,
        "a%0Ab",
        "%25",
        "_",
        "..",
        "%2e%2e%2fapp.py",
        "a" * 300,
    ),
)
NUMBERS = ("0", "-1", "1e308", "inf", "nan", "9" * 20 + "d", "-5d", "%EF%BC%97d", "10000000w", "1.5h", "00000d")
MOMENTS = (
    *("9999-12-31", "9999-12-31T23:59:59%2B14:00", "9999-12-31T23:59:59-14:00", "0001-01-01"),
    *(
        "0001-01-01T00:00:00-14:00",
        "0001-01-01T00:00:00%2B14:00",
        "2026-02-30",
        "24:61",
        "2026-11-24T10:00:00.9999999999Z",
    ),
)
ADDRESSES = ("::/0", "0.0.0.0/0", "1.2.3.4/33", "fe80::1%25eth0", "2001:db8::/129", "1.2.3", "[::1]", "4294967296")
NAMES_OF_DOMAINS = (
    "xn--",
    "xn--a.b",
    "XN--0.example",
    "a.." + "b",
    f"{'a' * 64}.example",
    "%C4%B0.example",
    "none",
    "local",
)
PLACES = ("99999999999_a", "0_0", "00000000000_x", "1.1_" + "z" * 65, "1795000000.000001_%00", "_", "-1_a")
LISTS = ("a," * 240, ",".join(["a.example"] * 40), "dkim:", "dkim:%22", "spf:%25", "nobody", "?/?", "a/b", "/", "a/")
WORDS = (
    "-a.b%20" * 60,
    "%20".join(["x"] * 200),
    "%3C" + "a" * 200 + "%3E",
    "-",
    "--",
    "-%3Ca%3E",
    "-1.2.3.0/24%20" * 30,
)
VALUES = (*OCTETS, *NUMBERS, *MOMENTS, *ADDRESSES, *NAMES_OF_DOMAINS, *PLACES, *LISTS, *WORDS)
EVERYWHERE = ("range", "days", "state", "host")


@pytest.fixture
def app(engine: Engine, url: DatabaseUrl) -> Gate:
    insert(url, list(month(60, time.time())))
    return console(url)


def is_fine(answer: Answer, address: str) -> None:
    """No failure, no script, and nothing much longer than what a page is."""
    assert answer.status in (200, 303, 400, 404), (answer.status, address[:200])
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "\n" not in answer.headers.get("location", "")
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "{{" not in answer.text or quote("{{7*191}}") in address
        assert "1337" not in answer.text or quote("{{7*191}}") not in address
    assert len(answer.text) < 400_000, address[:200]


@pytest.mark.parametrize("name", [*NAMES, "before", "nothing"])
def test_any_value_of_a_search(app: Gate, name: str) -> None:
    for value in VALUES:
        address = f"/messages?{name}={value}"
        is_fine(ask(app, address), address)


@pytest.mark.parametrize("page", ["/", "/what-if", "/reports", "/health", "/domains/bank.example", "/messages.csv"])
def test_any_value_on_every_page(app: Gate, page: str) -> None:
    for name in EVERYWHERE:
        for value in (*OCTETS, *NUMBERS):
            address = f"{page}?{name}={value}"
            is_fine(ask(app, address), address)


@pytest.mark.parametrize("path", ["/domains/", "/messages/", "/static/", "/", "/stream/"])
def test_any_path(app: Gate, path: str) -> None:
    for value in (*OCTETS, *NAMES_OF_DOMAINS, *PLACES):
        is_fine(ask(app, path + value), path + value)


def test_very_many_values(app: Gate) -> None:
    for address in ("/messages?" + "&".join(["q=a"] * 5_000), "/messages?" + "&".join(f"x{n}=1" for n in range(5_000))):
        is_fine(ask(app, address), address)


def test_what_is_kept_for_names_that_strangers_choose_is_bounded(url: DatabaseUrl) -> None:
    site = Site(ConsoleSettings(ConsoleSection(filter_settings=""), JournalSection(database=url)))
    for number in range(500):
        assert site.kept(("overview", str(number)), 60.0, lambda: "answer")[1] == "answer"
    assert len(site._kept) < 50
    assert site._making == {}


TEXTS = (
    SCRIPT,
    "",
    " ",
    "\ud7ff\ufffd",
    "\u202e\u2066",
    "W" * 3_000,
    "=1+1",
    "xn--a.example",
    "..",
    "javascript:alert(1)",
    "?/%#",
)
OWN = ("uid", "time", "worker", "seconds", "seconds_waited", "client", "outer_client", "mode", "action", "wanted")
"""What only the filter says, or libmilter as an address."""
RESULTS = ("spf", "arc", "dmarc", "policy", "published_policy", "kind", "override")


def hostile() -> Iterator[dict[str, Any]]:
    """A row for each column and text."""
    for column in TABLE:
        if column.name in (*OWN, *RESULTS) or column.kind not in (Kind.TEXT, Kind.JSON):
            continue
        for text in TEXTS:
            yield {column.name: _value(column.name, column.kind, text[: column.length or None])}


def _value(name: str, kind: Kind, text: str) -> Any:
    if kind is Kind.TEXT:
        return text
    if name == "alignments":
        return [
            {"mechanism": "spf", "domain": text, "authenticated": "yes", "aligned": False, "why": text, "code": None}
        ]
    if name != "dkim":
        return [text, text]
    key = {"algorithm": text, "key_bits": None, "is_test": None}
    told = {"result": "pass", "reason": text, "code": None, "domain": text, "selector": text, **key}
    return [told, {"result": "fail", "reason": "", "code": text, "domain": None, "selector": None, **key}]


def test_any_row(engine: Engine, url: DatabaseUrl) -> None:
    now, found = time.time(), []
    failing = [row for row in month(400, now) if row["wanted"] != "accept"]
    for number, given in enumerate(hostile()):
        row = {**failing[number % len(failing)], **given, "uid": f"{number:x}".zfill(40), "time": now - 60 - number}
        row |= {column.name: column.derive(row) for column in TABLE if column.derive is not None}
        found.append(row)
    insert(url, found)
    app = console(url)
    pages = [each for each in PAGES if "{" not in each and each != "/stream"]
    for address in (*pages, "/?range=30d", "/what-if?days=30", *(f"/messages/{row['uid']}" for row in found)):
        answer = ask(app, address)
        assert answer.status == 200, (address, answer.status)
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script>alert" not in answer.text, address
            assert "<img" not in answer.text, address
