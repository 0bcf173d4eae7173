"""Serving the pages until the service is told to end."""

import contextlib
import os
import signal
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

import uvicorn

from dmarc_milter.common.version import VERSION
from dmarc_milter.console import passwords
from dmarc_milter.console.app import application
from dmarc_milter.console.connection import Connection
from dmarc_milter.console.passwords import Hash
from dmarc_milter.console.settings import ConsoleSettings, shown
from dmarc_milter.console.site import Site
from dmarc_milter.service.systemd import Notifier
from dmarc_milter.settings.addresses import InetAddress, UnixAddress
from dmarc_milter.settings.error import ConfigError

_BACKLOG = 64


def serve(settings: ConsoleSettings) -> int:
    """Until SIGTERM; the exit status. What it prints says that it listens. Raises ConfigError."""
    names = _passwords(settings)
    listener = _listener(settings.console.listen)
    server: uvicorn.Server | None = None
    site = Site(settings, lambda: server is not None and server.should_exit)
    config = uvicorn.Config(
        application(site, names),
        http=Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        # Warnings are of requests that cannot be read, some with a page of traceback: anybody could fill the log.
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=10,
        backlog=_BACKLOG,
    )
    server = uvicorn.Server(config)
    for each in (signal.SIGTERM, signal.SIGINT):
        # Newer versions of uvicorn send it to the process again once the server has ended: that must not kill us.
        signal.signal(each, lambda _number, _frame: None)
    print(f"dmarc-milter console {VERSION}: {address(settings)}", flush=True)
    Notifier().ready(f"serving on {settings.console.listen}")
    try:
        server.run(sockets=[listener])
    finally:
        if isinstance(settings.console.listen, UnixAddress):
            with contextlib.suppress(OSError):
                os.unlink(settings.console.listen.path)
    return 0


def address(settings: ConsoleSettings) -> str:
    """Where a browser finds it."""
    listen = settings.console.listen
    return f"http://{listen.host_and_port}/" if isinstance(listen, InetAddress) else str(listen)


def _passwords(settings: ConsoleSettings) -> Mapping[str, Hash] | None:
    path = settings.console.password_file
    return None if path is None else passwords.load(Path(path))


def _listener(where: UnixAddress | InetAddress) -> socket.socket:
    try:
        return _unix(where.path) if isinstance(where, UnixAddress) else _inet(where)
    except OSError as error:
        raise ConfigError(f"console.listen: {shown(where)}: {error.strerror or error}") from None


def _inet(where: InetAddress) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if where.is_ipv6 else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _listening(made, (where.host, where.port))


def _unix(path: str) -> socket.socket:
    """For its owner and group; what a console that was killed left is taken away."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    before = os.umask(0o117)
    try:
        return _listening(socket.socket(socket.AF_UNIX), path)
    finally:
        os.umask(before)


def _listening(made: socket.socket, address: "tuple[str, int] | str") -> socket.socket:
    try:
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made
