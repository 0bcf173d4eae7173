"""dmarc-milter report: its subcommands."""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_journal, positive

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
        "--dry-run",
        action="store_true",
        help="write nothing; show who would get which report, also for a day that is not over",
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


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="send all reports that are due, without a limit")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_journal(parser)


def _send(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.send import run

    return run(options)


SEND = Command(
    "send",
    "send the reports that wait",
    "Send the reports that are due: 500 per run and 20 to one host, or more if that is needed to send those of a day "
    "within [report] spread_hours. What the MTA defers is tried again, later and later, for three days. An address "
    "that refuses a report gets none for 7 days, then 30, then 90. Nothing is sent before `report check` has passed.",
    _add_send,
    _send,
    _STATUS,
)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--client",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="an address that your mail leaves from, for SPF",
    )
    parser.add_argument(
        "--message",
        type=Path,
        metavar="FILE",
        help="judge this copy of a report that came back from outside; needed if your MTA signs the reports",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_journal(parser)


def _check(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.check import run

    return run(options)


CHECK = Command(
    "check",
    "see whether what is sent would pass",
    "Make a report to yourself, and judge it as its receiver would: signatures, SPF, alignment, and whether the DMARC "
    "record of the domain that reports come from asks for reports itself. Until this has passed, with the settings as "
    "they are, nothing is sent.",
    _add_check,
    _check,
    "Exit status: 0 it passes; 1 it does not; 2 error.",
)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=day, metavar="D", help="only this day (UTC), like 2026-11-26")
    parser.add_argument("--domain", metavar="X", help="only this policy domain")
    parser.add_argument(
        "--state",
        choices=["pending", "sent", "refused", "bounced", "expired", "suppressed"],
        help="only what is in this state",
    )
    parser.add_argument(
        "--limit", type=positive, default=100, metavar="N", help="show N reports at most (default: 100)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_journal(parser)


def _list(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.list import run

    return run(options)


LIST = Command(
    "list",
    "tell which reports there are, and what became of them",
    "Tell which reports there are, and what became of each at each address; the newest first. Domains that wait for "
    "the DNS come before them.",
    _add_list,
    _list,
    "Exit status: 0 told; 2 error.",
)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "report",
        metavar="ID|FILE",
        help="a report of ours by its id; or any, as a file (XML, gzip, zip, mail); - for stdin",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_journal(parser)


def _show(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.show import run

    return run(options)


SHOW = Command(
    "show",
    "print a report as a table",
    "Print an aggregate report as a table: one of ours, or one that somebody sent.",
    _add_show,
    _show,
    "Exit status: 0 shown; 2 it is not there, or cannot be read.",
)


def _add_suppress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="the address that gets no reports")
    parser.add_argument("--days", type=positive, metavar="N", help="for N days (default: until unsuppress)")
    add_journal(parser)


def _suppress(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.suppress import suppress

    return suppress(options)


SUPPRESS = Command(
    "suppress",
    "send an address no reports",
    "Send no reports to an address, for some days or until `report unsuppress`.",
    _add_suppress,
    _suppress,
    "Exit status: 0 done; 2 error.",
)


def _add_unsuppress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="the address that gets reports again")
    add_journal(parser)


def _unsuppress(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.suppress import unsuppress

    return unsuppress(options)


UNSUPPRESS = Command(
    "unsuppress",
    "send an address reports again",
    "Send reports again to an address that refused them, or that you suppressed.",
    _add_unsuppress,
    _unsuppress,
    "Exit status: 0 done; 1 it was not suppressed; 2 error.",
)


def _add_bounce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipient",
        metavar="ADDRESS",
        help="the address that the notification came to, if the notification does not name it",
    )
    add_journal(parser)


def _bounce(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.report.suppress import bounce

    return bounce(options)


BOUNCE = Command(
    "bounce",
    "read a bounce on standard input",
    "Read a delivery status notification on standard input: the address that it is about gets no reports for a while. "
    "Your MTA runs this for what comes to the bounce addresses, user+TOKEN@domain (docs/reporting.md).",
    _add_bounce,
    _bounce,
    "Exit status: 0 noted, or nothing to note; 75 the database cannot be reached, so the MTA keeps it; 2 error.",
)

SUBCOMMANDS: tuple[Command, ...] = (MAKE, SEND, LIST, SHOW, CHECK, SUPPRESS, UNSUPPRESS, BOUNCE)


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
