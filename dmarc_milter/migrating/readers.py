"""Who reads what the old chain wrote into the header: rules of SpamAssassin, Sieve scripts, checks of Postfix."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dmarc_milter.common.text import printable
from dmarc_milter.migrating.tree import Tree, TreeError, numbered
from dmarc_milter.migrating.values import Place

_FOLDERS = (
    "/etc/spamassassin",
    "/etc/mail/spamassassin",
    "/etc/dovecot",
    "/var/lib/dovecot",
    "/etc/postfix",
    "/etc/amavis",
    "/etc/procmailrc",
)
_FIELDS = re.compile(r"Authentication-Results|Received-SPF|\bdmarc=|\bspf=(?:pass|fail|softfail)", re.IGNORECASE)
_OURS = re.compile(r"dmarc=|\\?\(p=|policy\.dmarc|dis=", re.IGNORECASE)
_MAX_SHOWN = 100
_MAX_FOUND = 200


@dataclass(frozen=True, slots=True)
class TextReader:
    """One line that looks for the old text."""

    place: Place
    text: str
    meaning: str


def readers(tree: Tree) -> Iterator[TextReader]:
    """Every line that looks for such a field, in the places where such lines usually are."""
    count = 0
    for folder in _FOLDERS:
        for path in tree.under(folder):
            for found in _in_file(tree, path):
                if count == _MAX_FOUND:
                    return
                count += 1
                yield found


def _in_file(tree: Tree, path: str) -> Iterator[TextReader]:
    if path.endswith((".svbin", ".db", ".lmdb", ".dmarc-milter")):
        return
    try:
        text = tree.text(path) or ""
    except TreeError:
        return
    for number, line in numbered(text):
        if _FIELDS.search(line) and not line.lstrip().startswith(("#", "//")):
            place = Place(path.removeprefix("/etc/").lstrip("/"), number)
            yield TextReader(place, _shown(line), _meaning(line))


def _shown(line: str) -> str:
    return printable(" ".join(line.replace("\\(", "(").replace("\\.", ".").split()), _MAX_SHOWN)


def _meaning(line: str) -> str:
    lower = line.lower()
    if "received-spf" in lower:
        return "It reads Received-SPF: [milter] received_spf = true writes that field."
    if "policy.disposition" in lower:
        return "It reads policy.disposition: [milter] disposition_property = true writes it."
    if _OURS.search(line):
        return (
            "DMARC's result stands first in our field, with the comment that OpenDMARC writes, so this goes on to "
            "match, if the name in front of it is ours."
        )
    if "spf=" in lower or "dkim=" in lower:
        return "SPF and DKIM stand behind DMARC in one field: it must not ask for them right behind the name."
    return "Our field has another order of results: DMARC, SPF, DKIM. See whether it still matches."
