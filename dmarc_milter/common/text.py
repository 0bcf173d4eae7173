"""Senders' text made harmless: the only place where that is done.

`plain` is for what goes out with the mail (header fields, SMTP replies) and into sentences, `printable` for what is
read here (log, journal, terminal), `xml` for documents. A question mark stands for what a text must not hold; one that
is too long ends in dots.
"""

import re

_NOT_PLAIN = re.compile(r"[^ -!#-\[\]-~]")
_CUT = "..."


def plain(text: str, limit: int) -> str:
    """`text` in printable ASCII without quotes and backslashes, in at most `limit` characters."""
    return _NOT_PLAIN.sub("?", _cut(text, limit))


def printable(text: str, limit: int) -> str:
    """`text` on one line, in at most `limit` characters: without control characters, which terminals obey and
    PostgreSQL refuses, without those that change the direction of writing, without halves of characters."""
    if len(text) <= limit and text.isprintable():
        return text
    cut = _cut(text, limit)
    return "".join(each if each.isprintable() else "?" for each in cut)


_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(text: str) -> str:
    """`text` as the content of an element, in ASCII: anything else is a character reference (XML 1.0 2.2, 4.1)."""
    # The standard library's escape() has all of urllib loaded: a tenth of what a command takes to start.
    escaped = _NO_XML.sub("?", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT
