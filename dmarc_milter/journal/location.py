"""Where the journal's database is, with the password that its URL does not hold."""

import os
from pathlib import Path

from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.settings.database_url import MAX_PASSWORD, DatabaseUrl
from dmarc_milter.settings.journal import JournalSection

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable by which systemd says where a service's credentials are (systemd.exec(5))."""


def database(section: JournalSection) -> DatabaseUrl:
    """The URL to connect to. Raises UnreachableError where the password cannot be read."""
    if section.password_file is None:
        return section.database
    return section.database.with_password(_password(_path(section.password_file)))


def _path(name: str) -> Path:
    if "/" in name:
        return Path(name)
    folder = os.environ.get(CREDENTIALS)
    if folder is None:
        raise UnreachableError(
            f'password_file = "{name}" is a credential, which systemd hands to the service alone: for other commands '
            "let it be the path of a file, or name the database with --journal"
        )
    return Path(folder, name)


def _password(path: Path) -> str:
    """Its only line. No error shows what is in it."""
    try:
        with path.open("rb") as file:
            octets = file.read(4 * MAX_PASSWORD + 2)
        password = octets.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise UnreachableError(f"password_file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreachableError(f"password_file {path}: not UTF-8") from None
    if not 0 < len(password) <= MAX_PASSWORD or not password.isprintable():
        raise UnreachableError(f"password_file {path}: it has to hold one line, the password")
    return password
