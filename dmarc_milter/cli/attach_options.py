"""The options of attach and detach."""

import argparse
from importlib import import_module
from pathlib import Path

from dmarc_milter.settings.config import DEFAULT_PATH

_STATUS = (
    "Exit status: 0 done, 1 not confirmed or not attached, 2 error. With --dry-run: 0 nothing would change, "
    "1 something would, 2 error."
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommands."""
    attach = commands.add_parser(
        "attach",
        help="have Postfix or Sendmail ask the filter",
        description="postfix: ask the filter whether it is there, add it to smtpd_milters, behind those that are "
        "there, and reload. What else of the configuration concerns the filter is told as warnings. Done twice, it "
        "changes nothing; detach undoes it. sendmail: print the line for sendmail.mc and say what to run.",
        epilog=_STATUS,
    )
    attach.add_argument("mta", choices=["postfix", "sendmail"])
    attach.add_argument(
        "--default-action",
        choices=["accept", "tempfail"],
        help="what the MTA does while this filter is down (default: what main.cf sets for all filters; unset there, "
        "accept)",
    )
    attach.add_argument("--no-probe", action="store_true", help="do not ask the filter whether it is there")
    attach.add_argument("--send-to", metavar="ADDRESS", help="then send a message to ADDRESS through this host's MTA")
    _add_common(attach, "attach")
    detach = commands.add_parser(
        "detach",
        help="undo attach",
        description="Take the filter out of Postfix's smtpd_milters. Where main.cf has not been changed since attach, "
        "it becomes what it was before, octet for octet. What attach did is recorded beside main.cf, so the settings "
        "are not needed.",
        epilog=_STATUS,
    )
    detach.add_argument("mta", choices=["postfix"])
    _add_common(detach, "detach")


def _add_common(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"settings (default: {DEFAULT_PATH} if there)")
    parser.add_argument("--postfix-config", type=Path, metavar="DIR", help="Postfix's folder (default: its own)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be changed, change nothing")
    parser.add_argument("--no-reload", action="store_true", help="do not reload Postfix")

    def run(options: argparse.Namespace) -> int:
        status: int = getattr(import_module("dmarc_milter.cli.attach"), name)(options)
        return status

    parser.set_defaults(run=run)
