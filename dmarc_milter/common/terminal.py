"""What the person's terminal can show."""

import os
from typing import TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether colours and bars make sense on `stream`."""
    return stream.isatty() and os.environ.get("NO_COLOR") is None
