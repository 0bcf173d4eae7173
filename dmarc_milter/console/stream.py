"""/stream - messages as they come, as server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dmarc_milter.columns.column import Row
from dmarc_milter.common.moments import told, written
from dmarc_milter.common.text import printable
from dmarc_milter.console.asking import JournalError
from dmarc_milter.console.search import Search, SearchError, search
from dmarc_milter.console.site import Site
from dmarc_milter.console.templates import client, mark
from dmarc_milter.journal.criteria import Criteria
from dmarc_milter.journal.reader import find
from dmarc_milter.journal.rollups import dkim_result
from dmarc_milter.wording.actions import DONE

POLL_SECONDS, LIFE_SECONDS, OVERLAP_SECONDS = 1.0, 1_800.0, 60.0
"""A record comes some time after its message: a little is read again."""
AT_ONCE = 100
_TICK = 0.1
_FULL = "Too many pages follow already."
_ENDED = "Ended after half an hour: follow again."


def stream(site: Site, request: Request) -> Response:
    """What fits the search, from now on."""
    try:
        wanted = search(request.query_params, time.time())
    except SearchError as error:
        return Response(f"{error}\n", 400, media_type="text/plain")
    if site.streams.is_full:
        return Response(f"{_FULL}\n", 503, {"retry-after": "60"}, "text/plain")
    return StreamingResponse(_events(site, wanted), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _events(site: Site, wanted: Search) -> AsyncIterator[str]:
    # Many may have come at once.
    if not site.streams.enter():
        yield f"event: over\ndata: {json.dumps(_FULL)}\n\n"
        return
    try:
        yield "retry: 3000\n\n"
        criteria, began, seen = _from_now(wanted.criteria), time.time(), dict[str, float]()
        ends = time.monotonic() + LIFE_SECONDS
        while time.monotonic() < ends:
            since = max(began - 2.0, time.time() - OVERLAP_SECONDS)
            try:
                rows = await run_in_threadpool(_asked, site, criteria.from_(since))
            except JournalError as error:
                yield f"event: trouble\ndata: {json.dumps(printable(str(error), 300))}\n\n"
                rows = []
            for row in reversed(rows):
                if row["uid"] not in seen:
                    seen[row["uid"]] = row["time"]
                    yield f"id: {row['uid']}\ndata: {json.dumps(event(row))}\n\n"
            seen = {uid: moment for uid, moment in seen.items() if moment >= since}
            yield ": here\n\n"
            if await _stops(site):
                return
        yield f"event: over\ndata: {json.dumps(_ENDED)}\n\n"
    finally:
        site.streams.leave()


def _from_now(criteria: Criteria) -> Criteria:
    return replace(criteria, until=None, below=None)


def _asked(site: Site, criteria: Criteria) -> list[Row]:
    with site.journal.asked() as engine:
        return find(engine, criteria, AT_ONCE)


async def _stops(site: Site) -> bool:
    """Whether the server ends, looked at more often than the journal is."""
    for _ in range(round(POLL_SECONDS / _TICK)):
        if site.is_stopping():
            return True
        await asyncio.sleep(_TICK)
    return False


def event(row: Row) -> dict[str, str]:
    """A row of the list, as texts: the page makes nodes of text of them, and no HTML."""
    return {
        "uid": row["uid"],
        "time": told(row["time"]),
        "moment": written(row["time"]),
        "action": row["action"],
        "done": DONE[row["action"]],
        "mark": mark(row),
        "dmarc": row["dmarc"] or "not judged",
        "spf": row["spf"] or "-",
        "dkim": dkim_result(row) if row["spf"] is not None else "-",
        "from": row["author_domain"] or "",
        "client": client(row),
        "queue_id": row["queue_id"],
    }
