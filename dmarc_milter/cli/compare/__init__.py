"""dmarc-milter compare."""

import argparse
from pathlib import Path

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color, add_journal, positive


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "messages", nargs="*", metavar="MESSAGE", help="a Maildir with its folders, an mbox, a message, or - (stdin)"
    )
    whose = parser.add_argument_group("whose fields", "ids of Authentication-Results, the first word of the field")
    whose.add_argument(
        "--old-id", action="append", default=[], metavar="ID", help="an id of the old chain (default: all but ours)"
    )
    whose.add_argument("--our-id", metavar="ID", help="the id of the new filter (default: [milter] authserv_id)")
    whose.add_argument(
        "--trust", action="append", default=[], metavar="NETWORK", help="believe the fields of these hosts, too"
    )
    parser.add_argument(
        "--mail-log",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="Postfix's log (also .gz): what the old chain refused is looked for in the journal",
    )
    answers = parser.add_argument_group("DNS")
    answers.add_argument("--zone", type=Path, metavar="FILE", help="answer from a zone file")
    answers.add_argument("--nameserver", action="append", default=[], metavar="ADDRESS", help="ask this server")
    add_journal(parser)
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="show N differences (default 50; --json has all)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_color(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.compare.run import compare

    return compare(options)


COMMAND = Command(
    "compare",
    "compare this filter with the chain that it takes the place of",
    "Compare what an old chain (OpenDKIM, OpenDMARC, policyd-spf, rspamd, Amavis, ...) said of messages with what this "
    "filter says: with its own fields where a message carries both, else judged again, with the envelope and the time "
    "that the message tells. Each difference is told with its cause, and what cannot be compared is counted.",
    _add_options,
    _run,
    "Exit status: 0 both are alike, 1 they differ, 2 error, or nothing could be compared.",
)
