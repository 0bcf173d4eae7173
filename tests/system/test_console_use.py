"""The console as people use it: without JavaScript, and by the keyboard alone."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.browser import watch
from tests.system.conftest import MakeConsole
from tests.system.running_console import RunningConsole

pytestmark = pytest.mark.system

FOCUSED = """async () => {
  await new Promise(requestAnimationFrame);
  const style = getComputedStyle(document.activeElement);
  const box = document.activeElement.getBoundingClientRect();
  return {
    name: document.activeElement.localName,
    text: document.activeElement.textContent.trim().slice(0, 40),
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    seen: box.width > 0 && box.top >= -1 && box.bottom <= innerHeight + 1 && box.left >= 0 && box.right <= innerWidth + 1,
  };
}"""


@pytest.fixture(scope="module")
def running(make_console: MakeConsole, month_of_mail: str) -> RunningConsole:
    return make_console(month_of_mail)


# Without JavaScript


@pytest.fixture
def plain(browser: Any, running: RunningConsole) -> Iterator[Any]:
    """A page in a browser without JavaScript."""
    context = browser.new_context(java_script_enabled=False, base_url=running.address)
    yield context.new_page()
    context.close()


def count(page: Any) -> int:
    """How many messages the list says that it has."""
    (found,) = re.findall(r"^([0-9,]+) message", page.inner_text("#count"))
    return int(found.replace(",", ""))


def test_without_javascript_a_message_is_found(plain: Any) -> None:
    plain.goto("/")
    plain.fill("#q", "bank.example refused")
    plain.press("#q", "Enter")
    with plain.expect_navigation():
        plain.locator("a.open").first.click()
    assert "DMARC fails, and bank.example asks for reject" in plain.inner_text("main")


def test_without_javascript_a_list_is_narrowed_and_widened(plain: Any) -> None:
    plain.goto("/messages?from=bank.example")
    everything = count(plain)
    plain.click("summary:has-text('Filters')")
    plain.select_option("select[name=dmarc]", "fail")
    plain.click("main button:has-text('Show')")
    failing = count(plain)
    assert 0 < failing < everything
    plain.click("a[aria-label='without DMARC fail']")
    assert count(plain) == everything


def test_without_javascript_one_goes_back_in_time(plain: Any) -> None:
    plain.goto("/messages?dmarc=fail")
    seen: list[str] = []
    while True:
        seen += [each.get_attribute("href") for each in plain.locator("a.open").all()]
        if not plain.locator("a[rel=next]").count():
            break
        plain.click("a[rel=next]")
    assert len(seen) == len(set(seen)) == count(plain) > 100


def test_without_javascript_every_page_is_reached_by_links(plain: Any) -> None:
    plain.goto("/")
    for name in ("Messages", "What-if", "Reports", "Health", "Overview"):
        plain.click(f"nav >> text={name}")
        assert plain.locator("nav a[aria-current=page]").inner_text() == name
    plain.click("text=30d")
    plain.click("text=The figures as a table")
    assert plain.locator("figure table tbody tr").count() >= 30
    plain.click("section:has-text('Whose mail fails') >> text=bank.example")
    assert plain.inner_text("h1") == "bank.example"


def test_what_only_javascript_does_is_not_offered_without_it(plain: Any) -> None:
    plain.goto("/messages")
    assert not plain.locator("#follow").is_visible()
    with plain.expect_navigation():
        plain.locator("a.open").first.click()
    assert not plain.locator("button.copy").first.is_visible()


def test_without_javascript_the_list_is_a_file(plain: Any) -> None:
    plain.goto("/messages?action=reject&from=bank.example")
    with plain.expect_download() as started:
        plain.click("text=CSV")
    rows = list(csv.DictReader(io.StringIO(Path(started.value.path()).read_text("utf-8"))))
    assert len(rows) == count(plain)
    assert {each["action"] for each in rows} == {"reject"}


# By the keyboard alone


@pytest.fixture
def page(browser: Any, running: RunningConsole) -> Iterator[Any]:
    context = browser.new_context(base_url=running.address)
    made = context.new_page()
    complaints = watch(made)
    yield made
    context.close()
    assert complaints == []


def test_a_message_is_found_and_opened_by_keys(page: Any) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("bank.example refused")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    wanted = page.locator("a.open").nth(1).get_attribute("href")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith(wanted)


def test_the_first_stop_leads_to_the_content(page: Any) -> None:
    page.goto("/messages")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["text"] == "To the content"
    assert page.evaluate(FOCUSED)["seen"]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["text"] == "Filters"


@pytest.mark.parametrize(
    "path", ["/?range=30d", "/messages?action=reject", "/domains/bank.example", "/what-if?days=30"]
)
@pytest.mark.parametrize("width", [360, 1280])
def test_where_the_focus_is_can_be_seen(page: Any, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(path)
    stops = 0
    while True:
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found["name"] == "body" or stops > 400:
            break
        stops += 1
        assert found["seen"], found
        assert found["outline"] >= 2, found
    assert 10 < stops <= 400


@pytest.mark.parametrize(
    ("key", "path"), [("o", "/"), ("m", "/messages"), ("w", "/what-if"), ("r", "/reports"), ("h", "/health")]
)
def test_pages_have_keys(page: Any, key: str, path: str) -> None:
    page.goto("/nope")
    with page.expect_navigation():
        page.keyboard.type(f"g{key}")
    assert page.url.removeprefix(page.evaluate("location.origin")) == path


def test_a_command_is_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/messages?action=reject")
    with page.expect_navigation():
        page.locator("a.open").first.click()
    page.bring_to_front()
    # Shown once it has something to do.
    page.locator("button.copy:visible").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("button:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".commands code").first.inner_text()


def test_keys_are_told_and_do_not_disturb_who_writes(page: Any) -> None:
    page.goto("/messages")
    page.keyboard.press("?")
    assert "another page" in page.inner_text("#keys")
    page.focus("#q")
    page.keyboard.type("gm/jk?")
    assert page.input_value("#q") == "gm/jk?"
    assert page.url.endswith("/messages")
