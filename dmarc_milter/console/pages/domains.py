"""/domains/D - who sends as this domain, and what fails."""

import math
import time
from collections import Counter

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dmarc_milter.console.chart import chart
from dmarc_milter.console.pages.overview import FILTERS, RANGES
from dmarc_milter.console.search import from_exactly, within
from dmarc_milter.console.site import Site
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal import reader
from dmarc_milter.journal.domain import domain
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.timeline import BARS
from dmarc_milter.reporting.listing import listed


def one(site: Site, request: Request) -> Response:
    """The page."""
    asked = str(request.path_params["domain"])[:253]
    name = to_identifier(asked)
    if name is None or "." not in name:
        return site.page(request, "missing.html", 404, what="domain", days=site.settings.journal.keep_days)
    if name != asked:
        return RedirectResponse(f"/domains/{name}", 303)
    wanted = request.query_params.get("range", "30d")
    chosen = wanted if wanted in RANGES else "30d"
    until = math.ceil(time.time())
    period = Period(until - RANGES[chosen], until)
    with site.journal.asked() as engine:
        found = domain(engine, name, period)
        reports, oldest = listed(engine, None, name, None, 5), reader.oldest(engine)
    bars = [(start, _as_bar(counts)) for start, counts in found.days]
    return site.page(
        request,
        "domain.html",
        found=found,
        range=chosen,
        ranges=tuple(RANGES),
        chart=chart(bars, BARS),
        total=sum(found.kinds.values()),
        period=within(period.since, period.until),
        sample={**within(0, until), **from_exactly(found.sampled_since)} if found.sampled_since is not None else {},
        reports=reports,
        oldest=oldest,
        bars=FILTERS,
    )


def _as_bar(counts: "Counter[str]") -> "Counter[str]":
    return Counter(
        {
            "pass": counts["pass"],
            "none": counts["none"],
            "fail": counts["fail"],
            "error": counts["temperror"] + counts["permerror"],
            "unjudged": counts["unjudged"],
        }
    )
