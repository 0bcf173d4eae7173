"""Tag lists (RFC 6376 3.2): the syntax of signatures and of key records. Read by dkimpy, within our bounds."""

import re

from dkim.util import InvalidTagValueList, parse_tag_value

MAX_OCTETS = 64 << 10
"""A longer tag list is not read."""

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_WHITE_SPACE = re.compile(rb"[ \t\r\n]+")


class TagError(ValueError):
    """Text that is no tag list; the text says why, for people."""


def parse(text: bytes) -> dict[str, bytes]:
    """The tags by name, values without white space around them. Raises TagError."""
    if len(text) > MAX_OCTETS:
        raise TagError(f"longer than {MAX_OCTETS} octets")
    try:
        tags: dict[bytes, bytes] = parse_tag_value(text)
    except InvalidTagValueList as error:
        raise TagError(f"not a tag list ({type(error).__name__})") from None
    for name in tags:
        if _NAME.fullmatch(name) is None:
            raise TagError("a tag name that is not allowed")
    return {name.decode("ascii"): value for name, value in tags.items()}


def without_white_space(value: bytes) -> bytes:
    """A value whose white space has no meaning: base64, and lists."""
    return _WHITE_SPACE.sub(b"", value)


def listed(value: bytes) -> list[str]:
    """A colon-separated list in lower case (h=, q= and the lists of key records)."""
    return without_white_space(value).decode("ascii", "replace").lower().split(":")
