"""Tag lists (RFC 6376 3.2): the syntax of signatures and of key records. Read by dkimpy, within our bounds."""

import re
from base64 import b64decode

from dkim.util import InvalidTagValueList, parse_tag_value

from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dkim.reasons import DkimReason

MAX_OCTETS = 64 << 10
"""A longer tag list is not read."""

MAX_TAGS = 100
"""Nor one of more tags; known ones are 14."""

_NAMES = re.compile(rb"[A-Za-z][A-Za-z0-9_]*(?:;[A-Za-z][A-Za-z0-9_]*)*")
"""Names of tags, joined by what none of them can have in it."""
_WHITE_SPACE = b" \t\r\n"
_BASE64 = re.compile(rb"([A-Za-z0-9+/]+)={0,2}")


def parse(text: bytes) -> dict[str, bytes] | Unreadable:
    """Read a tag list (RFC 6376 3.2): the values by the names of their tags, without white space around them.

    Unreadable where the syntax is broken, a tag is there twice, or the text or the number of tags is beyond our
    bounds.
    """
    if len(text) > MAX_OCTETS:
        return Unreadable(DkimReason.TAG_LIST_TOO_LONG(limit=MAX_OCTETS))
    if text.count(b";") > MAX_TAGS:
        return Unreadable(DkimReason.TOO_MANY_TAGS(limit=MAX_TAGS))
    try:
        tags: dict[bytes, bytes] = parse_tag_value(text)
    except InvalidTagValueList as error:
        return Unreadable(DkimReason.NO_TAG_LIST(error=type(error).__name__))
    if tags and _NAMES.fullmatch(b";".join(tags)) is None:
        return Unreadable(DkimReason.INVALID_TAG_NAME())
    return {name.decode("ascii"): value for name, value in tags.items()}


def without_white_space(value: bytes) -> bytes:
    """A value whose white space has no meaning: base64, and lists."""
    return value.translate(None, _WHITE_SPACE)


def listed(value: bytes) -> list[str]:
    """A colon-separated list in lower case (h=, q= and the lists of key records)."""
    return without_white_space(value).decode("ascii", "replace").lower().split(":")


def base64(value: bytes) -> bytes | None:
    """The octets that base64 stands for, or None where it is none.

    White space may stand anywhere in it, and one or both of the ``=`` at its end may be missing (RFC 6376 2.10).
    """
    match = _BASE64.fullmatch(without_white_space(value))
    if match is None or len(match.group(1)) % 4 == 1:
        return None
    digits = match.group(1)
    return b64decode(digits + b"=" * (-len(digits) % 4))
