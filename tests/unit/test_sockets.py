"""Listening sockets: mode, group, what is in the way."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from dmarc_milter.service.sockets import ListenError, open_socket
from dmarc_milter.settings.addresses import InetAddress, UnixAddress
from dmarc_milter.settings.milter import MilterSection


def test_mode_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        with open_socket(UnixAddress(f"{tmp_path}/s"), MilterSection(socket_mode="0662")):
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o662
    finally:
        os.umask(old)


def test_group(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgroups()[-1] if os.geteuid() else 65534)
    with open_socket(UnixAddress(f"{tmp_path}/s"), MilterSection(socket_group=group.gr_name)):
        assert (tmp_path / "s").stat().st_gid == group.gr_gid


@pytest.mark.parametrize(
    ("path", "settings", "why"),
    [
        ("s", MilterSection(socket_group="no-such-group"), "there is no group no-such-group"),
        ("nowhere/s", MilterSection(), "No such file or directory"),
        ("file", MilterSection(), "a file that is no socket is in the way"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, path: str, settings: MilterSection, why: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ListenError, match=why):
        open_socket(UnixAddress(f"{tmp_path}/{path}"), settings)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/s")
    open_socket(UnixAddress(f"{tmp_path}/s"), MilterSection()).close()


def test_no_delay_is_inherited() -> None:
    listening = open_socket(InetAddress("127.0.0.1", 0), MilterSection())
    with listening, socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
