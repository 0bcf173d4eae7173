"""Text of senders made harmless for headers and replies."""

import re

_UNSAFE = re.compile(r"[^ -!#-\[\]-~]")


def plain(text: str, most: int) -> str:
    """`text` in printable ASCII without quotes and backslashes, at most `most` characters."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return _UNSAFE.sub("?", cut)
