"""[journal]"""

from dataclasses import dataclass
from typing import Annotated

from dmarc_milter.settings.constraints import Pattern, Range


@dataclass(frozen=True, slots=True)
class JournalSection:
    """What became of each message, for `dmarc-milter trace` and `what-if`."""

    enabled: bool = True
    """Whether it is kept. Set false where the log is enough."""

    database: Annotated[
        str,
        Pattern(
            r"(?s:sqlite:///.|postgresql(?:\+[a-z0-9]+)?://.).*",
            'like "sqlite:////path/of/a/file" or "postgresql://user:password@host/name"',
            is_secret=True,
        ),
    ] = "sqlite:////var/lib/dmarc-milter/journal.sqlite"
    """A file ("sqlite:///" and the path), or a PostgreSQL database for several hosts:
    "postgresql://user:password@host/name" (needs python3-psycopg2)."""

    keep_days: Annotated[int, Range(0, 36_500)] = 30
    """Days for which records are kept; 0 means for ever. A record takes about 1 kB."""

    queue: Annotated[int, Range(100, 1_000_000)] = 20_000
    """Records that may wait while the database cannot be reached. More are dropped, and counted."""

    addresses: bool = False
    """Whether the whole MAIL FROM address is kept, and not only its domain. Ask whoever answers for privacy."""
