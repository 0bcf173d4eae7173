"""The console's pages: right, safe whatever a sender wrote, and refused to whoever may not see them."""

import base64
import csv
import io
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from dmarc_milter.cli.main import main
from dmarc_milter.console import access, passwords
from dmarc_milter.console.access import MAX_FAILURES, SECURITY
from dmarc_milter.console.export import cell
from dmarc_milter.console.settings import ConsoleSection, ConsoleSettings, load
from dmarc_milter.console.site import Room, Site
from dmarc_milter.demo.month import month
from dmarc_milter.settings.addresses import ip_network
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.journal import JournalSection
from tests.support.console import PAGES, ask, console, questions
from tests.support.journals import insert

pytestmark = pytest.mark.usefixtures("utc")

COUNT = 3_000


@pytest.fixture
def rows(engine: Engine, url: DatabaseUrl) -> list[dict[str, Any]]:
    found = list(month(COUNT, time.time()))
    insert(url, found)
    return found


class Links(HTMLParser):
    """The links of a page, and whether anything in it would be run or styled in place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.found.append(given.get("href") or "")
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and given.get("src") != "/static/console.js":
            self.inline.append(tag)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_made_of_an_empty_and_of_a_filled_journal(url: DatabaseUrl, engine: Engine, page: str) -> None:
    for _ in ("empty", "filled"):
        found = ask(console(url), page)
        assert found.status == 200, found.text
        assert not Links(found.text).inline
        insert(url, list(month(300, time.time()))) if _ == "empty" else None


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ("/nope", 404),
        ("/messages/nope", 404),
        ("/domains/..", 404),
        ("/messages?client=x", 400),
        ("/messages?dmarc=x", 400),
        ("/messages?before=x", 400),
        ("/messages?since=yesterday", 400),
        ("/messages?q=-4X1", 400),
        ("/messages.csv?client=x", 400),
        ("/stream?client=x", 400),
        ("/static/nope", 404),
        ("/static/..%2fapp.py", 404),
    ],
)
def test_what_cannot_be_shown_is_said(url: DatabaseUrl, engine: Engine, page: str, status: int) -> None:
    assert ask(console(url), page).status == status


def test_what_was_wrong_can_be_mended(url: DatabaseUrl, engine: Engine) -> None:
    text = ask(console(url), "/messages?client=192.0.2&dmarc=fail&rule=%22%3E%3Cb%3E").text
    assert '<input name="client" value="192.0.2"' in text
    assert '<option value="fail" selected>' in text
    assert 'value="&#34;&gt;&lt;b&gt;"' in text


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    found = ask(console(f"sqlite:///{tmp_path}/none.sqlite"), "/")
    assert found.status == 503
    assert "no such file" in found.text


@pytest.mark.parametrize(
    ("page", "more", "status"),
    [
        ("/", {}, 200),
        ("/static/style.css", {}, 200),
        ("/nope", {}, 404),
        ("/messages?client=x", {}, 400),
        ("/", {"method": "POST"}, 405),
        ("/messages", {"method": "DELETE"}, 405),
        ("/", {"host": "evil.example"}, 421),
        ("/", {"host": "localhost.evil.example:8025"}, 421),
        ("/", {"host": "[::1]:8025"}, 200),
    ],
    ids=["page", "file", "404", "400", "post", "delete", "rebinding", "longer-name", "ipv6"],
)
def test_headers_are_on_every_status(
    url: DatabaseUrl, engine: Engine, page: str, more: dict[str, str], status: int
) -> None:
    found = ask(console(url), page, **more)
    assert found.status == status
    for name, value in SECURITY:
        assert found.headers[name.decode()] == value.decode()
    assert "set-cookie" not in found.headers
    assert "unsafe" not in found.headers["content-security-policy"]


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_what_a_sender_wrote_is_text_on_every_page(engine: Engine, url: DatabaseUrl) -> None:
    (row,) = month(1, time.time())
    names = (
        "message_id",
        "helo",
        "mail_from",
        "author_domain",
        "list_id",
        "reason",
        "dmarc_reason",
        "queue_id",
        "rule",
    )
    row |= dict.fromkeys((*names, "comment", "spf_reason", "spf_domain", "policy_domain", "host", "reply"), HOSTILE)
    row |= {"dmarc": "fail", "wanted": "reject", "action": "reject", "policy": "reject", "override": "local_policy"}
    signature = {"result": "pass", "reason": HOSTILE, "code": None, "domain": HOSTILE, "selector": HOSTILE}
    row["dkim"] = [{**signature, "algorithm": HOSTILE, "key_bits": 1024, "is_test": False}]
    insert(url, [row])
    app = console(url)
    for page in (
        *PAGES,
        f"/messages/{row['uid']}",
        f"/messages?q={HOSTILE.replace(' ', '+')}",
        "/messages?rule=%3Cb%3E",
    ):
        text = ask(app, page).text
        assert "<script>alert" not in text, page
        assert "<img" not in text, page
        assert not Links(text).inline, page
    assert "&lt;script&gt;" in ask(app, "/messages").text


@pytest.mark.parametrize(
    "start",
    ["=", "+", "-", "@", "\t", "\r", " =", "\uff1d"],
    ids=["equals", "plus", "minus", "at", "tab", "cr", "blank", "wide"],
)
def test_no_cell_is_calculated(engine: Engine, url: DatabaseUrl, start: str) -> None:
    (row,) = month(1, time.time())
    insert(url, [row | {"helo": f'{start}HYPERLINK("http://evil.example")'}])
    answer = ask(console(url), "/messages.csv")
    (told,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert told["helo"].lstrip().startswith("'")
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a;=1", "a;'=1"), ("a; @x", "a; '@x"), ("a-b", "a-b"), ("p=reject; rua=x", "p=reject; rua=x"), (-1, "'-1")],
    ids=["semicolon", "blank", "hyphen", "tags", "number"],
)
def test_cells_that_end_early(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_pages_hold_every_message_once(rows: list[dict[str, Any]], url: DatabaseUrl) -> None:
    app, page, seen = console(url), "/messages?dmarc=fail", list[str]()
    while page:
        links = Links(ask(app, page).text).found
        seen += [each for each in links if re.fullmatch(r"/messages/[0-9a-f]{40}", each)]
        page = next((each for each in links if "before=" in each), "")
    expected = [f"/messages/{each['uid']}" for each in reversed(rows) if each["dmarc"] == "fail"]
    assert seen == expected


def test_the_last_second_of_a_bar_belongs_to_it(engine: Engine, url: DatabaseUrl) -> None:
    (row,) = month(1, time.time())
    insert(url, [row | {"time": time.time() // 3600 * 3600 - 0.5}])
    app = console(url)
    (address,) = re.findall(r'"(/messages\?since=[^"&]+&amp;until=[^"&]+)">1</a>', ask(app, "/").text)
    assert 'id="count">1 message,' in ask(app, address.replace("&amp;", "&")).text


def test_page_and_command_say_the_same(
    rows: list[dict[str, Any]], url: DatabaseUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", "--config", "/dev/null", "--journal", url, "--from", "bank.example", "--json"]) == 0
    command = [json.loads(line)["uid"] for line in capsys.readouterr().out.splitlines()]
    page = json.loads(ask(console(url), "/messages.json?from=bank.example").text)
    assert [each["uid"] for each in page[:20]] == command[::-1]
    assert main(["what-if", "--journal", url, "--days", "30"]) in (0, 1)
    said = " ".join(capsys.readouterr().out.split("\n\n")[0].split())
    assert said in ask(console(url), "/what-if?days=30").text


@pytest.mark.parametrize(
    ("words", "column", "values"),
    [
        ("bank.example", "author_domain", {"bank.example"}),
        ("refused", "action", {"reject"}),
        ("fail", "dmarc", {"fail"}),
        ("192.0.2.10", "client", {"192.0.2.10"}),
        ("somebody@partner.example", "author_domain", {"partner.example"}),
    ],
    ids=["domain", "done", "result", "address", "mailbox"],
)
def test_the_box_guesses(
    rows: list[dict[str, Any]], url: DatabaseUrl, words: str, column: str, values: set[str]
) -> None:
    app = console(url)
    found = json.loads(ask(app, f"/messages.json?q={words}").text)
    assert {each[column] for each in found} == values
    without = json.loads(ask(app, f"/messages.json?q=-{words}").text)
    assert len(found) + len(without) == COUNT
    assert not {each[column] for each in without} & values


def test_a_message_is_found_by_its_names(rows: list[dict[str, Any]], url: DatabaseUrl) -> None:
    app, row = console(url), rows[7]
    for words in (row["queue_id"], f"%3C{row['message_id'][1:-1]}%3E"):
        found = ask(app, f"/messages?q={words}")
        assert found.status == 303
        assert found.headers["location"] == f"/messages/{row['uid']}"


def test_no_question_of_a_page_reads_the_whole_table(
    rows: list[dict[str, Any]], engine: Engine, url: DatabaseUrl
) -> None:
    asked = questions(url, rows[0]["uid"])
    assert len(asked) > 40
    with engine.connect() as connection:
        for statement, parameters in asked:
            # SQLAlchemy 1.4 takes parameters that begin with octets for several rows of them.
            cursor = connection.connection.cursor()
            plan = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            bare = [step[3] for step in plan if re.fullmatch(r"SCAN messages", step[3])]
            assert not bare, statement


# Who may see it


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_passwords(engine: Engine, url: DatabaseUrl, tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(passwords.line("anna", "s3cret") + "\n")
    app = console(url, passwords=passwords.load(file))
    assert ask(app, "/").headers["www-authenticate"].startswith("Basic")
    assert ask(app, "/", authorization=basic("anna", "s3cret")).status == 200
    assert ask(app, "/", authorization="Basic !").status == 401
    for _ in range(MAX_FAILURES - 1):
        assert ask(app, "/", authorization=basic("anna", "wrong")).status == 401
    refused = ask(app, "/", authorization=basic("nobody", "wrong"))
    assert refused.status == 429
    assert refused.headers["retry-after"] == "60"
    assert ask(app, "/", peer="192.0.2.1", authorization=basic("anna", "wrong")).status == 401


def test_more_than_can_be_answered_are_refused(
    engine: Engine, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(url, stops=True)
    monkeypatch.setattr(access, "AT_ONCE", 0)
    found = ask(app, "/")
    assert found.status == 503
    assert found.headers["retry-after"] == "10"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert ask(app, "/stream").status == 200


def test_as_many_follow_as_may(engine: Engine, url: DatabaseUrl) -> None:
    section = ConsoleSection(streams=1, filter_settings="")
    app = console(url, section, stops=True)
    for _ in range(3):
        # Whoever has gone leaves room.
        assert ask(app, "/stream").status == 200
    refused = ask(console(url, ConsoleSection(streams=0, filter_settings="")), "/stream")
    assert refused.status == 503


def test_who_asks_at_the_same_time_waits_for_the_same_answer(url: DatabaseUrl) -> None:
    settings = ConsoleSettings(ConsoleSection(filter_settings=""), JournalSection(database=url))
    site, makes, begun, may_end = Site(settings), list[int](), threading.Event(), threading.Event()

    def make() -> str:
        makes.append(1)
        begun.set()
        may_end.wait(10)
        return "answer"

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(site.kept, "key", 60.0, make) for _ in range(4)]
        begun.wait(10)
        may_end.set()
        assert {each.result()[1] for each in asked} == {"answer"}
    assert len(makes) == 1


def test_room() -> None:
    room = Room(1)
    assert room.enter()
    assert room.is_full
    assert not room.enter()
    assert room.enter(is_let_in=True)
    room.leave()
    assert room.is_full
    room.leave()
    assert not room.is_full


def test_only_a_trusted_proxy_says_who_asks(engine: Engine, url: DatabaseUrl) -> None:
    section = ConsoleSection(trusted_proxies=(ip_network("192.0.2.1"),), filter_settings="")
    app = console(url, section)
    assert ask(app, "/", peer="192.0.2.1", x_forwarded_user="anna").status == 200
    assert ask(app, "/", peer="192.0.2.1").status == 403
    assert ask(app, "/", peer="192.0.2.2", x_forwarded_user="anna").status == 403


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[console]\nlisten = "0.0.0.0:8025"', "which others can reach"),
        ('[console]\nlisten = "[2001:db8::1]:8025"', "which others can reach"),
        ('[console]\nlisten = "here"', 'it has to be a string like "127.0.0.1:8025"'),
        ('[console]\npassword_file = "/x"\ntrusted_proxies = ["192.0.2.1"]', "exclude each other"),
        ("[console]\nlisten = 1", "console.listen"),
        ("[console]\nport = 1", "unknown key console.port"),
        ("[", "console.toml"),
    ],
    ids=["every", "global", "no-address", "both", "number", "unknown", "no-toml"],
)
def test_settings_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "console.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(file)
    assert main(["console", "--config", str(file)]) == 2


def test_passwords_that_cannot_be_read_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("anna:s3cret\n")
    with pytest.raises(ConfigError) as error:
        passwords.load(file)
    assert "line 1" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_stream_ends_with_the_service(engine: Engine, url: DatabaseUrl) -> None:
    (row,) = month(1, time.time())
    insert(url, [row | {"time": time.time(), "helo": HOSTILE, "author_domain": "a.example"}])
    found = ask(console(url, stops=True), "/stream")
    assert found.headers["content-type"].startswith("text/event-stream")
    (told,) = (json.loads(each[6:]) for each in found.text.splitlines() if each.startswith("data: {"))
    assert told["from"] == "a.example"
