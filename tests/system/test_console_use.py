"""The console as people use it: with JavaScript and without, and ended while they follow."""

import time
import urllib.request
from typing import Any

import pytest

from dmarc_milter.demo.month import month
from tests.support.journals import insert
from tests.system.conftest import MakeConsole
from tests.system.running_console import RunningConsole

pytestmark = pytest.mark.system


@pytest.fixture
def running(make_console: MakeConsole, month_of_mail: str) -> RunningConsole:
    return make_console(month_of_mail)


def test_without_javascript_a_message_is_found(running: RunningConsole, browser: Any) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(running.address)
    page.fill("#q", "bank.example refused")
    page.press("#q", "Enter")
    page.locator("a.open").first.click()
    assert "DMARC fails, and bank.example asks for reject" in page.inner_text("main")


def test_a_message_appears_while_one_follows(running: RunningConsole, browser: Any) -> None:
    page = browser.new_page()
    page.goto(running.address + "/messages")
    page.click("#follow")
    page.wait_for_selector("text=Following")
    (row,) = month(1, time.time())
    hostile = "<img src=x onerror=document.title='run'>"
    insert(running.journal, [row | {"uid": "f" * 40, "time": time.time(), "queue_id": hostile}])
    page.wait_for_selector("tr.fresh", timeout=5_000)
    assert page.inner_text("tr.fresh a.open") == hostile
    assert page.title() != "run"


def test_it_ends_with_an_open_stream(running: RunningConsole) -> None:
    with urllib.request.urlopen(f"{running.address}/stream", timeout=10) as stream:
        assert stream.readline().startswith(b"retry")
        assert running.stop(5) == 0
