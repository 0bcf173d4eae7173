"""dmarc-milter what-if."""

import argparse

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_journal, positive


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=positive, default=7, metavar="N", help="how far to look back (default 7)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_journal(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.what_if.run import what_if

    return what_if(options)


COMMAND = Command(
    "what-if",
    "show who would have been refused in mode enforce",
    "Read what mode monitor recorded: whose mail enforce would have refused or quarantined, from where, which rules "
    "would spare what was authenticated by somebody, and which mailing lists could be trusted.",
    _add_options,
    _run,
    "Exit status: 0 nobody, 1 somebody, 2 error.",
)
