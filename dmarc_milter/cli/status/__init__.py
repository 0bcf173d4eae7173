"""dmarc-milter status."""

import argparse
from pathlib import Path

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color, add_config


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_color(parser)
    add_config(parser)
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="what the service writes (default: /run/dmarc-milter/state.json)"
    )


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.status.run import status

    return status(options)


COMMAND = Command(
    "status",
    "tell whether the filter is well",
    "Tell whether the filter is well: the service and its workers, whether the MTA asks it, whether name servers "
    "answer, what is in the journal, the last reload, settings that are not the default. What needs attention comes "
    "first.",
    _add_options,
    _run,
    "Exit status: 0 all is well, 1 something needs attention, 2 error.",
)
