"""What dmarc-milter check runs."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any

from dmarc_milter.api import Dns, evaluate
from dmarc_milter.cli.asking import OptionError, dns_of, in_order, settings_of
from dmarc_milter.cli.check import receipt, table
from dmarc_milter.cli.check.table import Summary
from dmarc_milter.cli.progress import Progress
from dmarc_milter.common import network
from dmarc_milter.common.terminal import columns, is_coloured
from dmarc_milter.dkim.signature import CLOCK_SKEW
from dmarc_milter.dns.answer import Answer, Question
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.dns.zone import ZoneError
from dmarc_milter.explaining import domain, domain_json, domain_tree, messages, zone_file
from dmarc_milter.explaining.domain_notes import NoteKind, notes
from dmarc_milter.explaining.envelope import Given, derive
from dmarc_milter.explaining.judged import Judged
from dmarc_milter.explaining.message_json import as_json
from dmarc_milter.explaining.message_tree import as_tree
from dmarc_milter.explaining.messages import InputError, MessageSource
from dmarc_milter.explaining.short import in_short
from dmarc_milter.explaining.tree import Style, render
from dmarc_milter.message.header import split_message
from dmarc_milter.message.local_hop import without_local_hops
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError

PASS, FAIL, ERROR = 0, 1, 2
MAX_SAVED = 200_000
"""Answers that --save-zone keeps."""


def check(options: argparse.Namespace) -> int:
    """The exit status."""
    try:
        settings = settings_of(options)
        settings = replace(settings, policy=replace(settings.policy, mode="enforce"))
        dns = dns_of(options, settings)
        if options.domain is not None:
            return _check_domain(options, dns)
        if not options.messages:
            raise OptionError("name a MESSAGE (- for standard input), or --domain")
        return _check_messages(options, settings, dns, _given(options))
    except (OptionError, InputError, ConfigError, ZoneError) as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return ERROR


def _given(options: argparse.Namespace) -> Given:
    try:
        address = ip_address(options.ip).packed if options.ip is not None else None
    except ValueError:
        raise OptionError(f"--ip {options.ip!r} is no address") from None
    try:
        trusted = tuple(network.parse(each) for each in options.trust)
    except ValueError as error:
        raise OptionError(f"--trust: {error}") from None
    mail_from = options.mail_from
    return Given(
        address,
        options.helo,
        mail_from.strip("<>") if mail_from is not None else None,
        trusted,
        tuple(each.strip("<>") for each in options.rcpt),
        options.authenticated,
        _at(options),
    )


def _at(options: argparse.Namespace) -> float | None:
    if options.at is None:
        return None
    seconds = receipt.received(options.at)
    if seconds is None:
        raise OptionError(f"--at {options.at!r} is none of: {receipt.FORMS}")
    if seconds > time.time() + CLOCK_SKEW:
        raise OptionError(f"--at {options.at!r} lies in the future: give the time at which the message came in")
    return seconds


def _style(options: argparse.Namespace) -> Style:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Style(columns(sys.stdout), is_coloured(options.color, sys.stdout), encoding == "utf8")


def _check_domain(options: argparse.Namespace, dns: Dns) -> int:
    name = to_identifier(options.domain)
    if name is None:
        raise OptionError(f"--domain {options.domain!r} is no domain name")
    selectors = [to_identifier(each) or "" for each in options.selector]
    if "" in selectors:
        raise OptionError("--selector is no selector")
    found = domain.run(dns, name, selectors)
    if options.json:
        print(json.dumps(domain_json.as_json(found)))
    else:
        print(render(domain_tree.as_tree(found), _style(options)))
    if options.save_zone is not None:
        _save(options.save_zone, dict(found.answers))
    return PASS if all(note.kind is NoteKind.DOUBT for note in notes(found)) else FAIL


def _check_messages(options: argparse.Namespace, settings: Settings, dns: Dns, given: Given) -> int:
    sources = (source for path in options.messages for source in messages.read(path))
    first = list(islice(sources, 2))
    saved: dict[Question, Answer[Any]] = {}
    if len(first) == 1:
        (judged,) = [_judge(each, settings, dns, given) for each in first]
        saved.update(judged.found.answers)
        if options.json:
            print(json.dumps(as_json(*judged)))
        else:
            print(_told(judged, options))
        status = FAIL if judged.is_fail else PASS
    else:
        status = _check_many(options, (each for part in (first, sources) for each in part), settings, dns, given, saved)
    if options.save_zone is not None:
        _save(options.save_zone, saved)
    return status


def _told(judged: Judged, options: argparse.Namespace) -> str:
    style = _style(options)
    return render(as_tree(*judged), style) if options.verbose else in_short(*judged, style)


def _judge(source: MessageSource, settings: Settings, dns: Dns, given: Given) -> Judged:
    derived = derive(split_message(source.octets)[0], given, time.time())
    found = evaluate(
        without_local_hops(source.octets),
        derived.envelope,
        dns,
        settings,
        recipients=given.recipients,
        authenticated=given.authenticated,
        at=derived.at.seconds,
    )
    return Judged(source.name, found, derived)


def _save(path: Path, answers: dict[Question, Answer[Any]]) -> None:
    try:
        path.write_text(zone_file.write(answers), "utf-8")
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror}") from None


def _check_many(
    options: argparse.Namespace,
    sources: Iterator[MessageSource],
    settings: Settings,
    dns: Dns,
    given: Given,
    saved: dict[Question, Answer[Any]],
) -> int:
    """Several at a time, told in their order; no more than a few in memory."""
    summary, progress, width = Summary(), Progress(_total(options.messages)), columns(sys.stdout)
    status = PASS
    is_table = not options.json and not options.verbose
    for judged in in_order(sources, lambda source: _judge(source, settings, dns, given)):
        if is_table and summary.messages == 0:
            print(table.heading(width))
        summary.add(judged)
        if options.save_zone is not None and len(saved) < MAX_SAVED:
            saved.update(judged.found.answers)
        status = FAIL if judged.is_fail else status
        progress.hide()
        print(json.dumps(as_json(*judged)) if options.json else _told_among_many(judged, options, width))
        progress.show(summary.messages)
    progress.hide()
    print("\n".join(summary.lines(width)), file=sys.stderr if options.json else sys.stdout)
    return status


def _told_among_many(judged: Judged, options: argparse.Namespace, width: int) -> str:
    return f"{_told(judged, options)}\n" if options.verbose else table.line(judged, width)


def _total(paths: list[str]) -> int | None:
    """How many messages there are, where that can be told."""
    counts = [messages.count(path) for path in paths]
    return sum(each for each in counts if each) if all(counts) else None
