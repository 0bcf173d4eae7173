"""dmarc-milter check."""

import argparse
from pathlib import Path

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color, add_config


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("messages", nargs="*", metavar="MESSAGE", help="a message, an mbox, a Maildir, or - (stdin)")
    parser.add_argument("--domain", metavar="DOMAIN", help="look into a domain instead")
    parser.add_argument(
        "--selector", action="append", default=[], metavar="S", help="with --domain: show this DKIM key, too"
    )
    envelope = parser.add_argument_group("envelope", "what is not given is taken from the message's fields")
    envelope.add_argument("--ip", metavar="ADDRESS", help="the client")
    envelope.add_argument("--helo", metavar="NAME", help="what it called itself")
    envelope.add_argument("--mail-from", metavar="ADDRESS", help="the reverse-path; '' for a bounce")
    envelope.add_argument("--rcpt", action="append", default=[], metavar="ADDRESS", help="a recipient")
    envelope.add_argument("--authenticated", metavar="USER", help="the user as whom the client logged in")
    envelope.add_argument(
        "--trust", action="append", default=[], metavar="NETWORK", help="believe the Received fields of these hosts"
    )
    envelope.add_argument(
        "--at",
        metavar="TIME",
        help="when it came in: 2026-11-24T10:00:05Z, a date as in mail, or seconds since 1970",
    )
    answers = parser.add_argument_group("DNS")
    answers.add_argument("--zone", type=Path, metavar="FILE", help="answer from a zone file")
    answers.add_argument("--nameserver", action="append", default=[], metavar="ADDRESS", help="ask this server")
    answers.add_argument("--save-zone", type=Path, metavar="FILE", help="write all answers into a zone file")
    add_config(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show every step, as a tree")
    parser.add_argument("--json", action="store_true", help="one JSON object per message")
    add_color(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.check.run import check

    return check(options)


COMMAND = Command(
    "check",
    "explain what the filter says of a message, a mailbox or a domain",
    "Judge messages exactly as the filter does, in mode enforce and as of when they came in, and explain the outcome; "
    "or look into what a domain publishes.",
    _add_options,
    _run,
    "Exit status: 0 every message passes (dmarc=pass or none), or nothing is wrong with the domain; 1 some do not, or "
    "something is wrong; 2 error.",
)
