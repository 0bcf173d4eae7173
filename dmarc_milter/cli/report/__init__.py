"""dmarc-milter report: its subcommands."""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_journal

_STATUS = "Exit status: 0 all is done; 1 something is left for a later run; 2 error."


def day(text: str) -> int:
    """``2026-11-26`` as the start of that day in UTC, in seconds since 1970; the type of an option."""
    try:
        found = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        found = None
    if found is None or found.year < 1970:
        raise argparse.ArgumentTypeError(f"{text!r} is no day like 2026-11-26")
    return int(datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp())


def _add_make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=day, metavar="D", help="only this day (UTC), like 2026-11-26")
    parser.add_argument("--domain", metavar="X", help="only reports about this policy domain")
    parser.add_argument(
        "--dry-run", action="store_true", help="write nothing; tell who would get what, of a day that goes on, too"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write the reports of the day as files into this folder as well"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per report and line")
    add_journal(parser)


def _make(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.make import run

    return run(options)


MAKE = Command(
    "make",
    "make the reports of all days that are over",
    "Close each UTC day that is over, and make its reports: they wait in the journal's database until `report send` "
    "sends them. With --day, only that day; where it is closed already, --output writes its reports again, octet for "
    "octet.",
    _add_make,
    _make,
    _STATUS,
)

SUBCOMMANDS: tuple[Command, ...] = (MAKE,)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(required=True, metavar="SUBCOMMAND")
    for command in SUBCOMMANDS:
        its_parser = parsers.add_parser(
            command.name, help=command.help, description=command.description, epilog=command.epilog
        )
        command.add_options(its_parser)
        its_parser.set_defaults(run_report=command.run)


def _run(options: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int] = options.run_report
    return run(options)


COMMAND = Command(
    "report",
    "make and send DMARC reports",
    "Reports to the domains whose mail came in: aggregate reports (RFC 9990), and failure reports (RFC 9991) where "
    "they are allowed. docs/reporting.md says how to begin.",
    _add_options,
    _run,
)
