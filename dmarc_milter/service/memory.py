"""Memory that processes share, and what the C library keeps."""

import ctypes
import gc

_M_ARENA_MAX = -8
"""Of mallopt(3), in glibc."""
_ARENAS = 1


def share_with_children() -> None:
    """Before a fork: a collection of garbage in a child writes to each object that it looks at, and so copies its page.

    What is there now is not looked at again.
    """
    gc.collect()
    gc.freeze()


def use_one_arena() -> None:
    """By default glibc keeps an arena for every few threads, each with memory that it does not give back.

    Python's lock is held by whoever allocates, nearly always: several arenas spare no waiting. Does nothing where the C
    library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
