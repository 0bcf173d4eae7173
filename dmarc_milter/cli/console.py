"""dmarc-milter console."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from dmarc_milter.cli.command import USAGE_ERROR, Command

DEMO_MESSAGES = 20_000


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (default: /etc/dmarc-milter/console.toml, if it is there)"
    )
    parser.add_argument(
        "--password", metavar="NAME", help="print a line for [console] password_file: the password is asked for"
    )


def _run(options: argparse.Namespace) -> int:
    if options.password is not None:
        return _password(options.password)
    try:
        from dmarc_milter.console.server import serve
        from dmarc_milter.console.settings import load
    except ModuleNotFoundError as error:
        return _without(error)
    return serve(load(options.config))


def _without(error: ModuleNotFoundError) -> int:
    name = str(error.name)
    if name.startswith("dmarc_milter") and name != "dmarc_milter.console":
        raise error
    advice = "install the package dmarc-milter-console, or the extra 'console'"
    print(f"dmarc-milter: {name} is missing: {advice}", file=sys.stderr)
    return USAGE_ERROR


def serve_demo() -> int:
    """The pages over a month of made-up mail, until somebody ends it."""
    try:
        from dmarc_milter.console.server import serve
        from dmarc_milter.console.settings import ConsoleSection, ConsoleSettings
    except ModuleNotFoundError as error:
        return _without(error)
    from dmarc_milter.demo.month import write
    from dmarc_milter.settings.database_url import DatabaseUrl
    from dmarc_milter.settings.journal import JournalSection

    with tempfile.TemporaryDirectory(prefix="dmarc-milter-demo-") as folder:
        url = DatabaseUrl(f"sqlite:///{folder}/journal.sqlite")
        print("A month of mail is made up ...", flush=True)
        write(url, DEMO_MESSAGES, time.time())
        return serve(ConsoleSettings(ConsoleSection(filter_settings=""), JournalSection(database=url)))


def _password(name: str) -> int:
    import getpass

    try:
        from dmarc_milter.console.passwords import line
    except ModuleNotFoundError as error:
        return _without(error)

    given = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        print(line(name, given))
    except ValueError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    return 0


COMMAND = Command(
    "console",
    "serve pages over the journal, for people",
    "Serve web pages that tell what the filter does and why: an overview, a search, the story of a message, a domain's "
    "sources. They only read the journal. By default they are for this host alone (127.0.0.1, port 8025).",
    _add_options,
    _run,
    "Exit status: 0 ended by SIGTERM; 2 settings that cannot be used.",
)
