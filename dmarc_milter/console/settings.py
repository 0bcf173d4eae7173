"""The console's settings: a file of its own, because the filter's may hold what a web server has no need to read."""

import ipaddress
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from dmarc_milter.settings.addresses import InetAddress, IpNetwork, UnixAddress, metrics_address
from dmarc_milter.settings.constraints import Example, Pattern, Range, Text
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.settings.reading import read

DEFAULT_PATH = Path("/etc/dmarc-milter/console.toml")
_WANTED = 'a string like "127.0.0.1:8025" or "unix:/run/dmarc-milter-console/http"'


def _listen(text: str) -> UnixAddress | InetAddress:
    if text.startswith("unix:/"):
        return UnixAddress(text.removeprefix("unix:"))
    try:
        found = metrics_address(text)
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"it has to be {_WANTED}")
    return found


def shown(address: UnixAddress | InetAddress) -> str:
    """As the file has it."""
    return str(address) if isinstance(address, UnixAddress) else address.host_and_port


DEFAULT_LISTEN = InetAddress("127.0.0.1", 8025)
ConsoleAddress = Annotated[UnixAddress | InetAddress, Text(_listen, _WANTED, shown)]
HostName = Annotated[str, Pattern(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:]+\]", "a host name or an address, no port")]


@dataclass(frozen=True, slots=True)
class ConsoleSection:
    """Where the pages are served, and to whom."""

    listen: ConsoleAddress = DEFAULT_LISTEN
    """An address and a port, or a unix socket. On an address that others can reach it does not start without
    password_file or trusted_proxies. It has no TLS: let a web server in front of it have that, or use ssh -L."""

    hosts: tuple[HostName, ...] = ()
    """Names under which browsers ask for it, beside localhost and the address itself. Any other name is refused: else a
    page of somebody else could have a browser read this one (DNS rebinding)."""

    password_file: Annotated[
        str | None,
        Pattern(r"/[^\0]+", "an absolute path"),
        Example("/etc/dmarc-milter/console-passwords"),
    ] = None
    """Who may see the pages: a line for each person, made by `dmarc-milter console --password NAME`. The browser asks
    for name and password (HTTP Basic)."""

    trusted_proxies: tuple[IpNetwork, ...] = ()
    """Web servers in front of it that ask for passwords themselves: only they may connect then, and each request has to
    have user_header."""

    user_header: Annotated[str, Pattern(r"[A-Za-z0-9-]{1,64}", "the name of a header field")] = "X-Forwarded-User"
    """The field in which a trusted proxy says who asks. The proxy has to remove it from what browsers send."""

    streams: Annotated[int, Range(0, 200)] = 20
    """Pages that may follow the mail as it comes, at a time."""

    filter_settings: Annotated[str, Pattern(r"(/[^\0]+)?", 'an absolute path, or ""')] = (
        "/etc/dmarc-milter/dmarc-milter.toml"
    )
    """The filter's own settings, for Health and for the names of your rules; "" where the filter is on another host."""


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """The whole file."""

    console: ConsoleSection = field(default_factory=ConsoleSection)
    journal: JournalSection = field(default_factory=JournalSection)


def load(path: Path | None) -> ConsoleSettings:
    """The file at `path`, else the default file if it is there, else the defaults. Raises ConfigError."""
    source = path or DEFAULT_PATH
    try:
        text = source.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if path is None:
            return ConsoleSettings()
        raise ConfigError(f"{source}: No such file or directory") from None
    except OSError as error:
        raise ConfigError(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: not UTF-8") from None
    try:
        found = read(ConsoleSettings, tomllib.loads(text), "")
        check(found)
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{source}: {error}") from None
    return found


def check(settings: ConsoleSettings) -> None:
    """Raises ConfigError where anybody could read the pages."""
    console, journal = settings.console, settings.journal
    if console.password_file is not None and console.trusted_proxies:
        raise ConfigError("console.password_file and console.trusted_proxies exclude each other")
    if journal.password_file is not None and not journal.database.is_postgresql:
        raise ConfigError("journal.password_file is for PostgreSQL; the journal in a file needs no password")
    is_open = isinstance(console.listen, InetAddress) and not ipaddress.ip_address(console.listen.host).is_loopback
    if is_open and console.password_file is None and not console.trusted_proxies:
        raise ConfigError(
            f'console.listen is "{shown(console.listen)}", which others can reach: set console.password_file or '
            "console.trusted_proxies, or listen on 127.0.0.1"
        )
