"""The console as a service: where it listens, how long it waits for browsers, what it follows, and who may ask."""

import asyncio
import http.client
import io
import json
import os
import re
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
import uvicorn
from sqlalchemy.engine import Engine
from uvicorn.server import ServerState

from dmarc_milter.cli.main import main
from dmarc_milter.console import access, asking, passwords, server, settings, stream
from dmarc_milter.console.access import SECURITY, Gate
from dmarc_milter.console.app import application
from dmarc_milter.console.asking import Journal, TooLongError
from dmarc_milter.console.connection import LEAST_READ, MAX_CONNECTIONS, PATIENCE_SECONDS, Connection
from dmarc_milter.console.search import search
from dmarc_milter.console.settings import ConsoleSection, ConsoleSettings
from dmarc_milter.console.site import Site
from dmarc_milter.console.templates import both_labels
from dmarc_milter.console.verdict import LEAST, remarks
from dmarc_milter.demo.month import month
from dmarc_milter.journal.figures import Domain, Figure, Period, Summary
from dmarc_milter.settings.addresses import InetAddress, UnixAddress, ip_network
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.journal import JournalSection
from tests.support.console import ask, console
from tests.support.journals import insert
from tests.support.waiting import free_port

# Serving


class Systemd:
    """What the service says to it; once it serves, it is asked for a page, and told to end."""

    def __init__(self, folder: Path, connect: Callable[[], socket.socket]) -> None:
        self.address = str(folder / "notify")
        self.told: list[str] = []
        self.status = 0
        self._connect = connect
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.told = self._socket.recv(1000).decode().splitlines()
        browser = http.client.HTTPConnection("localhost")
        try:
            browser.sock = self._connect()
            browser.request("GET", "/static/style.css", headers={"Connection": "close"})
            self.status = browser.getresponse().status
        finally:
            browser.close()
            os.kill(os.getpid(), signal.SIGTERM)

    def __enter__(self) -> "Systemd":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._socket.close()


@pytest.fixture
def signals() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_it_serves_until_it_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path, port = tmp_path / "http", free_port()
    listen = f"unix:{path}" if kind == "unix" else f"127.0.0.1:{port}"
    config = tmp_path / "console.toml"
    config.write_text(f'[console]\nlisten = "{listen}"\n')

    def connect() -> socket.socket:
        if kind == "inet":
            return socket.create_connection(("127.0.0.1", port))
        assert stat.filemode(path.stat().st_mode) == "srw-rw----"
        made = socket.socket(socket.AF_UNIX)
        made.connect(str(path))
        return made

    with Systemd(tmp_path, connect) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
        assert main(["console", "--config", str(config)]) == 0
    assert systemd.told[0] == "READY=1"
    assert systemd.status == 200
    shown = listen if kind == "unix" else f"http://{listen}/"
    assert capsys.readouterr().out.endswith(f": {shown}\n")
    assert not path.exists()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (InetAddress("127.0.0.1", 8025), "http://127.0.0.1:8025/"),
        (InetAddress("::1", 8025), "http://[::1]:8025/"),
        (UnixAddress("/run/http"), "unix:/run/http"),
    ],
)
def test_where_a_browser_finds_it(address: InetAddress | UnixAddress, shown: str) -> None:
    assert server.address(ConsoleSettings(ConsoleSection(listen=address))) == shown


