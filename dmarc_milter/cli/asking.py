"""What commands that judge messages have in common: the settings, whom to ask, and several messages at a time."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from dmarc_milter.api import Dns
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.explaining import zone_file
from dmarc_milter.judging.name_servers import name_servers
from dmarc_milter.settings import config
from dmarc_milter.settings.addresses import name_server
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import NotPermittedError

THREADS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class OptionError(Exception):
    """One line for the person at the terminal."""


def settings_of(options: argparse.Namespace) -> Settings:
    """Users who may not read the filter's settings can ask all the same, and are told so. Raises ConfigError."""
    try:
        return config.load_default(options.config)
    except NotPermittedError as error:
        if options.config is not None:
            raise
        print(f"dmarc-milter: warning: {error}. The built-in settings are used now.", file=sys.stderr)
        return Settings()


def dns_of(options: argparse.Namespace, settings: Settings) -> Dns:
    """What --zone and --nameserver say, else the settings. Raises OptionError and ZoneError."""
    if options.zone is not None and options.nameserver:
        raise OptionError("--zone and --nameserver exclude each other")
    if options.zone is not None:
        try:
            text = options.zone.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{options.zone}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
        return Dns(zone_file.read(text))
    servers = tuple(map(_name_server, options.nameserver)) or name_servers(settings.dns)
    return Dns.servers(servers, settings.dns.timeout, settings.dns.tries)


def _name_server(text: str) -> NameServer:
    try:
        address = name_server(text)
    except ValueError as error:
        raise OptionError(f'--nameserver is "{text}"; {error}') from None
    return NameServer(address.host, address.port)


def in_order(items: Iterable[_Item], work: Callable[[_Item], _Result]) -> Iterator[_Result]:
    """What `work` makes of each, several at a time, in their order; no more than a few are in memory."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: list[Future[_Result]] = []
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * THREADS:
                wait(waiting[:1], return_when=FIRST_COMPLETED)
                yield waiting.pop(0).result()
        for each in waiting:
            yield each.result()
