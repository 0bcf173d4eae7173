"""The options of trace, what-if and prune; the database's library is loaded only once one of them runs."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from dmarc_milter.settings.config import DEFAULT_PATH


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommands."""
    trace = commands.add_parser(
        "trace",
        help="tell what became of a message",
        description="Tell what became of a message: what was received, found and done, and what the sender can mend.",
        epilog="Exit status: 0 found, 1 no such message in the journal, 2 error.",
    )
    trace.add_argument("queue_id", nargs="?", metavar="QUEUE-ID", help="the MTA's name for the message")
    trace.add_argument("--message-id", metavar="ID", help="the Message-ID, with its angle brackets or without")
    trace.add_argument("--from", dest="author_domain", metavar="DOMAIN", help="the domain of From")
    trace.add_argument("--client", metavar="ADDRESS", help="the client's address, or a network")
    trace.add_argument("--since", metavar="WHEN", help="30m, 12h, 7d, or a date like 2026-11-24 (UTC)")
    trace.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most so many messages (default 20)")
    trace.add_argument("--json", action="store_true", help="one JSON object a line")
    _add_source(trace)
    trace.set_defaults(run=_run("trace"))
    what_if = commands.add_parser(
        "what-if",
        help="show who would have been refused in mode enforce",
        description="Read what mode monitor recorded: whose mail enforce would have refused or quarantined, from "
        "where, which rules would spare what was authenticated by somebody, and which mailing lists could be trusted.",
        epilog="Exit status: 0 nobody, 1 somebody, 2 error.",
    )
    what_if.add_argument("--days", type=_positive, default=7, metavar="N", help="how far to look back (default 7)")
    what_if.add_argument("--json", action="store_true", help="one JSON object a line")
    _add_source(what_if)
    what_if.set_defaults(run=_run("what_if"))
    prune = commands.add_parser(
        "prune",
        help="delete old records from the journal",
        description="Delete the records older than [journal] keep_days. A running filter does the same every hour.",
    )
    _add_source(prune)
    prune.set_defaults(run=_run("prune"))


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings (default: {DEFAULT_PATH}, if it is there)"
    )
    parser.add_argument("--journal", metavar="URL", help="the journal's database, instead of that of the settings")


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def _run(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        status: int = getattr(import_module("dmarc_milter.cli.journal"), name)(options)
        return status

    return run
