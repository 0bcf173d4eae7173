"""The password of the journal's database: read where it is kept, and shown nowhere."""

import tomllib
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from dmarc_milter.cli.main import main
from dmarc_milter.journal.database import DatabaseError, parse_url
from dmarc_milter.journal.insertion import UnreachableError, connect
from dmarc_milter.journal.location import database
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.database_url import DatabaseUrl, database_url
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.journal import JournalSection

SECRET = "s3cret"
GOOD = {
    # what is written: what is shown of it
    "sqlite:////var/lib/x@y.sqlite": "sqlite:////var/lib/x@y.sqlite",
    "postgresql:///name": "postgresql:///name",
    "postgresql:///name?host=/run/postgresql": "postgresql:///name",
    "postgresql://user@host/name": "postgresql://user@host/name",
    f"postgresql://user:{SECRET}@host/name": "postgresql://user:***@host/name",
    f"postgresql+psycopg2://user:{SECRET}%2F@host:5433/name": "postgresql+psycopg2://user:***@host:5433/name",
    f"postgresql://user:{SECRET}@[::1]:5433/name": "postgresql://user:***@[::1]:5433/name",
    f"postgresql://user@host/name?password={SECRET}": "postgresql://user@host/name",
    f"postgresql://host?user=x&password={SECRET}": "postgresql://host",
}
BAD = (
    f"postgresql://user:{SECRET}/x@host/name",
    f"postgresql://user:{SECRET}?x@host/name",
    f"postgresql://user:{SECRET}#x@host/name",
    f"postgresql://user:{SECRET}#@host/name",
    f"postgresql://user:{SECRET}@x@host/name",
    f"postgresql://user:{SECRET}@x:y@host/name",
    f"postgresql://user:{SECRET}%zz@host/name",
    f"postgresql://user:{SECRET}%00@host/name",
    f"postgresql://user:{SECRET}[@host/name",
    f"postgresql://user:{SECRET}",
    f"postgresql://user:{SECRET}\n@host/name",
    f"mysql://user:{SECRET}@host/name",
    f"user:{SECRET}@host",
    f"{SECRET}",
    "sqlite:///",
    "postgresql://",
)


@pytest.mark.parametrize("text", GOOD)
def test_urls(text: str) -> None:
    url = database_url(text)
    assert url == text
    assert (url.shown, repr(url)) == (GOOD[text], repr(GOOD[text]))
    make_url(url)


@pytest.mark.parametrize("text", BAD)
def test_no_error_shows_a_url(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"journal\.database cannot be used") as error:
        config.parse({"journal": {"database": text}})
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(SystemExit):
        main(["trace", "4XY", "--journal", text])
    shown = capsys.readouterr().err
    assert "argument --journal: " in shown
    assert SECRET not in shown


def test_a_wrong_type_shows_nothing_either() -> None:
    with pytest.raises(ConfigError) as error:
        config.parse({"journal": {"database": [f"postgresql://u:{SECRET}@h/d"]}})
    assert SECRET not in str(error.value)


def test_a_url_that_sqlalchemy_cannot_read() -> None:
    with pytest.raises(DatabaseError) as error:
        parse_url(f"no url u:{SECRET}@host")
    assert SECRET not in str(error.value)


def test_the_representation_of_settings() -> None:
    settings = config.parse({"journal": {"database": f"postgresql://user:{SECRET}@host/name"}})
    assert SECRET not in repr(settings)
    assert SECRET in settings.journal.database


PASSWORDS = (SECRET, "a b", "p@ss:w/r?d#", "%41", "[x]", "é✓", "'\"\\", "x" * 1000)
HOSTS = (
    "postgresql:///name",
    "postgresql://host/name",
    "postgresql://user@host:5433/name",
    "postgresql://user@/name?host=/run",
)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_becomes_part_of_the_url(host: str, password: str) -> None:
    url = database_url(host).with_password(password)
    plain, found = make_url(host), make_url(url)
    assert found.password == password
    assert (found.username or None, found.host, found.port, found.database, found.query) == (
        plain.username,
        plain.host,
        plain.port,
        plain.database,
        plain.query,
    )
    assert database_url(url).has_password
    assert password not in repr(url) or password == "name"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("password", PASSWORDS)
def test_libpq_reads_it_the_same(host: str, password: str) -> None:
    extensions = pytest.importorskip("psycopg2.extensions")
    assert extensions.parse_dsn(database_url(host).with_password(password))["password"] == password


def section(name: str, url: str = "postgresql://user@host/name") -> JournalSection:
    return config.parse(tomllib.loads(f'[journal]\ndatabase = "{url}"\npassword_file = "{name}"')).journal


CONTENTS = {
    b"s3cret": "s3cret",
    b"s3cret\n": "s3cret",
    b"s3cret\r\n": "s3cret",
    b" s3 cret \n": " s3 cret ",
    b"": None,
    b"\n": None,
    b"s3cret\nmore\n": None,
    b"s3cret\n\n": None,
    b"s3cret\0": None,
    b"s3cret\xff": None,
    b"s3cret" * 1000: None,
}


@pytest.mark.parametrize(("content", "password"), CONTENTS.items(), ids=range(len(CONTENTS)))
def test_a_file(tmp_path: Path, content: bytes, password: str | None) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    if password is not None:
        assert make_url(database(section(str(path)))).password == password
        return
    with pytest.raises(UnreachableError, match=f"^password_file {path}: ") as error:
        database(section(str(path)))
    assert SECRET not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="No such file"):
        database(section(f"{tmp_path}/none"))


def test_it_is_read_at_each_connection(tmp_path: Path) -> None:
    path = tmp_path / "password"
    settings = section(str(path))
    for password in ("old", "new"):
        path.write_text(password)
        assert make_url(database(settings)).password == password


def test_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal-password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert make_url(database(section("journal-password"))).password == SECRET


def test_a_credential_outside_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "x.toml"
    path.write_text('[journal]\ndatabase = "postgresql://user@host/name"\npassword_file = "journal-password"\n')
    for command in (["trace", "4XY"], ["what-if"], ["summary"], ["prune"]):
        assert main([*command, "--config", str(path)]) == 2
        assert "which systemd hands to the service alone" in capsys.readouterr().err


REFUSED = {
    'password_file = "/x"': "is for PostgreSQL",
    'database = "postgresql://u:s3cret@h/n"\npassword_file = "/x"': "a password in journal.database, too",
    'database = "postgresql://u@h/n"\npassword_file = "a/b"': 'password_file is "a/b"',
    'database = "postgresql://u@h/n"\npassword_file = ""': "password_file is",
    'database = "postgresql://u@h/n"\npassword_file = "../x"': "password_file is",
    'database = "postgresql://u@h/n"\npassword_file = ".."': "password_file is",
}


@pytest.mark.parametrize(("text", "said"), REFUSED.items())
def test_settings_that_contradict_each_other(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(tomllib.loads(f"[journal]\n{text}\n"))
    assert said in str(error.value)
    assert SECRET not in str(error.value)


def test_nothing_to_read_without_a_password() -> None:
    assert database(Settings().journal) == Settings().journal.database


def test_the_driver_tells_no_password() -> None:
    pytest.importorskip("psycopg2")
    with pytest.raises(UnreachableError) as error:
        connect(DatabaseUrl("postgresql://user@127.0.0.1:1/name").with_password(SECRET))
    assert SECRET not in str(error.value)
