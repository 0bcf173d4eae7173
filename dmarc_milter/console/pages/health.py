"""/health - what `dmarc-milter status` says."""

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from dmarc_milter.console.search import within
from dmarc_milter.console.site import Site
from dmarc_milter.journal.criteria import ERROR
from dmarc_milter.service.state import default_path
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.status.journal import RECENT_SECONDS
from dmarc_milter.status.look import Status, look
from dmarc_milter.wording.actions import DONE

_KEEP_SECONDS = 5.0


def health(site: Site, request: Request) -> Response:
    """What `dmarc-milter status` says."""
    made, found = site.kept("health", _KEEP_SECONDS, lambda: _looked(site))
    status, problem = found
    mail = next((each for each in status.findings if each.subject == "mail"), None) if status is not None else None
    recent = list(pieces(mail.text)) if mail is not None else []
    period = within(status.time - RECENT_SECONDS, status.time) if status is not None else {}
    return site.page(request, "health.html", look=status, problem=problem, of=made, recent=recent, period=period)


def pieces(text: str) -> Iterator[tuple[str, dict[str, str] | None]]:
    """What status says of the mail, with what each of its figures counts; None: no figure."""
    for part in re.split(r"([0-9][0-9,]* [a-z ]+)", text):
        _, _, counted = part.partition(" ")
        yield part, _COUNTED.get(counted)


_COUNTED: dict[str, dict[str, str]] = {
    "in the last hour": {},
    **{each: {"dmarc": each} for each in ("pass", "none", "fail", ERROR)},
    "not judged": {"judged": "no"},
    **{DONE[action]: {"action": action} for action in DONE},
}


def _looked(site: Site) -> tuple[Status | None, str]:
    path = site.settings.console.filter_settings
    if not path:
        return None, "The filter runs on other hosts: ask each of them: dmarc-milter status."
    try:
        # The service's own folder, and not the console's.
        return look(Path(path), default_path({})), ""
    except ConfigError as error:
        return None, str(error)
