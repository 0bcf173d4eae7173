"""The application: which page is where, and what is shown where one cannot be made."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dmarc_milter.console.access import STREAM, Gate
from dmarc_milter.console.asking import BusyError, JournalError, TooLongError
from dmarc_milter.console.pages import domains, health, messages, overview, rest, story
from dmarc_milter.console.passwords import Hash
from dmarc_milter.console.site import Site
from dmarc_milter.console.stream import stream

Page = Callable[[Site, Request], Response]
STATIC = Path(__file__).with_name("static")
PAGES: Mapping[str, Page] = {
    "/": overview.overview,
    "/messages": messages.messages,
    "/messages.csv": messages.exported,
    "/messages.json": messages.exported,
    "/messages/{uid}": story.one,
    "/domains/{domain}": domains.one,
    "/what-if": rest.what_if,
    "/reports": rest.reports,
    "/health": health.health,
    STREAM: stream,
}


class _Files(StaticFiles):
    """Starlette 0.26 fails at a name that no file may have."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file and what it is; None where there is none."""
        try:
            return super().lookup_path(path)
        except (OSError, ValueError):
            return "", None


def application(site: Site, passwords: Mapping[str, Hash] | None = None) -> Gate:
    """The whole of it, with the gate around it."""
    routes = [Route(path, _endpoint(site, page), methods=["GET"]) for path, page in PAGES.items()]
    app = Starlette(
        routes=[*routes, Mount("/static", _Files(directory=STATIC))],
        exception_handlers={
            HTTPException: lambda request, error: _missing(site, request, error),
            JournalError: lambda request, error: _without_journal(site, request, error),
            Exception: lambda request, error: site.page(
                request, "trouble.html", 500, problem="This page failed; the log of the service says why.", advice=""
            ),
        },
    )
    # Where it would lead is made of Host and of a path that anybody may write.
    app.router.redirect_slashes = False
    return Gate(app, site.settings.console, passwords)


def _endpoint(site: Site, page: Page) -> Callable[[Request], Response]:
    """Starlette runs it on a thread of its own: the journal's driver waits."""

    def made(request: Request) -> Response:
        return page(site, request)

    return made


def _missing(site: Site, request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return site.page(request, "missing.html", status, what="page", days=site.settings.journal.keep_days)


def _without_journal(site: Site, request: Request, error: Exception) -> Response:
    if isinstance(error, TooLongError):
        advice = "Name a domain, an address or a shorter time."
    elif isinstance(error, BusyError):
        advice = ""
    else:
        advice = "Does the filter run, and may the console read its journal? There, dmarc-milter status says more."
    return site.page(request, "trouble.html", 503, problem=f"The journal: {error}", advice=advice)
