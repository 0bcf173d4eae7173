"""The command dmarc-milter: a table of its subcommands."""

import argparse
import os
import sys
from collections.abc import Sequence

from dmarc_milter.cli import (
    attach,
    check,
    compare,
    console,
    demo,
    migrate,
    prune,
    reload,
    report,
    serve,
    status,
    summary,
    trace,
    what_if,
)
from dmarc_milter.cli.command import CLOSED_PIPE, INTERRUPTED, USAGE_ERROR
from dmarc_milter.common.version import VERSION
from dmarc_milter.settings.error import ConfigError

COMMANDS = (
    serve.COMMAND,
    reload.COMMAND,
    demo.COMMAND,
    check.COMMAND,
    attach.ATTACH,
    attach.DETACH,
    migrate.COMMAND,
    status.COMMAND,
    summary.COMMAND,
    trace.COMMAND,
    what_if.COMMAND,
    compare.COMMAND,
    console.COMMAND,
    report.COMMAND,
    prune.COMMAND,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    try:
        return _run(arguments)
    except ConfigError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:
        # Whoever reads has seen enough. What is still in the buffer must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = make_parser().parse_args(arguments)
        status: int = options.run(options)
    finally:
        # A pipe that is closed is found here, and not when Python ends.
        sys.stdout.flush()
    return status


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="dmarc-milter",
        description="A mail filter that checks SPF, DKIM, ARC and DMARC (RFC 9989) for Postfix and Sendmail.",
    )
    parser.add_argument("--version", action="version", version=f"dmarc-milter {VERSION}")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        its_parser = parsers.add_parser(
            command.name, help=command.help, description=command.description, epilog=command.epilog
        )
        command.add_options(its_parser)
        its_parser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