def left_by_a_killed_one(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def a_file(path: Path) -> None:
    path.write_text("of somebody else")


@pytest.mark.parametrize(("there", "is_taken_away"), [(left_by_a_killed_one, True), (a_file, False)])
def test_what_is_at_the_path_of_the_socket(tmp_path: Path, there: Callable[[Path], None], is_taken_away: bool) -> None:
    path = tmp_path / "http"
    there(path)
    if is_taken_away:
        with server._listener(UnixAddress(str(path))):
            assert path.is_socket()
        return
    said = re.escape(f"console.listen: unix:{path}: Address already in use")
    with pytest.raises(ConfigError, match=f"^{said}$"):
        server._listener(UnixAddress(str(path))).close()
    assert path.read_text() == "of somebody else"


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "console.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config.write_text(f'[console]\nlisten = "{listen}"\n')
        assert main(["console", "--config", str(config)]) == 2
    assert capsys.readouterr().err == f"dmarc-milter: console.listen: {listen}: Address already in use\n"


def test_ipv6() -> None:
    with server._listener(InetAddress("::1", 0)) as listener:
        assert listener.getsockname()[0] == "::1"


def test_passwords_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "console.toml"
    config.write_text(f'[console]\nlisten = "unix:{tmp_path}/http"\npassword_file = "{tmp_path}/none"\n')
    assert main(["console", "--config", str(config)]) == 2
    assert capsys.readouterr().err == f"dmarc-milter: {tmp_path}/none: No such file or directory\n"
    assert not (tmp_path / "http").exists()


def without_a_library(patch: pytest.MonkeyPatch) -> None:
    patch.delitem(sys.modules, "dmarc_milter.console.server")
    patch.setitem(sys.modules, "uvicorn", None)


def without_the_package(patch: pytest.MonkeyPatch) -> None:
    for name in ("dmarc_milter.console", "dmarc_milter.console.passwords"):
        patch.delitem(sys.modules, name)

    def find(name: str, *_: object) -> None:
        if name == "dmarc_milter.console":
            raise ModuleNotFoundError(name=name)

    patch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find), *sys.meta_path])


@pytest.mark.parametrize(
    ("arguments", "without", "missing"),
    [
        ([], without_a_library, "uvicorn"),
        (["--password", "anna"], without_the_package, "dmarc_milter.console"),
    ],
)
def test_a_filter_without_the_console(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    without: Callable[[pytest.MonkeyPatch], None],
    missing: str,
) -> None:
    """It is a package of its own."""
    without(monkeypatch)
    assert main(["console", *arguments]) == 2
    said = f"dmarc-milter: {missing} is missing: install the package dmarc-milter-console, or the extra 'console'\n"
    assert capsys.readouterr().err == said


def test_a_console_that_lacks_a_part_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no package to be installed: it is an error of ours."""
    monkeypatch.setitem(sys.modules, "dmarc_milter.console.passwords", None)
    with pytest.raises(ModuleNotFoundError, match=r"dmarc_milter\.console\.passwords"):
        main(["console", "--password", "anna"])


# Connections


class Transport:
    """What a connection writes to: a browser that reads as much as a test says."""

    def __init__(self) -> None:
        self.unread = 0
        self.is_aborted = False
        self.is_closed = False
        self.written = b""

    def get_extra_info(self, _name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed

    def write(self, octets: bytes) -> None:
        self.written += octets

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Clock:
    """The loop of a connection, whose time a test makes pass."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.looks: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], *_: object) -> Any:
        self.looks.append((self.now + delay, callback))
        return SimpleNamespace(cancel=self._cancel)

    def _cancel(self) -> None:
        self.cancelled += 1
        self.looks.pop()

    def pass_to_the_next_look(self) -> None:
        self.now, look = self.looks.pop()
        look()


