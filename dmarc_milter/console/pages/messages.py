"""/messages - a search, page by page, and as a file."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Engine
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from dmarc_milter.columns.origin import KINDS
from dmarc_milter.console import search as searching
from dmarc_milter.console.export import MAX_ROWS, as_csv, as_json
from dmarc_milter.console.search import Search, SearchError, chips, link, place, place_before
from dmarc_milter.console.site import Site
from dmarc_milter.console.templates import mark
from dmarc_milter.journal.reader import find
from dmarc_milter.journal.walk import Counted, counted, newest

SHOWN = 50
COUNTED = 10_000
_PIECE = 65_536


def messages(site: Site, request: Request) -> Response:
    """The page. One message that was asked for by its own name is shown at once."""
    try:
        wanted = searching.search(request.query_params, time.time())
    except SearchError as error:
        return site.page(request, "messages.html", 400, problem=str(error), **_choices(_given(request)))
    with site.journal.asked() as engine:
        rows, looked_until = newest(engine, wanted.criteria, SHOWN + 1)
        if wanted.names_one and len(rows) == 1:
            return RedirectResponse(f"/messages/{rows[0]['uid']}", 303)
        is_page = len(rows) > SHOWN or wanted.criteria.below is not None
        total = _total(engine, wanted) if is_page else Counted(len(rows), is_all=looked_until is None)
    shown = rows[:SHOWN]
    before = place(shown[-1]) if len(rows) > SHOWN else place_before(looked_until) if looked_until else None
    older = link("/messages", {**wanted.values, "before": before}) if before else None
    return site.page(
        request,
        "messages.html",
        problem=None,
        rows=shown,
        mark=mark,
        total=total,
        looked_until=looked_until,
        older=older,
        newest=link("/messages", wanted.values) if wanted.criteria.below else None,
        chips=list(chips(wanted)),
        csv=link("/messages.csv", wanted.values),
        json=link("/messages.json", wanted.values),
        follow=link("/stream", {name: value for name, value in wanted.values.items() if name != "until"}),
        **_choices(wanted.values),
    )


def _given(request: Request) -> dict[str, str]:
    """What was asked for, to be mended."""
    query = request.query_params
    return {name: query[name][: searching.MAX_TEXT] for name in searching.NAMES if query.get(name)}


def _total(engine: Engine, wanted: Search) -> Counted:
    return counted(engine, replace(wanted.criteria, below=None), COUNTED)


def _choices(values: Mapping[str, str]) -> dict[str, Any]:
    lists = {"action": searching.ACTIONS, "dmarc": searching.DMARC, "spf": searching.SPF, "dkim": searching.DKIM}
    return {"values": values, "choices": {**lists, "kind": KINDS}}


def exported(site: Site, request: Request) -> Response:
    """/messages.csv and /messages.json: the newest, MAX_ROWS at most."""
    try:
        wanted = searching.search(request.query_params, time.time())
    except SearchError as error:
        return Response(f"{error}\n", 400, media_type="text/plain")
    is_csv = request.url.path.endswith(".csv")
    if not site.files.enter():
        return Response("Others take lists already: try again in a moment.\n", 503, {"retry-after": "10"}, "text/plain")
    try:
        with site.journal.asked() as engine:
            rows = find(engine, replace(wanted.criteria, below=None), MAX_ROWS)
        text = (as_csv if is_csv else as_json)(rows)
    finally:
        site.files.leave()
    ending, media = ("csv", "text/csv; header=present") if is_csv else ("json", "application/json")
    headers = {"content-disposition": f'attachment; filename="messages.{ending}"'}
    return StreamingResponse(_pieces(site, text), headers=headers, media_type=media)


async def _pieces(site: Site, text: str) -> AsyncIterator[str]:
    """Of a file, which waits for its reader here: it counts until it is read."""
    site.files.enter(is_let_in=True)
    try:
        for start in range(0, len(text), _PIECE):
            yield text[start : start + _PIECE]
    finally:
        site.files.leave()
