"""Whether the service's process is still there, and not another one that has its number now."""

import os
from pathlib import Path


def is_service(pid: int) -> bool:
    """Whether process `pid` is a ``dmarc-milter serve``; of one that may not be looked at, whether it exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return True
    return b"serve" in command and any(b"dmarc" in each for each in command[: command.index(b"serve")])
