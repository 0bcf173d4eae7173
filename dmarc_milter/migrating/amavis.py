"""Amavis' settings, as far as they concern the field that readers look at. It stays, and goes on to look for spam."""

import re
from collections.abc import Iterator

from dmarc_milter.migrating.lists import short
from dmarc_milter.migrating.tree import Tree, TreeError, numbered
from dmarc_milter.migrating.values import Left, Place, Program, Reading

NAME = "Amavis"
_FOLDER = "/etc/amavis/conf.d"
_FILES = ("/etc/amavisd/amavisd.conf", "/etc/amavisd.conf")
_VERIFIES = re.compile(r"\s*\$enable_dkim_verification\s*=\s*(?P<value>[^;]*?)\s*;\s*(?:#.*)?")
_NAMED = re.compile(r"\s*\$myauthservid\s*=\s*['\"]")
_OFF = "$enable_dkim_verification = 0;"


def read(tree: Tree) -> Reading | None:
    """What has to change there; None where Amavis leaves our field alone, for it verifies nothing."""
    last: tuple[str, int, bool] | None = None
    is_named = False
    for path, number, line in _lines(tree):
        match = _VERIFIES.fullmatch(line)
        if match is not None:
            last = path, number, match["value"] not in ("0", "undef", "''", '""')
        is_named = is_named or _NAMED.match(line) is not None
    if last is None or not last[2] or is_named:
        return None
    path, number, _ = last
    meaning = (
        "Amavis verifies DKIM, and removes every field that stands under the host's name, ours too. The second step "
        "switches that off; what it knew of DKIM for its own lists and scores, it no longer knows."
    )
    program = Program(
        NAME,
        path,
        "amavis" if path.startswith(_FOLDER) else "amavisd",
        stays=True,
        becomes=_OFF,
        becomes_line=number,
        becomes_why="It no longer verifies, so it leaves our field alone",
    )
    left = Left(Place(short(path), number), "$enable_dkim_verification", "1", meaning)
    return Reading(program, left=(left,))


def _lines(tree: Tree) -> Iterator[tuple[str, int, str]]:
    """Every line, in the order in which Amavis reads them; files that cannot be read are Amavis' own trouble."""
    for path in (*sorted(tree.under(_FOLDER)), *_FILES):
        try:
            text = tree.text(path) or ""
        except TreeError:
            continue
        for number, line in numbered(text):
            yield path, number, line
