"""dmarc-milter attach and detach."""

import argparse
from pathlib import Path

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_config

_STATUS = (
    "Exit status: 0 done, 1 not confirmed or not attached, 2 error. With --dry-run: 0 nothing would change, "
    "1 something would, 2 error."
)


def _add_options_of_attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mta", choices=["postfix", "sendmail"])
    parser.add_argument(
        "--default-action",
        choices=["accept", "tempfail"],
        help="what the MTA does while this filter is down (default: what main.cf sets for all filters, or "
        "accept if it sets nothing)",
    )
    parser.add_argument("--no-probe", action="store_true", help="do not ask the filter whether it is there")
    parser.add_argument("--send-to", metavar="ADDRESS", help="then send a message to ADDRESS through this host's MTA")
    _add_common_options(parser)


def _add_options_of_detach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mta", choices=["postfix"])
    _add_common_options(parser)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--postfix-config", type=Path, metavar="DIR", help="Postfix's folder (default: its own)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be changed, change nothing")
    parser.add_argument("--no-reload", action="store_true", help="do not reload Postfix")


def _attach(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.attach.run import attach

    return attach(options)


def _detach(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.attach.run import detach

    return detach(options)


ATTACH = Command(
    "attach",
    "have Postfix or Sendmail ask the filter",
    "postfix: ask the filter whether it is there, add it to smtpd_milters, behind those that are "
    "there, and reload. Warnings name other parts of the configuration that concern the filter. A second "
    "run changes nothing, and detach undoes it. sendmail: print the line for sendmail.mc and say what to run.",
    _add_options_of_attach,
    _attach,
    _STATUS,
)
DETACH = Command(
    "detach",
    "undo attach",
    "Take the filter out of Postfix's smtpd_milters. Where main.cf has not been changed since attach, "
    "it becomes what it was before, octet for octet. What attach did is recorded beside main.cf, so the settings "
    "are not needed.",
    _add_options_of_detach,
    _detach,
    _STATUS,
)
