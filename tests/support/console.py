"""A console without a network: its application, asked as a server asks it."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.console.access import Gate
from dmarc_milter.console.app import application
from dmarc_milter.console.passwords import Hash
from dmarc_milter.console.settings import ConsoleSection, ConsoleSettings
from dmarc_milter.console.site import Site
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.journal import JournalSection


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


PAGES = (
    "/",
    "/?range=30d",
    "/?host=mx1.example.org",
    "/messages",
    "/domains/bank.example",
    "/what-if?days=30",
    "/reports",
    "/health",
)
SEARCHES = (
    "q=bank.example",
    "q=-bank.example",
    "client=192.0.2.0/24",
    "rule=old-crm",
    "list=dev.lists.example",
    "action=reject",
    "action=quarantine",
    "kind=other&from=shop.example",
    "host=mx9.example",
    "host=mx1.example.org",
    "dmarc=error",
    "mail_from=bank.example",
    "wanted=not-accept&as=nobody",
    "from=shop.example&as=dkim:esp1.mailer.example",
    "failing=list&since=7d",
    "failing=sealed&sealer=fwd.example,relay.example",
    "sealer=fwd.example&since=7d",
    "passed=bank.example/s2026&from=bank.example",
    "not_passed=?/?",
    "reported=bank.example&since=7d",
)


def console(
    url: str, section: ConsoleSection | None = None, passwords: Mapping[str, Hash] | None = None, *, stops: bool = False
) -> Gate:
    """Over the journal at `url`."""
    section = section or ConsoleSection(filter_settings="")
    settings = ConsoleSettings(section, JournalSection(database=DatabaseUrl(url)))
    return application(Site(settings, lambda: stops), passwords)


def ask(
    app: Gate,
    address: str,
    *,
    method: str = "GET",
    host: str = "localhost:8025",
    peer: str = "127.0.0.1",
    **headers: str,
) -> Answer:
    """One request; what the application raises is for the log alone."""
    parts = urlsplit(address)
    fields = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "client": (peer, 1),
        "server": ("127.0.0.1", 8025),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if any(each["type"] == "http.response.body" and not each.get("more_body") for each in sent):
            return {"type": "http.disconnect"}
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    start = sent[0]
    body = b"".join(each.get("body", b"") for each in sent[1:])
    return Answer(start["status"], {k.decode().lower(): v.decode() for k, v in start["headers"]}, body.decode())


def questions(url: str, uid: str) -> list[tuple[str, Any]]:
    """What the pages ask of messages, as statements with their parameters; `uid` is that of one that is there."""
    asked: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        asked.append((given[2], given[3]))

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        app = console(url)
        for page in (*PAGES, *(f"/messages?{each}" for each in SEARCHES), f"/messages/{uid}"):
            assert ask(app, page).status in (200, 303), page
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)
    return [each for each in asked if "FROM messages" in each[0] and not each[0].startswith("EXPLAIN")]
