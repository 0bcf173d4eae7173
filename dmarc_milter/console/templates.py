"""The templates, and how values are shown in them. Everything is escaped unless a template itself says otherwise."""

from collections.abc import Mapping
from datetime import UTC, datetime

import jinja2
from markupsafe import Markup

from dmarc_milter.columns.column import Row
from dmarc_milter.common.moments import local, told, written, zone
from dmarc_milter.common.version import VERSION
from dmarc_milter.console.search import NONE, UNWANTED, link, proves, within
from dmarc_milter.journal.figures import Figure
from dmarc_milter.journal.rollups import dkim_result
from dmarc_milter.journal.summary_words import NO_FROM, NO_NETWORK, change
from dmarc_milter.wording.actions import DONE

KIND_WORDS = {
    "own": "own",
    "sent_on": "own, sent on",
    "other": "somebody else's",
    "nobody": "nobody's",
    "unjudged": "not judged",
    "unknown": "not known yet",
}


def environment() -> jinja2.Environment:
    """All templates of the package, read as they are needed."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("dmarc_milter.console", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        version=VERSION,
        link=link,
        within=within,
        proves=proves,
        UNWANTED=UNWANTED,
        NONE=NONE,
        NO_FROM=NO_FROM,
        NO_NETWORK=NO_NETWORK,
        DONE=DONE,
        KIND_WORDS=KIND_WORDS,
    )
    made.filters.update(
        when=when,
        clock=clock,
        day=day,
        mark_of_time=mark_of_time,
        utc_day=utc_day,
        number=lambda count: f"{count:,}",
        percent=percent,
        change=change,
        both_labels=both_labels,
        first_upper=lambda text: text[:1].upper() + text[1:],
        result=shown_result,
        dkim=dkim_result,
        client=client,
    )
    return made


def when(seconds: float) -> Markup:
    """A moment in local time, with the offset for programs."""
    return Markup('<time datetime="{}">{}</time>').format(written(seconds), told(seconds))


def clock(seconds: float) -> Markup:
    """The same without the day."""
    return Markup('<time datetime="{}">{}</time>').format(written(seconds), told(seconds)[11:])


def day(seconds: float) -> str:
    """The day, and what the local time is called."""
    return f"{local(seconds):%A, %Y-%m-%d} ({zone(seconds)})"


def utc_day(start: int) -> Markup:
    """A day of reports, which is one of UTC (RFC 9990 3.1.1.3)."""
    text = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%d")
    return Markup('<time datetime="{0}">{0}</time>').format(text)


def mark_of_time(seconds: float, step: int) -> str:
    """Below a chart whose bars are of `step` seconds: no finer than they are."""
    return told(seconds)[: 10 if step >= 86_400 else 16]


def percent(part: int, whole: int) -> str:
    """Of a hundred; empty where there is nothing to take it of."""
    return f"{part / whole * 100:.1f} %" if whole else ""


def both_labels(domain: str) -> str:
    """An internationalized name with its U-labels beside it: alone, they could be taken for another name."""
    if "xn--" not in domain:
        return domain
    try:
        shown = ".".join(_unicode(each) for each in domain.split("."))
    except UnicodeError:
        return domain
    if not shown.isprintable():
        return domain
    return f"{domain} ({shown})"


def _unicode(label: str) -> str:
    import idna

    return idna.ulabel(label) if label.startswith("xn--") else label


def shown_result(value: str | None) -> str:
    """A result as a class of the style sheet."""
    known = ("pass", "fail", "none", "softfail", "neutral", "temperror", "permerror", "policy")
    return value if value in known else "none"


def client(row: Row) -> str:
    """Who handed the message over."""
    return str(row["outer_client"] or row["client"] or "local")


def mark(row: Row) -> str:
    """What is to be said beside what was done."""
    if row["wanted"] != row["action"]:
        return f"enforce: {DONE[row['wanted']]}"
    return "spared" if row["override"] else ""


def shares(figures: Mapping[str, Figure]) -> int:
    """All of them now."""
    return sum(each.now for each in figures.values())


def now_text(now: float) -> str:
    """When a page was made."""
    return datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S %Z")
