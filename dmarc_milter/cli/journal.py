"""dmarc-milter trace, what-if and prune: asking and tidying the journal."""

import argparse
import ipaddress
import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal import reader
from dmarc_milter.journal.database import DatabaseError, open_engine
from dmarc_milter.journal.reader import Criteria
from dmarc_milter.journal.schema import SchemaError, check
from dmarc_milter.journal.seen_lists import SeenList, seen_lists, setting
from dmarc_milter.journal.trace import tell, when
from dmarc_milter.journal.upkeep import prune_all
from dmarc_milter.journal.what_if import Group, groups
from dmarc_milter.judging.site import trusted_lists
from dmarc_milter.message.mailing_list import ListPattern
from dmarc_milter.settings import config

FOUND, NOT_FOUND, ERROR = 0, 1, 2
_JOURNAL_ERRORS = (DatabaseError, SchemaError, sa.exc.SQLAlchemyError)


def _open(options: argparse.Namespace) -> Engine:
    return _open_database(options.journal or config.load_default(options.config).journal.database)


def _open_database(url: str) -> Engine:
    """Raises DatabaseError, SchemaError, SQLAlchemyError."""
    engine = open_engine(url, create=False)
    check(engine)
    return engine


def _fail(text: str) -> int:
    print(f"dmarc-milter: {text}", file=sys.stderr)
    return ERROR


def trace(options: argparse.Namespace) -> int:
    """dmarc-milter trace"""
    try:
        criteria = _criteria(options)
        found = reader.find(_open(options), criteria, options.limit)
    except ValueError as error:
        return _fail(str(error))
    except _JOURNAL_ERRORS as error:
        return _fail(_why(error))
    if not found:
        print("dmarc-milter: no such message in the journal", file=sys.stderr)
        return NOT_FOUND
    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    for index, each in enumerate(reversed(found)):
        if options.json:
            print(json.dumps(each))
        else:
            print(("\n" if index else "") + tell(each, width))
    return FOUND


def _why(error: Exception) -> str:
    return f"the journal cannot be read: {' '.join(str(getattr(error, 'orig', None) or error).split())}"


def _criteria(options: argparse.Namespace) -> Criteria:
    """Raises ValueError, whose text names the option."""
    domain = None
    if options.author_domain is not None:
        domain = to_identifier(options.author_domain.rpartition("@")[2])
        if domain is None:
            raise ValueError(f"--from {options.author_domain!r} is no domain")
    message_id = options.message_id
    if message_id is not None and not message_id.startswith("<"):
        message_id = f"<{message_id}>"
    criteria = Criteria(
        options.queue_id, message_id, domain, _network(options.client), since(options.since, time.time())
    )
    if criteria == Criteria():
        raise ValueError("name a QUEUE-ID, or one of --message-id, --from, --client, --since")
    return criteria


def _network(text: str | None) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if text is None:
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"--client {text!r} is no address or network") from None


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def since(text: str | None, now: float) -> float | None:
    """A time ago (``12h``) or a date in UTC, in seconds since 1970. Raises ValueError."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if match is not None:
        return now - int(match[1]) * _UNITS[match[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--since {text!r} is neither like 30m, 12h, 7d nor a date like 2026-11-24") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def what_if(options: argparse.Namespace) -> int:
    """dmarc-milter what-if"""
    earliest = time.time() - options.days * 86_400
    settings = config.load_default(options.config)
    trusted = trusted_lists(settings)
    try:
        engine = _open_database(options.journal or settings.journal.database)
        judged = reader.judged_in_monitor(engine, earliest)
        found = groups(reader.refused_in_monitor(engine, earliest))
        lists = seen_lists(reader.failing_list_mail_in_monitor(engine, earliest))
    except _JOURNAL_ERRORS as error:
        return _fail(_why(error))
    if options.json:
        for line in (*map(_as_json, found), *(_list_as_json(each, trusted) for each in lists)):
            print(json.dumps(line))
    else:
        _print_what_if(found, judged, options.days)
        _print_lists(lists, trusted)
    return FOUND if not found else 1


def _as_json(group: Group) -> dict[str, object]:
    return {
        "author_domain": group.author_domain or None,
        "network": group.network,
        "messages": group.count,
        "wanted": dict(group.wanted),
        "reason": group.reasons.most_common(1)[0][0],
        "authenticated_as": group.authenticated_as,
        "lists": dict(group.lists),
        "first": group.first,
        "last": group.last,
        "rule": group.rule,
    }


def _list_as_json(found: SeenList, trusted: Sequence[ListPattern]) -> dict[str, object]:
    return {
        "list_id": found.list_id,
        "messages": found.messages,
        "wanted": dict(found.wanted),
        "authenticated_as": found.authenticated_as,
        "author_domains": dict(found.authors),
        "trusted": found.is_trusted(trusted),
    }


def _print_what_if(found: list[Group], judged: int, days: int) -> None:
    hit = sum(each.count for each in found)
    print(f"In {days} days, mode monitor judged {judged} messages; enforce would have touched {hit} of them.")
    if not judged:
        print("Nothing to conclude from: was the filter in mode monitor, with [journal] enabled?")
    for each in found:
        print(f"\n{each.author_domain or '(no usable From)'} from {each.network}: {_counted(each.wanted)}")
        print(f"  {when(each.first)} to {when(each.last)}")
        print(f"  mostly: {each.reasons.most_common(1)[0][0]}")
        print(f"  all authenticated as: {each.authenticated_as or 'nobody, which is what spoofed mail looks like'}")
        if each.lists:
            print(f"  mailing lists: {', '.join(name for name, _ in each.lists.most_common(5))}")
    rules = [each.rule for each in found if each.rule]
    if rules:
        print("\nRules that would spare what somebody authenticated. Keep those whose senders you know:\n")
        print("\n".join(dict.fromkeys(rules)), end="")


def _counted(wanted: "Counter[str]") -> str:
    return ", ".join(f"{count} {action}" for action, count in wanted.most_common())


def _print_lists(lists: list[SeenList], trusted: Sequence[ListPattern]) -> None:
    if not lists:
        return
    print("\nMailing lists whose mail fails DMARC:\n")
    for each in lists:
        mark = "trusted" if each.is_trusted(trusted) else "not trusted"
        print(f"{each.list_id}: {_counted(each.wanted)}; {mark}")
        print(f"  authenticated as: {each.authenticated_as or 'nobody, so it cannot be named'}")
        print(f"  in the name of: {', '.join(name for name, _ in each.authors.most_common(5)) or '(no usable From)'}")
    line = setting(lists, trusted)
    if line is not None:
        print(f"\n{_ADVICE}\n\n{line}")


_ADVICE = """\
Anybody can send mail that looks like a list's, and whoever is named below may write in any name. Keep only the lists
that your own users subscribe to, strike out all others, and put the line into [policy.indirect]:"""


def prune(options: argparse.Namespace) -> int:
    """dmarc-milter prune"""
    try:
        settings = config.load_default(options.config).journal
        if not settings.enabled and options.journal is None:
            # A timer asks every day, whatever the settings are.
            print("no journal is kept")
            return 0
        total = prune_all(open_engine(options.journal or settings.database, create=False), settings.keep_days)
    except _JOURNAL_ERRORS as error:
        return _fail(_why(error))
    print(f"{total} records deleted")
    return 0
