"""The URL of the journal's database, whose password nothing shows."""

import re
from urllib.parse import quote, urlsplit

MAX_PASSWORD = 1_000
"""Characters."""
WANTED = '"sqlite:////path/of/a/file", "postgresql://user@host/name" or "postgresql:///name"'
_MALFORMED = re.compile(r"%(?!(?!00)[0-9A-Fa-f]{2})")
"""A percent sign that encodes nothing."""
_PERCENT = "a password that is not letters and digits alone has to be percent-encoded; better is password_file"


class DatabaseUrl(str):
    """A URL that may hold a password; its representation, in a traceback or a digest, does not."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self.shown)

    @property
    def shown(self) -> str:
        """For people: without the password, and without what stands behind a question mark, where one may be, too."""
        scheme, _, rest = self.partition("://")
        netloc, slash, path = rest.partition("?")[0].partition("/")
        user_and_password, at, host = netloc.rpartition("@")
        user, colon, _ = user_and_password.partition(":")
        return f"{scheme}://{user}{':***' if colon else ''}{at}{host}{slash}{path}"

    @property
    def has_password(self) -> bool:
        """Whether it holds a password."""
        return ":" in urlsplit(self).netloc.rpartition("@")[0]

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is PostgreSQL, and not SQLite."""
        return self.startswith("postgresql")

    def with_password(self, password: str) -> "DatabaseUrl":
        """The same URL, with it."""
        scheme, _, rest = self.partition("://")
        netloc, slash, path = rest.partition("/")
        user, _, host = netloc.rpartition("@")
        return DatabaseUrl(f"{scheme}://{user}:{quote(password, safe='')}@{host}{slash}{path}")


def database_url(text: str) -> DatabaseUrl:
    """Raises ValueError, whose text shows nothing of the URL.

    libpq tells in its own errors what it could not read: so what it might misread, a password among it, is refused.
    """
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///"):
        return DatabaseUrl(text)
    scheme, separator, rest = text.partition("://")
    if scheme.partition("+")[0] != "postgresql" or not separator or not rest or not text.isprintable():
        raise ValueError(f"it has to be like {WANTED}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"it has to be like {WANTED}; {_PERCENT}") from None
    late = parts.path + parts.query
    is_cut = bool(parts.fragment) or ("@" in late and "@" not in parts.netloc)
    if is_cut or parts.netloc.count("@") > 1 or _MALFORMED.search(text):
        raise ValueError(f"it has to be like {WANTED}; {_PERCENT}")
    if port is None and parts.netloc.endswith(":"):
        raise ValueError(f"it has to be like {WANTED}")
    return DatabaseUrl(text)
