"""/ - what happened, and whether somebody has to look."""

import math
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dmarc_milter.console.chart import chart
from dmarc_milter.console.search import MAX_TEXT, within
from dmarc_milter.console.site import Site
from dmarc_milter.console.verdict import remarks
from dmarc_milter.journal.criteria import ERROR
from dmarc_milter.journal.figures import Figure, Period
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.summary import summary
from dmarc_milter.journal.timeline import BARS, hosts, timeline

RANGES = {"24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
_STEPS = {"24h": HOUR, "7d": 6 * HOUR, "30d": 24 * HOUR}
_KEEP = {"24h": 5.0, "7d": 30.0, "30d": 60.0}
"""Seconds for which the same answer does, by range."""


FILTERS = {
    **{each: {"dmarc": each} for each in ("pass", "none", "fail")},
    "error": {"dmarc": ERROR},
    "unjudged": {"judged": "no"},
}
"""What the messages of a bar's pieces have in common."""


def overview(site: Site, request: Request) -> Response:
    """The page."""
    wanted = request.query_params.get("range", "24h")
    chosen = wanted if wanted in RANGES else "24h"
    host = request.query_params.get("host", "")[:MAX_TEXT] or None
    _, found = site.kept(("overview", chosen, host), _KEEP[chosen], lambda: _asked(site, chosen, host))
    return site.page(request, "overview.html", range=chosen, ranges=tuple(RANGES), host=host, **found)


def _asked(site: Site, chosen: str, host: str | None) -> dict[str, Any]:
    # Whole seconds: addresses of links tell no fractions.
    until = math.ceil(time.time())
    period = Period(until - RANGES[chosen], until)
    with site.journal.asked() as engine:
        found = summary(engine, period, host=host)
        pieces = timeline(engine, period, host, _STEPS[chosen])
        names = hosts(engine, period)
    dmarc = found.results["dmarc"]
    rules = [each.name for each in site.filter_settings().settings.override]
    return {
        "found": found,
        "judged": Figure(*map(sum, zip(*dmarc.values(), strict=True))) if dmarc else Figure(),
        "fail": dmarc.get("fail", Figure()),
        "errors": dmarc.get("temperror", Figure()),
        "remarks": list(remarks(found)),
        "period": {**within(period.since, period.until), **({} if host is None else {"host": host})},
        "before": within(period.before.since, period.since),
        "has_records_before": found.oldest is not None and found.oldest < period.before.since + HOUR,
        "has_records": found.oldest is None
        or found.begins is None
        or found.oldest < max(period.since, found.begins) + HOUR,
        "bars": FILTERS,
        "chart": chart(pieces, BARS),
        "step": _STEPS[chosen],
        "hosts": names,
        "dead": [each for each in rules if not found.rules.get(each, Figure()).now],
    }
