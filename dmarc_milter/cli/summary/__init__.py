"""dmarc-milter summary."""

import argparse

from dmarc_milter.cli import moments
from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color, add_journal


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", type=moments.option, metavar="WHEN", help=f"{moments.FORMS}; in local time (default: 24h)"
    )
    parser.add_argument("--from", dest="author_domain", metavar="DOMAIN", help="only mail with this domain in From")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--mail", metavar="ADDRESS", help="send it to ADDRESS through this host's MTA (127.0.0.1, port 25)"
    )
    add_color(parser)
    add_journal(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.summary.run import run

    return run(options)


COMMAND = Command(
    "summary",
    "tell what happened in a period, beside the one before",
    "Tell in figures what the filter found and did, beside the period of the same length before: what was accepted, "
    "quarantined, refused, deferred; results; whose mail fails, and from where; lists and rules.",
    _add_options,
    _run,
    "Exit status: 0 told, or taken by the MTA; 2 error.",
)
