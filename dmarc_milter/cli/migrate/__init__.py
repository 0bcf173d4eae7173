"""dmarc-milter migrate."""

import argparse
from pathlib import Path

from dmarc_milter.cli.command import Command


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="where the host's files are (default: /)"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write the settings; - is standard output, and the report goes to standard error then "
        "(default: etc/dmarc-milter/dmarc-milter.toml below the root)",
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.migrate.run import migrate

    return migrate(options)


COMMAND = Command(
    "migrate",
    "carry the settings of another chain over",
    "Read what OpenDKIM, OpenDMARC, policyd-spf, pyspf-milter, dkimpy-milter, rspamd or authentication_milter are "
    "set to, and what Postfix or Sendmail asks; write our settings, in mode monitor; print what could not be carried "
    "over, and three "
    "steps to change over. No step is run, no key is read, and no file is overwritten.",
    _add_options,
    _run,
    "Exit status: 0 written, even if something is left to do; 2 unreadable or refused, and nothing was written.",
)
