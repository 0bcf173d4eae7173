"""Each page of the console in a real browser, at several widths, light and dark: legible and accessible."""

from typing import Any

import pytest

from tests.system.browser import sideways, violations, watch
from tests.system.conftest import MakeConsole
from tests.system.running_console import RunningConsole

pytestmark = pytest.mark.system

PAGES = {
    "overview": "/?range=30d",
    "messages": "/messages?dmarc=fail",
    "domain": "/domains/bank.example",
    "what-if": "/what-if",
    "reports": "/reports",
    "health": "/health",
    "no-page": "/nope",
}


@pytest.fixture(scope="module")
def filled(make_console: MakeConsole, month_of_mail: str) -> RunningConsole:
    return make_console(month_of_mail)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_legible(filled: RunningConsole, browser: Any, name: str, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints = watch(page)
    page.goto(filled.address + PAGES[name])
    assert sideways(page) == []
    assert violations(page) == []
    assert complaints == []
    page.close()
