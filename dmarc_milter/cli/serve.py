"""dmarc-milter serve."""

import argparse
import sys
from typing import TYPE_CHECKING

from dmarc_milter.cli.command import USAGE_ERROR, Command
from dmarc_milter.cli.options import add_config
from dmarc_milter.settings.error import ConfigError

if TYPE_CHECKING:
    from dmarc_milter.settings.config import Loaded


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--check-config", action="store_true", help="check the settings, say so, and end")


def _run(options: argparse.Namespace) -> int:
    loaded = _load(options)
    if options.check_config:
        return _tell(loaded)
    from dmarc_milter.attaching import own_mail
    from dmarc_milter.service.sockets import ListenError
    from dmarc_milter.service.supervisor import Supervisor
    from dmarc_milter.settings.config import Settings
    from dmarc_milter.telemetry import log

    def warn(of: "Loaded") -> None:
        for warning in (*of.warnings, *own_mail.warnings(of.settings)):
            log.logger.warning("%s", warning)

    def reload() -> Settings:
        again = _load(options)
        warn(again)
        return again.settings

    log.set_up(loaded.settings.log.format)
    warn(loaded)
    try:
        supervisor = Supervisor(loaded.settings, reload, loaded.path)
    except ListenError as error:
        print(f"dmarc-milter: {error}", file=sys.stderr)
        return USAGE_ERROR
    return supervisor.run()


def _load(options: argparse.Namespace) -> "Loaded":
    """Raises ConfigError for all that could not be served with, too."""
    from dmarc_milter.judging import site
    from dmarc_milter.settings import config

    loaded = config.load_file(options.config)
    try:
        site.check(loaded.settings)
    except ConfigError as error:
        raise ConfigError(f"{loaded.source}: {error}") from None
    return loaded


def _tell(loaded: "Loaded") -> int:
    for warning in loaded.warnings:
        print(f"{loaded.source}: warning: {warning}")
    print(f"{loaded.source}: no errors")
    return 0


COMMAND = Command(
    "serve",
    "run the filter in the foreground",
    "Run the filter in the foreground until SIGTERM or Ctrl-C. SIGHUP reads the settings again.",
    _add_options,
    _run,
    "Exit status: 0 ended by a signal, 1 failed while serving, 2 bad settings or address.",
)
