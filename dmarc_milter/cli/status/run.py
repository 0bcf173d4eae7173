"""What dmarc-milter status runs."""

import argparse
import json
import socket
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Any

from dmarc_milter.common.terminal import Severity, columns, hanging, is_coloured, painted
from dmarc_milter.common.text import printable
from dmarc_milter.status.finding import Finding, Standing
from dmarc_milter.status.look import Status, look
from dmarc_milter.status.words import ago

WELL, NEEDS_ATTENTION = 0, 1
MAX_TEXT = 600
"""Characters of a finding: a database or a name server may say anything."""
_SEVERITIES = {
    Standing.ATTENTION: Severity.BAD,
    Standing.UNKNOWN: Severity.DOUBTFUL,
    Standing.NOTE: Severity.PLAIN,
    Standing.GOOD: Severity.GOOD,
}


def status(options: argparse.Namespace) -> int:
    """dmarc-milter status"""
    found = look(options.config, options.state)
    if options.json:
        print(json.dumps(_as_json(found)))
    else:
        for line in lines(found, columns(sys.stdout), coloured=is_coloured(options.color, sys.stdout)):
            print(line)
    return NEEDS_ATTENTION if found.needs_attention else WELL


def _as_json(found: Status) -> dict[str, Any]:
    state = found.state
    return {
        "version": state.version if state else found.version,
        "host": socket.gethostname(),
        "mode": found.mode,
        "needs_attention": found.needs_attention,
        "started": state.started if state else None,
        "pid": state.pid if state else None,
        "addresses": list(state.addresses) if state else [],
        "workers": dict(state.workers) if state else {},
        "config": found.config,
        "settings": dict(found.settings),
        "reload": (
            {
                "time": state.reload.time,
                "outcome": state.reload.outcome.value,
                "error": state.reload.error or None,
                "changes": list(state.reload.changes),
            }
            if state is not None and state.reload.number
            else None
        ),
        "findings": [
            {
                "subject": each.subject,
                "standing": each.standing.value,
                "text": printable(each.text, MAX_TEXT),
                "how_to_fix": each.how_to_fix or None,
            }
            for each in found.findings
        ],
    }


def lines(found: Status, width: int, *, coloured: bool) -> Iterator[str]:
    """As a person is shown it, in lines of at most `width` characters."""
    yield painted(_title(found), Severity.TITLE, is_coloured=coloured)
    for each in found.findings:
        yield from _finding(each, width, coloured=coloured)
    if found.settings:
        yield f"settings that are not the default ({found.config}):"
    for name, value in found.settings:
        yield from textwrap.wrap(
            printable(f"{name} = {value}", MAX_TEXT),
            width,
            initial_indent="  ",
            subsequent_indent="      ",
            break_on_hyphens=False,
        )


def _title(found: Status) -> str:
    state = found.state
    since = f", up {ago(state.started, time.time(), ending='')}" if state else ""
    return (
        f"dmarc-milter {state.version if state else found.version} on {socket.gethostname()}, mode {found.mode}{since}"
    )


def _finding(found: Finding, width: int, *, coloured: bool) -> Iterator[str]:
    word = f"{found.standing.value:9}"
    text = printable(found.text, MAX_TEXT) + (f". To fix: {found.how_to_fix}" if found.how_to_fix else "")
    standing = painted(word, _SEVERITIES[found.standing], is_coloured=coloured)
    for each in hanging(text, width, f"  {standing} {found.subject:8}  ", " " * 22):
        yield each.rstrip()
