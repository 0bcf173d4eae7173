"""The command dmarc-milter."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dmarc_milter.cli import attach_options, check_options, journal_options
from dmarc_milter.common.version import VERSION
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.telemetry import log

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    return status


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="dmarc-milter",
        description="A mail filter that checks SPF, DKIM, ARC and DMARC (RFC 9989) for Postfix and Sendmail.",
    )
    parser.add_argument("--version", action="version", version=f"dmarc-milter {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the filter in the foreground",
        description="Run the filter in the foreground until SIGTERM or Ctrl-C. SIGHUP reads the settings again.",
        epilog="Exit status: 0 ended by a signal, 1 failed while serving, 2 bad settings or address.",
    )
    serve.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: built-in defaults)")
    serve.add_argument("--check-config", action="store_true", help="check the settings, say so, and end")
    serve.set_defaults(run=_serve)
    demo = commands.add_parser(
        "demo",
        help="watch the filter judge a few messages",
        description="Start the real filter on a private socket, with a DNS of its own, and play messages to it.",
    )
    demo.add_argument("--color", choices=["auto", "always", "never"], default="auto", help="default: auto")
    demo.set_defaults(run=_demo)
    check_options.add_to(commands)
    attach_options.add_to(commands)
    journal_options.add_to(commands)
    return parser


def _settings(path: Path | None) -> Settings:
    from dmarc_milter.judging.site import check

    settings = config.load(path) if path is not None else Settings()
    check(settings)
    return settings


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options.config)
    if options.check_config:
        print(f"{options.config or 'built-in settings'}: no errors")
        return 0
    from dmarc_milter.service.sockets import ListenError
    from dmarc_milter.service.supervisor import Supervisor

    log.set_up(settings.log.format)
    try:
        supervisor = Supervisor(settings, lambda: _settings(options.config))
    except ListenError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    return supervisor.run()


def _demo(options: argparse.Namespace) -> int:
    from dmarc_milter.common.terminal import is_terminal
    from dmarc_milter.demo.play import run

    is_coloured = options.color == "always" or (options.color == "auto" and is_terminal(sys.stdout))
    return run(sys.stdout, is_coloured=is_coloured)


if __name__ == "__main__":
    sys.exit(main())
