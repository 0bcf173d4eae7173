"""A real browser (Debian's Chromium, driven by Playwright), and what is asked of a page in it."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.system.servers import need

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).resolve().parents[2] / ".axe/node_modules/axe-core/axe.min.js"
_RULES = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
_WIDE = """() => {
  const wide = document.documentElement.clientWidth;
  const found = [...document.querySelectorAll("body *")].filter((each) =>
    each.getBoundingClientRect().right > wide + 1 && !each.closest(".scroll"));
  const scrolls = document.documentElement.scrollWidth > wide;
  return scrolls ? ["the page scrolls", ...found.slice(0, 5).map((each) => each.outerHTML.slice(0, 200))] : [];
}"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Skips where it is not installed, except where CI says that it must be."""
    need(str(CHROMIUM) if CHROMIUM.exists() else None, "chromium")
    need("playwright" if importlib.util.find_spec("playwright") else None, "browser tests: script/setup test adds them")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        # As root, Chromium has no sandbox; what it shows here is our own.
        opened = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2, levels A and AA: the rule, and where it is broken first."""
    need(str(AXE) if AXE.exists() else None, "npm, by which script/setup test fetches axe-core")
    # Not as a script of the page, which its policy would refuse.
    page.evaluate(AXE.read_text("utf-8"))
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in page.evaluate(_RULES)["violations"]]


def sideways(page: Any) -> list[str]:
    """The elements for which one has to scroll sideways; none where the page fits."""
    found: list[str] = page.evaluate(_WIDE)
    return found


def watch(page: Any) -> list[str]:
    """From now on: dialogs, scripts that failed or were refused, anything else that the browser complains of."""
    found: list[str] = []

    def dialog(given: Any) -> None:
        found.append(f"dialog {given.message}")
        given.dismiss()

    def said(given: Any) -> None:
        # A page that is not there has its own status: that is no complaint.
        if given.type in ("error", "warning") and "Failed to load resource" not in given.text:
            found.append(given.text)

    page.on("dialog", dialog)
    page.on("console", said)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
