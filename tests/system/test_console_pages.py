"""Each page of the console in a real browser, filled, empty and in error: legible and accessible, light and dark.

Widths are those of a small telephone, of a common one, and of a desk.
"""

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.journal import schema
from dmarc_milter.journal.database import open_engine
from tests.system.browser import sideways, violations, watch
from tests.system.conftest import MakeConsole
from tests.system.running_console import RunningConsole

pytestmark = pytest.mark.system

FILLED = {
    "overview": ("/?range=30d", 200),
    "overview-24h": ("/", 200),
    "messages": ("/messages?dmarc=fail&since=20d&client=203.0.113.0/24", 200),
    "messages-none": ("/messages?q=nobody.example", 200),
    "search-error": ("/messages?client=nowhere", 400),
    "domain": ("/domains/bank.example", 200),
    "domain-in-other-letters": ("/domains/xn--bcher-kva.example", 200),
    "domain-unknown": ("/domains/nobody.example", 200),
    "no-domain": ("/domains/nobody", 404),
    "what-if": ("/what-if?days=30", 200),
    "reports": ("/reports", 200),
    "reports-bounced": ("/reports?state=bounced", 200),
    "health": ("/health", 200),
    "no-page": ("/nope", 404),
    "no-message": ("/messages/nope", 404),
}
EMPTY = {
    "overview": ("/", 200),
    "messages": ("/messages", 200),
    "domain": ("/domains/bank.example", 200),
    "what-if": ("/what-if", 200),
    "reports": ("/reports", 200),
    "health": ("/health", 200),
}
GONE = {
    "overview": ("/", 503),
    "messages": ("/messages", 503),
    "story": ("/messages/0000", 503),
    "domain": ("/domains/bank.example", 503),
    "what-if": ("/what-if", 503),
    "reports": ("/reports", 503),
}
WIDTHS = (320, 360, 1280)
BETWEEN = (640, 700, 900, 1024)
"""Where tables have little room: looked at for their width alone."""
KEY_COLUMNS = ("time", "done", "DMARC", "From", "queue id")


@pytest.fixture(scope="module")
def filled(make_console: MakeConsole, month_of_mail: str, tmp_path_factory: pytest.TempPathFactory) -> RunningConsole:
    """Of a filter whose settings are known, and which does not run."""
    settings = tmp_path_factory.mktemp("filter") / "filter.toml"
    settings.write_text(
        f'[policy]\nmode = "enforce"\n[journal]\ndatabase = "{month_of_mail}"\n'
        '[[override]]\nname = "old-crm"\nfrom_domain = ["bank.example"]\naction = "accept"\n'
    )
    return make_console(month_of_mail, f'filter_settings = "{settings}"\n')


@pytest.fixture(scope="module")
def empty(make_console: MakeConsole, tmp_path_factory: pytest.TempPathFactory) -> RunningConsole:
    journal = f"sqlite:///{tmp_path_factory.mktemp('empty')}/journal.sqlite"
    engine = open_engine(journal, create=True)
    schema.prepare(engine)
    engine.dispose()
    return make_console(journal)


@pytest.fixture(scope="module")
def gone(make_console: MakeConsole, tmp_path_factory: pytest.TempPathFactory) -> RunningConsole:
    return make_console(f"sqlite:///{tmp_path_factory.mktemp('gone')}/journal.sqlite")


def is_legible(page: Any, address: str, status: int) -> None:
    """At each width, light and dark, with everything opened that can be."""
    complaints = watch(page)
    answer = page.goto(address)
    assert answer.status == status
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert sideways(page) == [], width
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == [], (width, scheme)
    for width in BETWEEN:
        page.set_viewport_size({"width": width, "height": 800})
        assert sideways(page) == [], width
    assert complaints == []
    page.close()


@pytest.mark.parametrize("name", FILLED)
def test_with_a_month_of_mail(filled: RunningConsole, browser: Any, name: str) -> None:
    path, status = FILLED[name]
    is_legible(browser.new_page(), filled.address + path, status)


@pytest.mark.parametrize("search", ["action=reject", "spared=mailing_list", "dmarc=temperror", "rule=old-crm"])
def test_the_story_of_a_message(filled: RunningConsole, browser: Any, search: str) -> None:
    with urllib.request.urlopen(f"{filled.address}/messages?{search}") as answer:
        (path, *_) = re.findall(r'"(/messages/[0-9a-f]{40})"', answer.read().decode())
    is_legible(browser.new_page(), filled.address + path, 200)


@pytest.mark.parametrize("name", EMPTY)
def test_without_mail(empty: RunningConsole, browser: Any, name: str) -> None:
    path, status = EMPTY[name]
    is_legible(browser.new_page(), empty.address + path, status)


@pytest.mark.parametrize("name", GONE)
def test_without_a_journal(gone: RunningConsole, browser: Any, name: str) -> None:
    path, status = GONE[name]
    is_legible(browser.new_page(), gone.address + path, status)


def test_printed_it_is_dark_on_white(filled: RunningConsole, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{filled.address}/?range=30d")
    page.emulate_media(media="print")
    assert violations(page) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").first.is_visible()
    page.close()


def test_key_columns_are_in_sight_on_a_telephone(filled: RunningConsole, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(f"{filled.address}/messages?action=reject")
    for name in KEY_COLUMNS:
        cell = page.locator(f'#rows tbody tr:first-child td[data-label="{name}"]')
        box = cell.bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 360, name
        assert box["y"] + box["height"] <= 740, f"{name} is below the fold"
        assert cell.inner_text().strip(), name
        assert cell.evaluate("(each) => each.scrollWidth <= each.clientWidth"), name
    page.close()
