"""[journal]"""

from dataclasses import dataclass
from typing import Annotated

from dmarc_milter.settings.constraints import Example, Pattern, Range, Text
from dmarc_milter.settings.database_url import WANTED, DatabaseUrl, database_url

DEFAULT_DATABASE = DatabaseUrl("sqlite:////var/lib/dmarc-milter/journal.sqlite")


@dataclass(frozen=True, slots=True)
class JournalSection:
    """What became of each message, for `dmarc-milter trace` and `what-if`."""

    enabled: bool = True
    """Whether the journal is kept. Set false if the log is enough for you."""

    database: Annotated[
        DatabaseUrl,
        Text(database_url, f"a string like {WANTED}", is_secret=True),
        Example("postgresql:///dmarc_milter"),
    ] = DEFAULT_DATABASE
    """A file ("sqlite:///" and the path), or a PostgreSQL database for several hosts (needs python3-psycopg2):
    "postgresql://user@host/name". "postgresql:///name" is a database on this host, over its unix socket:
    PostgreSQL's peer authentication needs no password there. It needs only a role with the name of the service's
    user, dmarc-milter. A password can stand in the URL, percent-encoded ("postgresql://user:password@host/name"),
    but password_file is better."""

    password_file: Annotated[
        str | None,
        Pattern(r"/[^\0]+|[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}", "an absolute path, or the name of a credential"),
        Example("/etc/dmarc-milter/journal-password"),
    ] = None
    """Where the password for the PostgreSQL database is, on one line: a file that the service's user can read (owner
    root, group dmarc-milter, mode 0640), or the name of a credential of systemd, which the unit names with
    LoadCredential=NAME:/path. Only the service can read a credential; commands that you run need a file. It is read
    at each connection, so a new password needs no reload."""

    keep_days: Annotated[int, Range(0, 36_500)] = 30
    """Days for which records are kept; 0 means for ever. A record takes about 1 kB. The file does not shrink when
    records are deleted: the free space is used again."""

    queue: Annotated[int, Range(100, 1_000_000)] = 20_000
    """Records that may wait while the database cannot be reached. More are dropped, and counted."""

    addresses: bool = False
    """Whether the whole MAIL FROM address is kept, and not only its domain. Ask whoever answers for privacy."""
