"""A child process, and a pair of sockets between it and its parent."""

import os
import socket
from typing import NamedTuple

from dmarc_milter.service.memory import share_with_children
from dmarc_milter.telemetry.log import logger

TRY_AGAIN_SECONDS = 5.0
"""After which a fork that failed is tried again: processes and memory that are short now may be there then."""


class Forked(NamedTuple):
    """As both sides see it: `pid` is 0 in the child, `ours` is the parent's end."""

    pid: int
    ours: socket.socket
    theirs: socket.socket


def fork(what: str) -> Forked | None:
    """A child; None where the system has no room for one, which is logged."""
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        logger.error("%s could not be started: %s", what, error.strerror)
        return None
    share_with_children()
    try:
        return Forked(os.fork(), ours, theirs)
    except OSError as error:
        logger.error("%s could not be started: %s", what, error.strerror)
        ours.close()
        theirs.close()
        return None
