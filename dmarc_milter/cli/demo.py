"""dmarc-milter demo."""

import argparse
import sys

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.common.terminal import is_terminal
    from dmarc_milter.demo.play import run

    is_coloured = options.color == "always" or (options.color == "auto" and is_terminal(sys.stdout))
    return run(sys.stdout, is_coloured=is_coloured)


COMMAND = Command(
    "demo",
    "watch the filter judge a few messages",
    "Start the real filter on a private socket, with a DNS of its own, and play messages to it.",
    add_color,
    _run,
)
