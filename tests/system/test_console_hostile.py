"""What attackers write into mail and into their DNS, brought in through the real filter, on every page of the console."""

import csv
import io
import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from dmarc_milter.demo.examples import zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.running import RunningFilter, settings
from tests.support.waiting import wait_for
from tests.system.browser import sideways, violations, watch
from tests.system.conftest import MakeConsole
from tests.system.running_console import RunningConsole

pytestmark = pytest.mark.system

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>"
QUOTES = "\"' onfocus=alert(1) autofocus x='\"></a><script>alert(1)</script>"
ENTITY = "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}{%x%}${7*7}javascript:alert(1)"
CONTROL = "\x07\x1b[31mred\x1b]0;title\x07\x08\x7f\u2028\u2029"
BACKWARDS = "\u202egro.elpmaxe\u202c\u2066\u200f\ufeff"
LONG = "W" * 900
HIGH = "Z" + "\u0301\u0489" * 300
FORMULAS = ("=cmd|' /C calc'!A0", '+HYPERLINK("http://evil.example")', "-2+3", "@SUM(A1)", "\t=1", "\r=1", "x;=1;+1")
VALUES = (SCRIPT, QUOTES, ENTITY, CONTROL, BACKWARDS, LONG, HIGH, *FORMULAS)
ZONE = rf"""
$ORIGIN spf-evil.example.
@ IN TXT "v=spf1 {SCRIPT} -all"
_dmarc IN TXT "v=DMARC1; p=reject"
$ORIGIN explains.example.
@ IN TXT "v=spf1 -all exp=why.explains.example"
why IN TXT "=cmd {SCRIPT} %{{s}}"
_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:\"><script>alert(1)</script>@evil.example"
$ORIGIN dmarc-evil.example.
@ IN TXT "v=spf1 ip4:203.0.113.0/24 -all"
_dmarc IN TXT "v=DMARC1; p=<script>alert(1)</script>; sp='\"; rua=mailto:{SCRIPT}"
$ORIGIN passes.example.
@ IN TXT "v=spf1 ip4:203.0.113.0/24 -all"
_dmarc IN TXT "v=DMARC1; p=reject"
*._domainkey IN TXT "v=DKIM1; k=<script>alert(1)</script>; p=\"><script>alert(1)</script>"
"""
JOURNAL = '[journal]\ndatabase = "sqlite:///{folder}/journal.sqlite"\naddresses = true\n'
DOMAINS = ("spf-evil.example", "explains.example", "dmarc-evil.example", "passes.example")
NOT_OURS = """() => [...document.querySelectorAll("body script, body img, body iframe, body [style], body base")]
  .concat([...document.querySelectorAll("*")].filter((each) =>
    [...each.attributes].some((one) => /^on/.test(one.name) || /^\\s*javascript:/i.test(one.value))))
  .map((each) => each.outerHTML.slice(0, 200))"""


class Hostile(NamedTuple):
    """The running filter, after the mail, and a console over its journal."""

    filter: RunningFilter
    console: RunningConsole


def play(running: RunningFilter, number: int, value: str) -> None:
    """A message that has `value` wherever a sender may write, in the name of each domain."""
    octets = value.encode()
    for domain in DOMAINS:
        signature = f" v=1; a=rsa-sha256; d={domain}; s={value}; h=from; bh=AAAA; b=AAAA"
        valid = f" v=1; a=rsa-sha256; d={domain}; s=s{number}; i={value}@{domain}; h=from; bh=AAAA; b=AAAA"
        fields = [
            (b"From", b' "' + octets + b'" <' + octets[:60] + b"@" + domain.encode() + b">"),
            (b"Message-ID", b" <" + octets + b"@x.example>"),
            (b"List-Id", b" " + octets + b" <" + octets + b".lists.example>"),
            (b"Subject", b" " + octets),
            (b"DKIM-Signature", signature.encode()),
            (b"DKIM-Signature", valid.encode()),
            (b"ARC-Authentication-Results", b" i=1; " + octets),
        ]
        mta = running.mta()
        mta.connect(value, "203.0.113.9")
        mta.helo(value)
        mta.message(f"{value}@{domain}", ["you@example.org"], fields, b"x\r\n", queue_id=value[:200])
        mta.quit()
    bare = [(b"From", b" " + octets), (b"Message-ID", octets), (b"List-Id", octets)]
    mta = running.mta()
    mta.connect("x", "203.0.113.9")
    mta.helo("x")
    mta.message(value, ["you@example.org"], bare, b"x\r\n", queue_id=value[:200])
    mta.quit()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, make_console: MakeConsole) -> Iterator[Hostile]:
    folder = tmp_path_factory.mktemp("hostile")
    with NameServerThread(ZoneResolver.from_text(zone_text() + ZONE)) as server:
        running = RunningFilter(folder, f"unix:{folder}/socket", settings(server, JOURNAL.format(folder=folder)))
        for number, value in enumerate(VALUES):
            play(running, number, value)
        console = make_console(running.journal, f'filter_settings = "{running.config}"\n')
        wait_for(lambda: len(messages(console)) == len(VALUES) * (len(DOMAINS) + 1), "the journal")
        yield Hostile(running, console)
        running.stop()


