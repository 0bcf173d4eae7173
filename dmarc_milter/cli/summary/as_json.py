"""A summary for programs: keys stay."""

from collections.abc import Sequence
from typing import Any

from dmarc_milter.cli.moments import written
from dmarc_milter.journal.figures import Figure, Figures, Period, Summary

SCHEMA = 1
"""Goes up when a key changes its meaning or goes away."""


def as_json(found: Summary, rules: Sequence[str], author_domain: str | None) -> dict[str, Any]:
    """One object. `rules` are those of the settings."""
    return {
        "schema": SCHEMA,
        **_period(found.period),
        "before": _period(found.period.before),
        "from_domain": author_domain,
        "hosts": list(found.hosts),
        "modes": list(found.modes),
        "journal_begins": None if found.begins is None else written(found.begins),
        "records_begin": None if found.oldest is None else written(found.oldest),
        "complete": found.is_complete,
        "messages": _figure(found.all),
        "not_judged": _figure(found.unjudged),
        "actions": _figures(found.done),
        "would_be": _figures(found.would_be),
        "overrides": _figures(found.spared),
        "results": {method: _figures(results) for method, results in found.results.items()},
        "an_hour": [{"time": written(hour), "messages": count} for hour, count in found.hourly],
        "domains": [
            {"domain": each.name, **_figure(each.messages), "network": each.network, "proves_to_be": each.proves_to_be}
            for each in found.domains
        ],
        "networks": [
            {"network": each.name, **_figure(each.messages), "domains": each.domains} for each in found.networks
        ],
        "lists": [
            {"list_id": each.name, **_figure(each.messages), "failing": _figure(each.failing)} for each in found.lists
        ],
        "rules": [{"rule": name, **_figure(figure)} for name, figure in found.rules.items()],
        "dead_rules": dead(found, rules),
    }


def dead(found: Summary, rules: Sequence[str]) -> list[str]:
    """Rules of the settings that decided about no message of the period."""
    return [each for each in rules if not found.rules.get(each, Figure()).now]


def _period(period: Period) -> dict[str, str]:
    return {"since": written(period.since), "until": written(period.until)}


def _figure(figure: Figure) -> dict[str, int]:
    return {"messages": figure.now, "messages_before": figure.before}


def _figures(figures: Figures) -> dict[str, dict[str, int]]:
    return {name: _figure(figure) for name, figure in figures.items()}
