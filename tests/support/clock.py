"""The local time of a test."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def local_time(zone: str) -> Iterator[None]:
    """This process lives in `zone` (as TZ has it), and then again where it lived before.

    The C library reads TZ only when it is told to: whoever gives TZ back, but does not say so, leaves the zone to all
    tests after it.
    """
    try:
        with patch.dict(os.environ, TZ=zone):
            time.tzset()
            yield
    finally:
        time.tzset()
