"""What an installed filter takes where its file says nothing: depends on what is there on this host."""

from pathlib import Path

from dmarc_milter.settings.addresses import ListenAddress, UnixAddress

SOCKET_FOLDERS = (Path("/var/spool/postfix/dmarc-milter"), Path("/run/dmarc-milter"))
"""Where the package makes room for the socket: inside of Postfix's chroot, else where systemd does."""
SOCKET_NAME = "dmarc-milter.sock"


def default_listen() -> ListenAddress | None:
    """The socket in the first of SOCKET_FOLDERS that is there; None where none is."""
    for folder in SOCKET_FOLDERS:
        if folder.is_dir():
            return UnixAddress(str(folder / SOCKET_NAME))
    return None
