"""The console while mail comes in, through a real Postfix and the real filter."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.name_server import NameServerThread
from tests.system.browser import watch
from tests.system.conftest import MakeConsole
from tests.system.site import Site

pytestmark = pytest.mark.system

APPEARS_WITHIN = 2.0


@pytest.fixture
def site(has_postfix: None, open_folder: Path, name_server: NameServerThread) -> Iterator[Site]:
    made = Site(open_folder, name_server)
    yield made
    made.stop()


def send(site: Site, name: str) -> int:
    """A message of the demo; the first digits of Postfix's answer."""
    (scene,) = (each for each in EXAMPLES if each.name == name)
    fields, body = scene.content
    octets = b"".join(field + b":" + value + b"\r\n" for field, value in fields) + b"\r\n" + body
    return site.deliver(octets, scene.client, scene.helo, scene.mail_from)[0]


def test_a_message_through_postfix_appears_while_one_follows(
    site: Site, make_console: MakeConsole, browser: Any
) -> None:
    console = make_console(site.filter.journal, f'filter_settings = "{site.filter.config}"\n')
    page = browser.new_page()
    complaints = watch(page)
    page.goto(f"{console.address}/messages")
    page.click("#follow")
    page.wait_for_selector("text=Following: new messages appear at the top.")
    for number, (name, answer, done) in enumerate((("signed", 250, "accepted"), ("spoofed", 550, "refused"))):
        assert send(site, name) == answer
        answered = time.monotonic()
        page.locator("tr.fresh").nth(number).wait_for(timeout=10_000)
        assert time.monotonic() - answered < APPEARS_WITHIN
        row = page.locator("#rows tbody tr").first
        assert row.locator("td[data-label=done]").inner_text().strip() == done
        assert row.locator("td[data-label=From]").inner_text() == "bank.example"
    with page.expect_navigation():
        page.locator("a.open").first.click()
    assert "DMARC fails, and bank.example asks for reject" in page.inner_text("main")
    assert complaints == []
    page.close()


def test_it_ends_while_somebody_follows(make_console: MakeConsole, month_of_mail: str) -> None:
    running = make_console(month_of_mail)
    with urllib.request.urlopen(f"{running.address}/stream", timeout=10) as stream:
        assert stream.readline().startswith(b"retry")
        assert running.stop(5) == 0
