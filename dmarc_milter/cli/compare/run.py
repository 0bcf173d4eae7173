"""What dmarc-milter compare runs."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sqlalchemy.engine import Engine

from dmarc_milter.api import Dns
from dmarc_milter.cli.asking import OptionError, dns_of, in_order, settings_of
from dmarc_milter.cli.compare import refused, told
from dmarc_milter.cli.compare.judging import Outcome, With, outcome
from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail, open_journal
from dmarc_milter.cli.progress import Progress
from dmarc_milter.common import network
from dmarc_milter.common.terminal import columns, is_coloured
from dmarc_milter.comparing.facts import Missing
from dmarc_milter.comparing.hop import Ids
from dmarc_milter.comparing.tally import Tally
from dmarc_milter.dns.zone import ZoneError
from dmarc_milter.explaining import messages
from dmarc_milter.explaining.messages import InputError, MessageSource
from dmarc_milter.explaining.tree import Style
from dmarc_milter.journal.location import database
from dmarc_milter.message.authserv_id import comparable
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError

ALIKE, DIFFERENT, ERROR = 0, 1, 2
MAX_IDS = 1_000
"""Ids of the old chain that are counted: senders may write any where none is asked for."""


def compare(options: argparse.Namespace) -> int:
    """The exit status."""
    try:
        settings = settings_of(options)
        settings = replace(settings, policy=replace(settings.policy, mode="enforce"))
        with dns_of(options, settings) as dns:
            return _compare(options, settings, dns)
    except (OptionError, InputError, ConfigError, ZoneError) as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return ERROR
    except JOURNAL_ERRORS as error:
        return fail(error)


def _compare(options: argparse.Namespace, settings: Settings, dns: Dns) -> int:
    if not options.messages and not options.mail_log:
        raise OptionError("name a MESSAGE (a Maildir, an mbox, a file, - for standard input), or --mail-log")
    ids = _ids(options, settings)
    trusted = (*map(network.of, settings.policy.trusted_relays), *_networks(options))
    tally = Tally()
    progress = Progress(_total(options.messages))
    for each in _outcomes(options, With(ids, trusted, settings, dns), tally):
        _add(tally, each)
        progress.show(tally.messages + tally.refused)
    progress.hide()
    if options.json:
        print(json.dumps(told.as_json(tally, ids.ours)))
    else:
        print("\n".join(told.lines(tally, ids.ours, options.limit, _style(options))))
    return _status(tally, ids)


def _status(tally: Tally, ids: Ids) -> int:
    if tally.compared:
        return DIFFERENT if tally.differing else ALIKE
    hint = _hint(ids) if tally.missing[None, Missing.NO_OLD_FIELD] else ""
    print(f"dmarc-milter: nothing could be compared{hint}", file=sys.stderr)
    return ERROR


def _hint(ids: Ids) -> str:
    """What may be wrong where no message has a field of the old chain."""
    if ids.ours is not None and not ids.old:
        return f". Where the old chain wrote under {ids.ours}, too: --old-id {ids.ours}"
    return ". Name the ids of the old chain (--old-id), and the hosts that hand mail to this one (--trust)"


def _ids(options: argparse.Namespace, settings: Settings) -> Ids:
    """Where the old chain wrote under our own id, nothing in the messages is ours."""
    old = frozenset(comparable(each) for each in options.old_id)
    if "" in old or options.our_id == "":
        raise OptionError("--old-id and --our-id: an id has at least one character")
    if options.our_id is not None:
        ours = comparable(options.our_id)
        if ours in old:
            raise OptionError(f"--old-id and --our-id are both {options.our_id}: fields of one id cannot be told apart")
        return Ids(ours, old)
    own = comparable(settings.milter.authserv_id) if settings.milter.authserv_id else None
    return Ids(None if own in old else own, old)


def _networks(options: argparse.Namespace) -> Iterator[network.Network]:
    try:
        yield from [network.parse(each) for each in options.trust]
    except ValueError as error:
        raise OptionError(f"--trust: {error}") from None


def _outcomes(options: argparse.Namespace, by: With, tally: Tally) -> Iterator[Outcome]:
    def skipped(_: InputError) -> None:
        tally.messages += 1
        tally.missing[None, Missing.NO_MESSAGE] += 1

    yield from in_order(_sources(options.messages, skipped), lambda source: outcome(source, by))
    if options.mail_log:
        asked = refused.Asked(_journal(options, by.settings), by.settings, by.dns)
        yield from refused.outcomes(options.mail_log, asked)


def _sources(paths: Iterable[str], skipped: "messages.Skip") -> Iterator[MessageSource]:
    for path in paths:
        yield from messages.read(path, with_folders=True, skip=skipped)


def _journal(options: argparse.Namespace, settings: Settings) -> Engine | None:
    """None where none is named and none is written, or it cannot be read: refusals on SPF need none."""
    if options.journal is None and not settings.journal.enabled:
        return None
    try:
        return open_journal(options.journal or database(settings.journal))
    except JOURNAL_ERRORS as error:
        if options.journal is not None:
            raise
        fail(error)
        return None


def _add(tally: Tally, each: Outcome) -> None:
    tally.add(each.name, each.found)
    if each.is_refusal:
        tally.refused += 1
        return
    tally.messages += 1
    tally.live += each.is_live
    tally.judged_again += bool(each.old_ids) and not each.is_live
    for old_id in each.old_ids:
        if old_id in tally.ids or len(tally.ids) < MAX_IDS:
            tally.ids[old_id] += 1


def _total(paths: list[str]) -> int | None:
    counts = [messages.count(path, with_folders=True) for path in paths]
    return sum(each for each in counts if each) if counts and all(counts) else None


def _style(options: argparse.Namespace) -> Style:
    return Style(columns(sys.stdout), is_coloured(options.color, sys.stdout), is_unicode=False)
