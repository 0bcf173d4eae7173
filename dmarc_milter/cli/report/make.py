"""dmarc-milter report make"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dmarc_milter.cli.progress import Progress
from dmarc_milter.cli.report.common import (
    DONE,
    LEFT,
    REPORT_ERRORS,
    dns,
    failed,
    load,
    note_figures,
    opened,
    rules,
    sender,
)
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.judging.site import failure_domains
from dmarc_milter.reporting.failure_making import FailureMaker
from dmarc_milter.reporting.mail import attachment
from dmarc_milter.reporting.making import Maker
from dmarc_milter.reporting.planning import Plan, in_words
from dmarc_milter.reporting.store import Store
from dmarc_milter.settings.config import Settings


class _UsageError(Exception):
    """One line for the person at the terminal."""


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    settings = load(options)
    domain = _domain(options.domain)
    try:
        with opened(options, settings) as store, dns(settings) as asked:
            who, whom = sender(settings), rules(settings, store, time.time())
            maker = Maker(store, who, whom, asked.runner, asked.source)
            if options.dry_run:
                return _dry_run(options, maker, store, settings, domain)
            with store.alone():
                allowed, per_hour = failure_domains(settings), settings.report.failure.per_hour
                failures = FailureMaker(store, who, whom, allowed, per_hour, asked.runner, asked.source)
                return _make(options, maker, failures, store, settings, domain)
    except (*REPORT_ERRORS, _UsageError) as error:
        return failed(error)


def _domain(text: str | None) -> str | None:
    if text is None:
        return None
    return to_identifier(text) or text


def _grace(settings: Settings) -> float:
    return settings.report.grace_minutes * 60.0


def _make(
    options: argparse.Namespace,
    maker: Maker,
    failures: FailureMaker,
    store: Store,
    settings: Settings,
    domain: str | None,
) -> int:
    if options.day is not None and not store.is_closed(options.day) and time.time() < options.day + DAY:
        raise _UsageError(f"{_written(options.day)} is not over yet (UTC); --dry-run shows what there is so far")
    if options.output is not None:
        _make_folder(options.output)
    before = {options.day} if options.day is not None else set()
    # Who names a day that is over does not want to wait until journals that lag have caught up.
    closed = maker.close_days(0.0 if options.day is not None else _grace(settings), options.day)
    progress = Progress(store.open_jobs(options.day))
    made = maker.make(options.day, domain, progress.show)
    progress.hide()
    told = 0 if options.day is not None or domain is not None else failures.make()
    note_figures(settings, store, time.time(), is_success=not made.given_up)
    days = sorted(before | set(closed) | set(made.days))
    if options.output is not None:
        for day in days:
            _write(store, day, domain, options.output)
    if options.json:
        for day in days:
            for row, _ in store.stored(day, domain):
                print(json.dumps(_object(store, row)))
    else:
        also = f", {told} failure reports" if told else ""
        print(f"{made.reports} reports made{also}, {made.postponed} domains wait for the DNS")
    return LEFT if store.open_jobs(options.day) else DONE


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _UsageError(f"--output {folder}: {error.strerror}") from None


def _write(store: Store, day: int, domain: str | None, folder: Path) -> None:
    """Each report as the file that is attached, under its name."""
    for _, message in store.stored(day, domain):
        name, octets = attachment(message)
        try:
            (folder / name).write_bytes(octets)
        except OSError as error:
            raise _UsageError(f"{folder / name}: {error.strerror}") from None


def _object(store: Store, row: Any) -> dict[str, Any]:
    return {
        "domain": row.policy_domain,
        "day": _written(row.day),
        "id": row.id,
        "messages": row.messages,
        "records": row.records,
        "to": store.addresses(row.id),
        "refused": [],
    }


def _dry_run(options: argparse.Namespace, maker: Maker, store: Store, settings: Settings, domain: str | None) -> int:
    days = [options.day] if options.day is not None else store.days_to_close(int(time.time() - _grace(settings)))
    if not days and not options.json:
        print(
            "No day is open: all that are over are closed. --day shows what there is of another day.", file=sys.stderr
        )
    waits = False
    for day in days:
        for plan in maker.plans(day, domain):
            waits |= plan.failure is not None
            print(json.dumps(_planned(day, plan)) if options.json else "\n".join(_lines(day, plan)))
    return LEFT if waits else DONE


def _planned(day: int, plan: Plan) -> dict[str, Any]:
    return {
        "domain": plan.policy.policy_domain,
        "day": _written(day),
        "messages": plan.policy.messages,
        "aligned": plan.policy.aligned,
        "to": list(plan.to) if plan.is_made else [],
        "refused": [{"address": each.address, "why": each.why, "code": each.code.value} for each in plan.refused],
        "left_out": plan.left_out.value if plan.left_out is not None else None,
        "wait_for": in_words(plan) if plan.failure is not None else None,
    }


def _lines(day: int, plan: Plan) -> Iterator[str]:
    policy = plan.policy
    counted = f"{policy.messages:,} messages, {policy.aligned:,} aligned"
    yield f"{_written(day)} {policy.policy_domain}: {counted}, {in_words(plan)}"
    for each in plan.refused:
        yield f"    not to {each.address}: {each.why}"


def _written(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day))
