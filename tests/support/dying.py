"""A process that is killed at a statement: whatever was done there is done again afterwards, and once."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine


def kill_at(number: int, *engines: Engine) -> None:
    """This process dies before the `number`-th statement or commit (from 0 up) of all these engines."""
    count = 0

    def before(*_: Any) -> None:
        nonlocal count
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    for engine in dict.fromkeys(engines):
        sa.event.listen(engine, "before_cursor_execute", before)
        sa.event.listen(engine, "commit", before)


def is_killed(work: Callable[..., None], *arguments: Any) -> bool:
    """Whether `work`, in a process of its own, was killed; else it ended well."""
    context = multiprocessing.get_context("forkserver")
    # Imported once, for all that are forked.
    context.set_forkserver_preload([work.__module__])
    process = context.Process(target=work, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0
