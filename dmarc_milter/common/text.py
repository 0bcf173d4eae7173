"""Text of senders made harmless for headers and replies."""

import re

_UNSAFE = re.compile(r"[^ -!#-\[\]-~]")


def plain(text: str, limit: int) -> str:
    """`text` in printable ASCII without quotes and backslashes, at limit `limit` characters."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return _UNSAFE.sub("?", cut)
