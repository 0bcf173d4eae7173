"""/what-if, /reports."""

import math
import time
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dmarc_milter.columns.origin import BY_SEALER
from dmarc_milter.console.search import within
from dmarc_milter.console.site import FilterSettings, Site
from dmarc_milter.journal import reader
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.refused import refused
from dmarc_milter.journal.seen_lists import setting
from dmarc_milter.journal.seen_sealers import of_no_use, seen
from dmarc_milter.journal.seen_sealers import setting as sealers_setting
from dmarc_milter.journal.walk import beginning
from dmarc_milter.journal.what_if_words import LISTS, RULES, SEALERS, headline, meaning
from dmarc_milter.judging.site import trusted_lists, trusted_sealers
from dmarc_milter.reporting import listing

DAYS = (1, 7, 30)
SHOWN = 30
_LISTED = 100
_KEEP_SECONDS = 300.0
_LOOKED_AT = 150_000
"""Records of messages that fail: beside what is tallied, so many are looked at, the newest."""


def what_if(site: Site, request: Request) -> Response:
    """What enforce refuses or would refuse, and what would spare the honest ones."""
    text = request.query_params.get("days", "7")
    days = int(text) if text in map(str, DAYS) else 7
    # Each row is looked at: so the answer is kept for a while, and the page says of when it is.
    made, found = site.kept(("what-if", days), _KEEP_SECONDS, lambda: _refused(site, days))
    return site.page(request, "what_if.html", days=days, all_days=DAYS, of=made, **found)


def _refused(site: Site, days: int) -> dict[str, Any]:
    # Whole seconds: addresses of links tell no fractions.
    now = math.ceil(time.time())
    since = now - days * 86_400
    with site.journal.asked() as engine:
        begin = beginning(engine, Period(since, now), _LOOKED_AT)
        judged = reader.judged(engine, begin)
        found, lists, _ = refused(engine, Period(begin, math.inf), SHOWN)
        sealers = seen(reader.sealed(engine, begin, _LOOKED_AT))
    settings = site.filter_settings()
    trusted, shown = trusted_lists(settings.settings), lists[:SHOWN]
    believed = trusted_sealers(settings.settings)
    return {
        "headline": headline(found, judged, days),
        "judged": sum(judged.values()),
        "wanted": _by_wanted(found.totals),
        "is_enforced": not judged["monitor"],
        "groups": found.groups,
        "others": found.others,
        "lists": [(each, _yes_or_no(settings, each.is_trusted(trusted))) for each in shown],
        "sealers": [(each, _yes_or_no(settings, each.is_trusted(believed))) for each in sealers[:SHOWN]],
        "of_no_use": of_no_use(sealers, believed),
        "settings": [
            (advice, line)
            for advice, line in (
                (LISTS, setting(shown, trusted)),
                (SEALERS, sealers_setting(sealers[:SHOWN], believed)),
                (RULES, "\n".join(found.rules) or None),
            )
            if line
        ],
        "meaning": meaning,
        "period": within(begin, now),
        "by_sealer": BY_SEALER,
        "begin": begin if begin > since else None,
        "problem": settings.problem,
    }


def _by_wanted(totals: "Counter[tuple[str, str]]") -> "Counter[str]":
    found: Counter[str] = Counter()
    for (_, wanted), count in totals.items():
        found[wanted] += count
    return found


def _yes_or_no(settings: FilterSettings, is_trusted: bool) -> str:
    return "not known" if settings.problem else "yes" if is_trusted else "no"


def reports(site: Site, request: Request) -> Response:
    """Whether reports went out, and who bounces them."""
    state = request.query_params.get("state") or None
    now = time.time()
    with site.journal.asked() as engine:
        found: dict[str, Any] = {
            "listed": listing.listed(engine, None, None, state, _LISTED),
            "waiting": listing.waiting_domains(engine, None, None, _LISTED),
            "counts": listing.counts(engine),
            "last": listing.last_sent(engine),
            "suppressed": listing.suppressed(engine, now, _LISTED),
            "oldest": reader.oldest(engine),
        }
    return site.page(request, "reports.html", state=state, shown=_LISTED, **found)
