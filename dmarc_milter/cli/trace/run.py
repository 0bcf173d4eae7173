"""What dmarc-milter trace runs."""

import argparse
import ipaddress
import json
import re
import shutil
import sys
import time
from datetime import UTC, datetime

from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail, open_journal
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal import reader
from dmarc_milter.journal.location import database
from dmarc_milter.journal.reader import Criteria
from dmarc_milter.journal.trace import tell
from dmarc_milter.settings import config

FOUND, NOT_FOUND = 0, 1


def trace(options: argparse.Namespace) -> int:
    """dmarc-milter trace"""
    try:
        criteria = _criteria(options)
        found = reader.find(open_journal(_database(options)), criteria, options.limit)
    except ValueError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    except JOURNAL_ERRORS as error:
        return fail(error)
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


def _database(options: argparse.Namespace) -> str:
    """Raises ConfigError."""
    return options.journal or database(config.load_default(options.config).journal)


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
