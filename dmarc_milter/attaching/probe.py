"""Whether a filter answers, asked as an MTA would ask; and whether Postfix's daemons can reach its socket."""

import contextlib
import grp
import os
import pwd
import socket
import stat
import struct
from pathlib import Path

from dmarc_milter.settings.addresses import ListenAddress, UnixAddress
from dmarc_milter.testing.mta import Mta

PATIENCE_SECONDS = 10.0


def why_silent(address: ListenAddress) -> str | None:
    """Open the milter protocol at `address` and end it; what is wrong there, or None where the filter answers."""
    try:
        with _connect(address) as connected:
            mta = Mta(connected)
            with contextlib.suppress(OSError):
                mta.quit()
    except TimeoutError:
        return f"it has not answered within {PATIENCE_SECONDS:.0f} s"
    except (OSError, AssertionError, ValueError, struct.error) as error:
        return getattr(error, "strerror", None) or "what answers there does not speak the milter protocol"
    return None


def _connect(address: ListenAddress) -> socket.socket:
    if isinstance(address, UnixAddress):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(PATIENCE_SECONDS)
        try:
            made.connect(address.path)
        except OSError:
            made.close()
            raise
        return made
    return socket.create_connection((_reachable(address.host), address.port), PATIENCE_SECONDS)


def _reachable(host: str) -> str:
    """Where to connect to what listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def why_unreachable(path: Path, user: str) -> str | None:
    """What keeps `user` from connecting to the socket at `path`, by the modes of files; None where nothing does."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return None
    groups = set(os.getgrouplist(user, account.pw_gid))
    for folder in reversed(path.parents):
        if not _may(folder.stat(), account.pw_uid, groups, stat.S_IXOTH):
            return f"its user {user} may not enter {folder}"
    status = path.stat()
    if not _may(status, account.pw_uid, groups, stat.S_IWOTH):
        owner = grp.getgrgid(status.st_gid).gr_name
        return f"its user {user} may not write to {path} (group {owner}, mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _may(status: os.stat_result, user: int, groups: set[int], bit: int) -> bool:
    """`bit` is that of others; the same right of the owner and the group lies six and three bits higher."""
    if user in (0, status.st_uid):
        return user == 0 or bool(status.st_mode & (bit << 6))
    if status.st_gid in groups:
        return bool(status.st_mode & (bit << 3))
    return bool(status.st_mode & bit)
