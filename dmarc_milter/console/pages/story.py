"""/messages/UID - what became of one message, and why."""

import ipaddress
import shlex

from starlette.requests import Request
from starlette.responses import Response

from dmarc_milter.columns.column import Row
from dmarc_milter.console.export import without_local_parts
from dmarc_milter.console.site import Site
from dmarc_milter.journal.advice import advice
from dmarc_milter.journal.particulars import network_of
from dmarc_milter.journal.reader import message
from dmarc_milter.journal.story import outcome, story

_RESULTS = ("pass", "fail", "none")


def one(site: Site, request: Request) -> Response:
    """The page."""
    uid = str(request.path_params["uid"])[:64]
    with site.journal.asked() as engine:
        row = message(engine, uid)
    if row is None:
        days = site.settings.journal.keep_days
        return site.page(request, "missing.html", 404, what="message", days=days)
    settings = site.filter_settings().settings
    return site.page(
        request,
        "story.html",
        row=row,
        outcome=outcome(row),
        lines=list(story(row, is_held=settings.policy.quarantine == "hold")),
        advice=advice(row),
        network=_network(row),
        mail_from=without_local_parts(row)["mail_from"],
        commands=_commands(row),
    )


def _network(row: Row) -> str | None:
    """Where its neighbours came from."""
    address = row["outer_client"] or row["client"]
    return str(ipaddress.ip_network(network_of(address))) if address else None


def _commands(row: Row) -> list[tuple[str, str]]:
    """What to type on the host; what a sender chose is quoted for the shell."""
    queue_id = shlex.quote(row["queue_id"])
    found = [
        ("the same in a terminal", f"dmarc-milter trace {queue_id}"),
        (
            "the MTA's log",
            f"journalctl --since @{int(row['time']) - 60} --until @{int(row['time']) + 600} -g {queue_id}",
        ),
    ]
    if row["author_domain"]:
        found.append(("the domain's records now", f"dmarc-milter check --domain {shlex.quote(row['author_domain'])}"))
    return found