class Browser:
    """A connection with both its ends."""

    def __init__(self, others: int = 0) -> None:
        async def app(scope: object, receive: object, send: object) -> None:
            """Never asked here."""

        config = uvicorn.Config(cast(Any, app), http=Connection, ws="none", lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        state.connections |= cast(Any, set(range(others)))
        self.clock, self.transport = Clock(), Transport()
        # Newer versions want the state of the application, too.
        arguments: dict[str, Any] = {"config": config, "server_state": state, "_loop": self.clock}
        if "app_state" in Connection.__init__.__code__.co_varnames:
            arguments["app_state"] = {}
        self.connection = Connection(**arguments)
        self.state = state
        self.connection.connection_made(self.transport)


HALF = LEAST_READ // 2
LOOKS = {
    # What the browser has left unread at each look, and at which of them the connection ends.
    "asks nothing": ([0, 0], 2),
    "reads nothing": ([HALF, HALF], 2),
    "reads a little less than has to be": ([10 * HALF, 9 * HALF + 1], 2),
    "reads just as much as has to be": ([10 * HALF, 9 * HALF, 8 * HALF, 7 * HALF], None),
    "reads the rest, however little, and asks nothing": ([10 * HALF, 9 * HALF, 5, 0], 4),
    "reads well, then no more": ([10 * HALF, 5 * HALF, 5 * HALF], 3),
}


@pytest.mark.parametrize(("unread", "ends"), LOOKS.values(), ids=LOOKS)
def test_who_is_waited_for(unread: list[int], ends: int | None) -> None:
    browser = Browser()
    for number, octets in enumerate(unread, 1):
        browser.transport.unread = octets
        browser.clock.pass_to_the_next_look()
        assert browser.transport.is_aborted is (number == ends)
    assert browser.clock.now - 1_000.0 == len(unread) * PATIENCE_SECONDS / 2
    assert bool(browser.clock.looks) is (ends is None)


def test_an_answer_that_takes_its_time_is_waited_for() -> None:
    """The journal's bound is another one; the time to ask again begins when the answer is made."""
    browser = Browser()
    cycle = SimpleNamespace(response_complete=False, disconnected=False, message_event=asyncio.Event())
    browser.connection.cycle = cast(Any, cycle)
    for _ in range(5):
        browser.clock.pass_to_the_next_look()
    assert not browser.transport.is_aborted
    cycle.response_complete = True
    browser.connection.on_response_complete()
    browser.clock.looks.pop()  # uvicorn's own
    browser.clock.pass_to_the_next_look()
    assert not browser.transport.is_aborted
    browser.clock.pass_to_the_next_look()
    assert browser.transport.is_aborted


@pytest.mark.parametrize(("others", "is_served"), [(MAX_CONNECTIONS - 1, True), (MAX_CONNECTIONS, False)])
def test_one_connection_too_many(others: int, is_served: bool) -> None:
    browser = Browser(others)
    assert browser.transport.is_aborted is (not is_served)
    assert len(browser.clock.looks) == is_served
    browser.connection.connection_lost(None)
    assert len(browser.state.connections) == others
    # Nobody looks after one that is gone.
    assert (browser.clock.looks, browser.clock.cancelled) == ([], int(is_served))


def test_what_is_no_request_is_answered_with_our_fields() -> None:
    browser = Browser()
    browser.connection.data_received(b"\x16\x03\x01 this is TLS\r\n\r\n")
    head, _, body = browser.transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b"This is no request that can be read.\n"
    for name, value in SECURITY:
        assert name + b": " + value in head
    assert browser.transport.is_closed


# Following


def site_of(url: DatabaseUrl, *, is_stopping: Callable[[], bool] = lambda: False, **section: Any) -> Site:
    return Site(
        ConsoleSettings(ConsoleSection(filter_settings="", **section), JournalSection(database=url)), is_stopping
    )


def events(text: str) -> list[str]:
    """The data of a stream."""
    return [each[6:] for each in text.splitlines() if each.startswith("data: ")]


def test_each_message_is_told_once(engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came shortly before is read again, since records come later than their messages."""
    for name in ("POLL_SECONDS", "_TICK"):
        monkeypatch.setattr(stream, name, 1e-6)
    first, second = ({**row, "time": time.time(), "queue_id": f"4X{i}"} for i, row in enumerate(month(2, time.time())))
    insert(url, [first])
    looks = iter((lambda: insert(url, [second]), lambda: None))

    def is_stopping() -> bool:
        look = next(looks, None)
        if look is not None:
            look()
        return look is None

    found = ask(application(site_of(url, is_stopping=is_stopping)), "/stream")
    assert [json.loads(each)["queue_id"] for each in events(found.text)] == ["4X0", "4X1"]
    assert found.text.count(": here\n") == 3


def test_a_page_follows_for_a_bounded_time(engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LIFE_SECONDS", 0.0)
    site = site_of(url, streams=1)
    found = ask(application(site), "/stream")
    assert found.text.endswith("event: over\ndata: " + json.dumps("Ended after half an hour: follow again.") + "\n\n")
    assert site.streams.enter()


def test_many_that_begin_to_follow_at_once(url: DatabaseUrl) -> None:
    """All of them may have found room before the first one took it."""
    site = site_of(url, streams=1)
    assert site.streams.enter()

    async def follow() -> list[str]:
        return [each async for each in stream._events(site, search({}, time.time()))]

    assert asyncio.run(follow()) == ['event: over\ndata: "Too many pages follow already."\n\n']
    site.streams.leave()
    assert site.streams.enter()


# Asking


def test_others_take_lists_already(engine: Engine, url: DatabaseUrl) -> None:
    site = site_of(url)
    while site.files.enter():
        pass
    found = ask(application(site), "/messages.csv")
    assert (found.status, found.headers["retry-after"]) == (503, "10")
    assert "Others take lists already" in found.text
    site.files.leave()
    assert ask(application(site), "/messages.csv").status == 200


def test_a_journal_that_is_busy_or_slow(engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(url, list(month(300, time.time())))
    site = site_of(url)
    monkeypatch.setattr(asking, "_STEPS", 1)
    site.journal = Journal(JournalSection(database=url), 0.0)
    found = ask(application(site), "/messages")
    assert found.status == 503
    assert "the answer takes longer than 0 s" in found.text
    assert "Name a domain, an address or a shorter time." in found.text
    for _ in range(asking.AT_ONCE):
        assert site.journal._room.acquire()
    found = ask(application(site), "/messages")
    assert found.status == 503
    assert "other pages are being made" in found.text
    assert "Name a domain" not in found.text


def test_a_question_that_takes_too_long_is_ended(engine: Engine, url: DatabaseUrl) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    journal = Journal(JournalSection(database=url), 0.0)
    with (
        pytest.raises(TooLongError, match="takes longer than 0 s"),
        journal.asked() as opened,
        opened.connect() as connected,
    ):
        connected.execute(sa.text(endless))


# Settings and passwords

ACCEPTED = {
    "nothing": ("", InetAddress("127.0.0.1", 8025)),
    "a unix socket": ('listen = "unix:/run/x"', UnixAddress("/run/x")),
    "loopback": ('listen = "[::1]:80"', InetAddress("::1", 80)),
    "everywhere, with passwords": ('listen = "0.0.0.0:80"\npassword_file = "/x"', InetAddress("0.0.0.0", 80)),
    "everywhere, behind a proxy": ('listen = "[::]:80"\ntrusted_proxies = ["192.0.2.1"]', InetAddress("::", 80)),
}


@pytest.mark.parametrize(("text", "listen"), ACCEPTED.values(), ids=ACCEPTED)
def test_settings(tmp_path: Path, text: str, listen: InetAddress | UnixAddress) -> None:
    file = tmp_path / "console.toml"
    file.write_text(f"[console]\n{text}\n")
    assert settings.load(file).console.listen == listen


def test_the_installed_file_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "console.toml"
    monkeypatch.setattr(settings, "DEFAULT_PATH", file)
    assert settings.load(None) == ConsoleSettings()
    with pytest.raises(ConfigError, match=r"console\.toml: No such file or directory$"):
        settings.load(file)
    file.write_text('[console]\nhosts = ["mail.example.org"]\n')
    assert settings.load(None).console.hosts == ("mail.example.org",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[journal]\npassword_file = "/x"\n', "journal.password_file is for PostgreSQL"),
        (b"# \xff\n", "not UTF-8"),
        (None, "Is a directory"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "console.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f"{file}: {said}")):
        settings.load(file)


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("anna", "s3cret", None),
        ("Anna.B_c-d@example.org", "ü" * passwords.MAX_PASSWORD, None),
        ("an:na", "s3cret", "a name has letters, digits, dots, hyphens and underscores, 64 at most"),
        ("", "s3cret", "a name has letters"),
        ("a" * 65, "s3cret", "a name has letters"),
        ("anna", "", f"a password has 1 to {passwords.MAX_PASSWORD} characters"),
        ("anna", "x" * (passwords.MAX_PASSWORD + 1), "a password has 1 to"),
    ],
)
def test_the_line_of_a_password(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    password: str,
    said: str | None,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    assert main(["console", "--password", name]) == (0 if said is None else 2)
    out, err = capsys.readouterr()
    if said is not None:
        assert out == ""
        assert err.startswith(f"dmarc-milter: {said}")
        return
    assert password not in out
    file = tmp_path / "passwords"
    file.write_text(f"# people\n\n{out}")
    known = passwords.load(file)
    assert list(known) == [name]
    assert known[name].fits(password)
    assert not known[name].fits(f"{password}x")


@pytest.mark.parametrize("text", ["", "# nobody yet\n\n"])
def test_a_file_of_passwords_without_anybody(tmp_path: Path, text: str) -> None:
    file = tmp_path / "passwords"
    file.write_text(text)
    with pytest.raises(ConfigError, match="nobody is in it: make a line with"):
        passwords.load(file)


# Who may ask


def quick(password: str) -> passwords.Hash:
    """Like a line of the file, with a hash that takes no time."""
    return passwords.Hash(2, 1, 1, b"salt", passwords._scrypt(password, b"salt", 2, 1, 1))


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Basic YW5uYTpzM2NyZXQ=", 200),
        ("basic  YW5uYTpzM2NyZXQ= ", 200),
        ("Bearer YW5uYTpzM2NyZXQ=", 401),
        ("Basic YW5uYTpzM2NyZXQ", 401),
        ("Basic YW5uYQ==", 401),
        ("Basic /w==", 401),
        ("", 401),
    ],
)
def test_a_name_and_a_password(engine: Engine, url: DatabaseUrl, authorization: str, status: int) -> None:
    app = console(url, passwords={"anna": quick("s3cret")})
    assert ask(app, "/", authorization=authorization).status == status


def test_a_password_that_was_right_is_not_computed_again(
    engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def fits(self: passwords.Hash, password: str) -> bool:
        computed.append(password)
        return password == "s3cret"

    monkeypatch.setattr(passwords.Hash, "fits", fits)
    app = console(url, passwords={"anna": quick("s3cret")})
    for _ in range(2):
        assert ask(app, "/", authorization="Basic YW5uYTpzM2NyZXQ=").status == 200
    assert computed == ["s3cret"]
    # Neither one that was right counts as tried, nor is another one let in by it.
    assert ask(app, "/", authorization="Basic YW5uYTp3cm9uZw==").status == 401
    assert computed == ["s3cret", "wrong"]


def test_only_so_many_who_failed_are_remembered(
    engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MAX_PEERS", 2)
    monkeypatch.setattr(access, "MAX_FAILURES", 1)
    app = console(url, passwords={"anna": quick("s3cret")})
    asked = ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.3", "192.0.2.1")
    statuses = [ask(app, "/", peer=peer, authorization="Basic YW5uYTp3cm9uZw==").status for peer in asked]
    # The first one is forgotten when the third one comes.
    assert statuses == [401, 429, 401, 401, 429, 401]


PEERS = {
    "the proxy": ("192.0.2.1", 200),
    "in IPv6's notation": ("::ffff:192.0.2.1", 200),
    "over the unix socket": ("", 200),
    "another": ("192.0.2.2", 403),
    "another in IPv6": ("2001:db8::1", 403),
    "no address": ("proxy.example", 403),
}


@pytest.mark.parametrize(("peer", "status"), PEERS.values(), ids=PEERS)
def test_who_says_who_asks(engine: Engine, url: DatabaseUrl, peer: str, status: int) -> None:
    section = ConsoleSection(trusted_proxies=(ip_network("192.0.2.1"),), filter_settings="")
    assert ask(console(url, section), "/", peer=peer, x_forwarded_user="anna").status == status


@pytest.mark.parametrize(
    ("listen", "host", "status"),
    [
        (UnixAddress("/run/http"), "localhost", 200),
        (UnixAddress("/run/http"), "192.0.2.1", 421),
        (InetAddress("192.0.2.1", 80), "192.0.2.1", 200),
        (InetAddress("2001:db8::1", 80), "[2001:db8::1]:80", 200),
        (InetAddress("2001:db8::1", 80), "2001:db8::1", 421),
        (InetAddress("127.0.0.1", 80), "MAIL.example.org.", 200),
    ],
)
def test_names_of_the_console(
    engine: Engine, url: DatabaseUrl, listen: InetAddress | UnixAddress, host: str, status: int
) -> None:
    section = ConsoleSection(listen=listen, hosts=("Mail.Example.org",), filter_settings="")
    assert ask(console(url, section), "/", host=host).status == status


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_what_is_no_request_of_a_page_is_left(url: DatabaseUrl, kind: str) -> None:
    async def never(*_: object) -> Any:
        raise AssertionError("nothing is to be asked or told")

    asyncio.run(Gate(never, ConsoleSection(), None)({"type": kind}, never, never))


# What is told


def summary(**given: Any) -> Summary:
    usual: dict[str, Any] = {
        "period": Period(0.0, 1.0), "begins": None, "oldest": None, "is_complete": True, "hosts": (), "modes": (),
        "all": Figure(10_000, 10_000), "unjudged": Figure(), "done": {}, "would_be": {}, "spared": {}, "rules": {},
        "results": {"dmarc": {"pass": Figure(10_000, 10_000)}}, "hourly": (), "domains": (), "networks": (), "lists": (),
    }  # fmt: skip
    return Summary(**{**usual, **given})


def results(**dmarc: Figure) -> dict[str, Any]:
    return {"dmarc": {"pass": Figure(4_000, 4_000), **dmarc}}


def domain(name: str | None, now: int, before: int = 0) -> Domain:
    return Domain(name, Figure(now, before), None, None)


REMARKS = {
    "all is well": (summary(), []),
    "no mail": (summary(results={"dmarc": {}}, all=Figure()), []),
    "the DNS did not answer": (
        summary(results=results(temperror=Figure(LEAST))), ["The DNS did not answer for 50 messages (1.2%)"]
    ),
    "for few": (summary(results=results(temperror=Figure(LEAST - 1))), []),
    "for a small part": (summary(results={"dmarc": {"pass": Figure(10_000), "temperror": Figure(LEAST)}}), []),
    "twice as much fails": (summary(results=results(fail=Figure(100, 50))), ["Much more mail fails DMARC: 100 messages"]),
    "a little less than that": (summary(results=results(fail=Figure(99, 50))), []),
    "as never before": (summary(results=results(fail=Figure(100, 0))), []),
    "refused and deferred": (
        summary(done={"reject": Figure(LEAST, 1), "tempfail": Figure(LEAST, 1)}),
        ["Much more mail is refused", "Much more mail is deferred"],
    ),
    "a domain that did not fail": (summary(domains=(domain("a.example", LEAST),)), ["a.example fails and did not fail before"]),
    "three of four": (
        summary(domains=(domain("a", 99), domain(None, 99), domain("b", 99), domain("c", 99, 1), domain("d", 99), domain("e", 99))),
        ["a, b, d fail and did not fail before"],
    ),
    "all are new where nothing is known of the time before": (
        summary(all=Figure(100, 0), domains=(domain("a.example", LEAST),)), [],
    ),
    "still counted": (summary(is_complete=False), ["Records of an older version are still being counted"]),
}  # fmt: skip


@pytest.mark.parametrize(("found", "said"), REMARKS.values(), ids=REMARKS)
def test_whether_somebody_has_to_look(found: Summary, said: list[str]) -> None:
    told = list(remarks(found))
    assert len(told) == len(said), told
    for remark, text in zip(told, said, strict=True):
        assert remark.text.startswith(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bank.example", "bank.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example (bücher.example)"),
        ("xn--a.example", "xn--a.example"),
        # With a joiner that nobody sees.
        ("xn--11b2ezcw70k.example", "xn--11b2ezcw70k.example"),
    ],
)
def test_a_name_with_its_labels(name: str, shown: str) -> None:
    assert both_labels(name) == shown
