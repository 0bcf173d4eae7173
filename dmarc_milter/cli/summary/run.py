"""What dmarc-milter summary runs."""

import argparse
import json
import sys
import time
from email.message import EmailMessage

from dmarc_milter.attaching.trial import TrialError, hand_over
from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail, open_journal
from dmarc_milter.cli.summary.as_json import as_json
from dmarc_milter.cli.summary.text import about, tell
from dmarc_milter.common.terminal import is_terminal
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal.figures import Period, Summary
from dmarc_milter.journal.location import database
from dmarc_milter.journal.summary import summary
from dmarc_milter.settings import config

TOLD = 0
DEFAULT_SECONDS = 86_400


def run(options: argparse.Namespace) -> int:
    """dmarc-milter summary"""
    now = time.time()
    settings = config.load_default(options.config)
    rules = [each.name for each in settings.override]
    try:
        domain = _domain(options.author_domain)
        period = Period(now - DEFAULT_SECONDS if options.since is None else options.since, now)
        if period.since >= now:
            raise ValueError("--since is not in the past")
        found = summary(open_journal(options.journal or database(settings.journal)), period, domain)
    except ValueError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    except JOURNAL_ERRORS as error:
        return fail(error)
    if options.json:
        text = json.dumps(as_json(found, rules, domain)) + "\n"
    else:
        is_coloured = options.mail is None and _is_coloured(options.color)
        text = tell(found, rules, domain, is_coloured=is_coloured)
    if options.mail is not None:
        return _send(options.mail, found, text)
    print(text, end="")
    return TOLD


def _domain(text: str | None) -> str | None:
    """Raises ValueError."""
    if text is None:
        return None
    domain = to_identifier(text.rpartition("@")[2])
    if domain is None:
        raise ValueError(f"--from {text!r} is no domain")
    return domain


def _is_coloured(choice: str) -> bool:
    return choice == "always" or (choice == "auto" and is_terminal(sys.stdout))


def _send(recipient: str, found: Summary, text: str) -> int:
    message = EmailMessage()
    try:
        message["From"] = message["To"] = recipient
        message["Subject"] = f"dmarc-milter: {about(found)}"
    except ValueError as error:
        print(f"dmarc-milter: --mail {recipient!r}: {error}", file=sys.stderr)
        return USAGE_ERROR
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    try:
        hand_over(message, recipient)
    except TrialError as error:
        print(f"dmarc-milter: the MTA at 127.0.0.1 did not take the summary: {error}", file=sys.stderr)
        return USAGE_ERROR
    return TOLD
