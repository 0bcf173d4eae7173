"""Figures of a summary in words, for the command and the page (pure)."""

from dmarc_milter.journal.figures import Figure

METHODS = {"dmarc": "DMARC", "spf": "SPF", "dkim": "DKIM", "arc": "ARC", "kind": "Proves to be"}
KINDS = {
    "own": "the From domain's own",
    "sent_on": "its own, sent on",
    "other": "somebody else's",
    "nobody": "nobody's",
}
RANK = {
    name: rank
    for rank, name in enumerate(
        ("pass", "none", "neutral", "softfail", "fail", "policy", "temperror", "permerror", *KINDS)
    )
}
"""The same order each day."""
NO_FROM = "(no usable From)"
NO_NETWORK = "(not known, or local)"


def change(figure: Figure) -> str:
    """In words of at most eight characters."""
    now, before = figure
    if not before:
        return "new" if now else ""
    if now >= 10 * before:
        return f"x {now / before:,.0f}"
    return f"{(now - before) / before * 100:+.0f} %"
