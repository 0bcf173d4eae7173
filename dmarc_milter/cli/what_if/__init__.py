"""dmarc-milter what-if."""

import argparse

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_journal, positive


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=positive, default=7, metavar="N", help="how far to look back (default 7)")
    parser.add_argument(
        "--limit", type=positive, default=20, metavar="N", help="show the N largest groups (default 20; --json has all)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_journal(parser, config_help="other settings, tried on the messages of the journal")


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.what_if.run import what_if

    return what_if(options)


COMMAND = Command(
    "what-if",
    "show who is refused in mode enforce, or would be",
    "Read the journal: whose mail enforce refused, quarantined or deferred, or would have in mode monitor; who "
    "authenticated it, from where; which forwarders, mailing lists and ARC sealers could be trusted. With --config, "
    "say what other settings would do with the messages of the journal, beside what was done.",
    _add_options,
    _run,
    "Exit status: 0 nobody is refused (with --config: nothing would change), 1 somebody is, 2 error.",
)
