"""dmarc-milter trace."""

import argparse

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_journal, positive


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queue_id", nargs="?", metavar="QUEUE-ID", help="the MTA's name for the message")
    parser.add_argument("--message-id", metavar="ID", help="the Message-ID, with its angle brackets or without")
    parser.add_argument("--from", dest="author_domain", metavar="DOMAIN", help="the domain of From")
    parser.add_argument("--client", metavar="ADDRESS", help="the client's address, or a network")
    parser.add_argument("--since", metavar="WHEN", help="30m, 12h, 7d, or a date like 2026-11-24 (UTC)")
    parser.add_argument("--limit", type=positive, default=20, metavar="N", help="at most so many messages (default 20)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_journal(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.trace.run import trace

    return trace(options)


COMMAND = Command(
    "trace",
    "tell what became of a message",
    "Tell what became of a message: what was received, found and done, and what the sender can mend.",
    _add_options,
    _run,
    "Exit status: 0 found, 1 no such message in the journal, 2 error.",
)
