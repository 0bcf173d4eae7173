"""The socket that libmilter accepts from is one that the supervisor opened."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import milter
import pytest

from dmarc_milter.milter import listener
from dmarc_milter.settings.addresses import InetAddress, ListenAddress, UnixAddress


class Libmilter:
    """It opens a listening socket of its own where it is told to."""

    def __init__(self) -> None:
        self.told = ""
        self.opened: socket.socket | None = None

    def setconn(self, where: str) -> None:
        self.told = where

    def opensocket(self, _remove: int) -> None:
        kind, _, rest = self.told.partition(":")
        if kind == "unix":
            self.opened = socket.socket(socket.AF_UNIX)
            self.opened.bind(rest)
        else:
            family = socket.AF_INET6 if kind == "inet6" else socket.AF_INET
            self.opened = socket.socket(family)
            self.opened.bind((rest.partition("@")[2], int(rest.partition("@")[0])))
        self.opened.listen()


@pytest.fixture
def libmilter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Libmilter]:
    made = Libmilter()
    monkeypatch.setattr(milter, "setconn", made.setconn)
    monkeypatch.setattr(milter, "opensocket", made.opensocket)
    yield made
    if made.opened is not None:
        made.opened.close()


def open_at(address: ListenAddress) -> socket.socket:
    if isinstance(address, UnixAddress):
        made = socket.socket(socket.AF_UNIX)
        made.bind(address.path)
        made.listen()
        return made
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family)


@pytest.mark.parametrize("kind", ["unix", "inet", "inet6"])
def test_a_socket_is_lent(tmp_path: Path, libmilter: Libmilter, kind: str) -> None:
    addresses: dict[str, ListenAddress] = {
        "unix": UnixAddress(f"{tmp_path}/s"),
        "inet": InetAddress("127.0.0.1", 0),
        "inet6": InetAddress("::1", 0),
    }
    with open_at(addresses[kind]) as listening, contextlib.ExitStack() as ending:
        parked, descriptor = listener.lend_socket(addresses[kind], listening)
        ending.callback(os.close, parked)
        assert libmilter.told.startswith(f"{kind}:")
        assert libmilter.opened is not None
        assert descriptor == libmilter.opened.fileno()
        # What libmilter opened is kept, and nobody waits on it; what it accepts from is ours.
        assert not os.get_blocking(parked)
        with socket.socket(fileno=os.dup(parked)) as own:
            assert own.getsockname() != listening.getsockname()
        assert libmilter.opened.getsockname() == listening.getsockname()
        assert listener.accepted(listening) == 0
        client = ending.enter_context(socket.socket(listening.family))
        client.connect(listening.getsockname())
        ending.enter_context(libmilter.opened.accept()[0])
        assert listener.accepted(listening) == 1
    assert not list(Path(tmp_path).glob("dmarc-milter-*"))
