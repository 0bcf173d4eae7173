"""Listening sockets that systemd keeps over a restart."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.service import socket_store
from dmarc_milter.service.socket_store import SocketStore
from dmarc_milter.service.sockets import open_socket
from dmarc_milter.service.systemd import Notifier
from dmarc_milter.settings.addresses import InetAddress, UnixAddress
from dmarc_milter.settings.milter import MilterSection


class Systemd:
    """What listens to notifications, and hands over what it was given to keep."""

    def __init__(self, folder: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listening.bind(f"{folder}/notify")
        self._listening.settimeout(10)
        self.notifier = Notifier({"NOTIFY_SOCKET": f"{folder}/notify"})

    def told(self) -> tuple[list[str], list[int]]:
        data, descriptors, _, _ = socket.recv_fds(self._listening, 4096, 4)
        return data.decode().split("\n"), list(descriptors)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def started_with(systemd: Systemd, monkeypatch: pytest.MonkeyPatch, descriptor: int, pid: int = 0) -> SocketStore:
    """A store after a start at which systemd handed this descriptor over."""
    monkeypatch.setattr(socket_store, "_FIRST", descriptor)
    environment = {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "HOME": "/"}
    store = SocketStore(systemd.notifier, environment)
    assert environment == {"HOME": "/"}
    return store


def kept(systemd: Systemd, address: UnixAddress | InetAddress) -> tuple[str, int]:
    """Open a socket, have it kept, and close it here."""
    store = SocketStore(systemd.notifier, {})
    listening = open_socket(address, MilterSection())
    store.keep(listening)
    listening.close()
    assert systemd.told()[0][0] == "FDSTOREREMOVE=1"
    (what, name), (descriptor,) = systemd.told()
    assert what == "FDSTORE=1"
    return name, descriptor


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_a_connection_made_meanwhile_is_served_by_the_next(
    kind: str, systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = UnixAddress(f"{tmp_path}/s") if kind == "unix" else InetAddress("127.0.0.1", free_port())
    _, descriptor = kept(systemd, address)
    client = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    client.connect(address.path if isinstance(address, UnixAddress) else (address.host, address.port))
    store = started_with(systemd, monkeypatch, descriptor)
    again = open_socket(address, MilterSection(socket_mode="0606"), store.take(address))
    accepted, _ = again.accept()
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"
    if kind == "unix":
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o606
    assert store.take(address) is None
    for each in (client, accepted, again):
        each.close()


def test_one_whose_file_is_gone_is_of_no_use(systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = UnixAddress(f"{tmp_path}/s")
    name, descriptor = kept(systemd, address)
    (tmp_path / "s").unlink()
    store = started_with(systemd, monkeypatch, descriptor)
    assert store.take(address) is None
    store.drop_rest()
    assert systemd.told()[0] == ["FDSTOREREMOVE=1", name]


def test_an_address_that_is_not_in_the_settings_any_more(
    systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, descriptor = kept(systemd, UnixAddress(f"{tmp_path}/old"))
    store = started_with(systemd, monkeypatch, descriptor)
    assert store.take(UnixAddress(f"{tmp_path}/new")) is None
    store.drop_rest()
    assert systemd.told()[0] == ["FDSTOREREMOVE=1", name]
    assert not (tmp_path / "old").exists()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_was_meant_for_another_process_is_left(
    systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = UnixAddress(f"{tmp_path}/s")
    _, descriptor = kept(systemd, address)
    store = started_with(systemd, monkeypatch, descriptor, pid=1)
    assert store.take(address) is None
    os.close(descriptor)


def test_without_systemd_nothing_is_kept() -> None:
    store = SocketStore(Notifier({}), {})
    assert not store.is_kept
    store.drop_rest()