def messages(console: RunningConsole) -> list[dict[str, Any]]:
    """As the console exports them."""
    with urllib.request.urlopen(f"{console.address}/messages.json", timeout=30) as answer:
        return list(json.load(answer))


def test_it_is_in_the_journal(hostile: Hostile) -> None:
    rows = messages(hostile.console)
    for name in ("helo", "message_id", "mail_from", "queue_id"):
        assert any("<script>" in str(each[name]) for each in rows), name
    assert any("<script>" in each["spf_reason"] for each in rows)


def look(browser: Any, address: str) -> None:
    """Nothing runs, nothing is broken, at the width of a telephone."""
    page = browser.new_page(viewport={"width": 360, "height": 800})
    complaints = watch(page)
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate(NOT_OURS) == []
    assert sideways(page) == []
    assert violations(page) == []
    for path in page.locator("main a[href]").evaluate_all("(all) => all.map((each) => each.getAttribute('href'))"):
        assert path.startswith("/"), path
    page.set_viewport_size({"width": 1280, "height": 800})
    assert sideways(page) == []
    assert complaints == []
    page.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/messages",
        "/messages?dmarc=fail",
        "/what-if?days=30",
        "/reports",
        "/health",
        *(f"/domains/{each}" for each in DOMAINS),
    ],
)
def test_a_page_shows_it_as_text(hostile: Hostile, browser: Any, path: str) -> None:
    look(browser, hostile.console.address + path)


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_its_story_and_a_search_for_it(hostile: Hostile, browser: Any, number: int) -> None:
    value = VALUES[number]
    rows = [each for each in messages(hostile.console) if each["queue_id"][:10] == told(value)[:10]]
    assert rows
    look(browser, f"{hostile.console.address}/messages/{rows[0]['uid']}")
    page = browser.new_page()
    complaints = watch(page)
    page.goto(hostile.console.address)
    page.fill("#q", value[:500])
    page.press("#q", "Enter")
    page.wait_for_url("**/messages**")
    assert page.evaluate(NOT_OURS) == []
    assert complaints == []
    page.close()


def told(value: str) -> str:
    """As the filter writes it down."""
    return "".join(each if each.isprintable() else "?" for each in value)


def test_it_comes_in_while_one_follows(hostile: Hostile, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    complaints = watch(page)
    page.goto(f"{hostile.console.address}/messages?from=passes.example")
    page.click("#follow")
    page.wait_for_selector("text=Following: new")
    for number, value in enumerate(VALUES):
        play(hostile.filter, number, value)
    page.locator("tr.fresh").nth(len(VALUES) - 1).wait_for(timeout=10_000)
    assert page.evaluate(NOT_OURS) == []
    assert sideways(page) == []
    assert violations(page) == []
    assert complaints == []
    page.close()


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_no_cell_is_calculated_whatever_parts_the_cells(hostile: Hostile, separator: str) -> None:
    with urllib.request.urlopen(f"{hostile.console.address}/messages.csv") as answer:
        text = answer.read().decode()
    cells = [each for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for each in row]
    assert len(cells) > len(VALUES) * len(DOMAINS)
    assert [each for each in cells if re.match(r"\s*[=+\-@\t\r]", each)] == []
    assert any("'=cmd" in each for each in cells)
