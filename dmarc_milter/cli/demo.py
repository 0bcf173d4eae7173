"""dmarc-milter demo."""

import argparse
import sys

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--console", action="store_true", help="serve the console's pages over a month of made-up mail, until Ctrl-C"
    )
    add_color(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.common.terminal import is_terminal

    if options.console:
        from dmarc_milter.cli.console import serve_demo

        return serve_demo()
    from dmarc_milter.demo.play import run

    is_coloured = options.color == "always" or (options.color == "auto" and is_terminal(sys.stdout))
    return run(sys.stdout, is_coloured=is_coloured)


COMMAND = Command(
    "demo",
    "watch the filter judge a few messages",
    "Start the real filter on a private socket, with a DNS of its own, and play messages to it.",
    _add_options,
    _run,
)
