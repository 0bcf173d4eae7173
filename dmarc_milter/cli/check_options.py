"""The options of check; what it needs is loaded only once it runs."""

import argparse
from importlib import import_module
from pathlib import Path

from dmarc_milter.settings.config import DEFAULT_PATH


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    check = commands.add_parser(
        "check",
        help="explain what the filter says of a message, a mailbox or a domain",
        description="Judge messages exactly as the filter does, in mode enforce, and explain the outcome; "
        "or look into what a domain publishes.",
        epilog="Exit status: 0 every message passes (dmarc=pass or none), or nothing is wrong with the domain; "
        "1 some do not; 2 error.",
    )
    check.add_argument("messages", nargs="*", metavar="MESSAGE", help="a message, an mbox, a Maildir, or - (stdin)")
    check.add_argument("--domain", metavar="DOMAIN", help="look into a domain instead")
    check.add_argument("--selector", action="append", default=[], metavar="S", help="with --domain: a DKIM key too")
    envelope = check.add_argument_group("envelope", "what is not given is taken from the message's fields")
    envelope.add_argument("--ip", metavar="ADDRESS", help="the client")
    envelope.add_argument("--helo", metavar="NAME", help="what it called itself")
    envelope.add_argument("--mail-from", metavar="ADDRESS", help="the reverse-path; '' for a bounce")
    envelope.add_argument("--rcpt", action="append", default=[], metavar="ADDRESS", help="a recipient; may be repeated")
    envelope.add_argument("--authenticated", metavar="USER", help="as whom the client logged in")
    envelope.add_argument(
        "--trust", action="append", default=[], metavar="NETWORK", help="believe the Received fields of these hosts"
    )
    answers = check.add_argument_group("DNS")
    answers.add_argument("--zone", type=Path, metavar="FILE", help="answer from a zone file")
    answers.add_argument("--nameserver", action="append", default=[], metavar="ADDRESS", help="ask this server")
    answers.add_argument("--save-zone", type=Path, metavar="FILE", help="write all answers into a zone file")
    check.add_argument("--config", type=Path, metavar="FILE", help=f"settings (default: {DEFAULT_PATH} if there)")
    check.add_argument("--json", action="store_true", help="one JSON object a message")
    check.add_argument("--color", choices=["auto", "always", "never"], default="auto", help="default: auto")
    check.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    status: int = import_module("dmarc_milter.cli.check").check(options)
    return status
