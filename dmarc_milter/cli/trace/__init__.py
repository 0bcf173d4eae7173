"""dmarc-milter trace."""

import argparse

from dmarc_milter.cli import moments
from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_color, add_journal, positive

_ACTIONS = ("accept", "quarantine", "reject", "tempfail")
_DMARC = ("pass", "fail", "none", "temperror", "permerror")
_SPF = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queue_id", nargs="*", metavar="QUEUE-ID", help="the MTA's name for a message")
    which = parser.add_argument_group("which messages", "all that is given has to fit")
    which.add_argument("--message-id", metavar="ID", help="the Message-ID, with its angle brackets or without")
    which.add_argument("--from", dest="author_domain", metavar="DOMAIN", help="the domain of From")
    which.add_argument("--client", metavar="ADDRESS", help="the client's address, or a network")
    which.add_argument("--list", dest="list_id", metavar="LIST-ID", help="the mailing list")
    which.add_argument("--sealer", metavar="DOMAIN", help="messages whose ARC chain needs this sealer to be trusted")
    which.add_argument("--action", choices=_ACTIONS, help="what was done")
    which.add_argument("--dmarc", choices=_DMARC, help="the result of DMARC")
    which.add_argument("--spf", choices=_SPF, help="the result of SPF")
    which.add_argument("--rule", metavar="NAME", help="the [[override]] that decided")
    which.add_argument("--since", type=moments.option, metavar="WHEN", help=f"not before: {moments.FORMS}")
    which.add_argument("--until", type=moments.option, metavar="WHEN", help="not after; written the same way")
    parser.add_argument("--limit", type=positive, default=20, metavar="N", help="the newest N messages (default 20)")
    parser.add_argument("--follow", action="store_true", help="go on with messages as they come, until Ctrl-C")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell the whole story of each of several messages")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_color(parser)
    add_journal(parser)


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.trace.run import trace

    return trace(options)


COMMAND = Command(
    "trace",
    "tell what became of a message",
    "Tell what became of a message: what was done and why, what was received and found, and what to do about it. "
    "Several messages are a table, with a line for each. Times are local, as in mail.log.",
    _add_options,
    _run,
    "Exit status: 0 found, 1 no such message in the journal, 2 error.",
)
