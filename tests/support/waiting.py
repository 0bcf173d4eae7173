"""Waiting for what other processes do, and ports for them."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PORTS = range(10_000, 32_000)
"""Below those that the kernel gives to connections and to whoever asks for any: nobody takes one before its server does."""
_CHANCE = random.SystemRandom()


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until `condition` holds."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    while True:
        port = _CHANCE.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def is_listening(path: str | Path) -> bool:
    """Whether somebody listens on a unix socket: its file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
