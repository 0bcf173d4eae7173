"""`compare` beside the real programs: OpenDKIM, OpenDMARC and policyd-spf behind Postfix, this filter in front of them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.comparing.facts import MISSING_WORDS, Missing
from dmarc_milter.explaining import zone_file
from dmarc_milter.message.header import split_message
from tests.support import moving_in
from tests.support.expiring import signed
from tests.support.moving_in import body
from tests.support.waiting import wait_for
from tests.system.old_chain import OUR_ID, OldChain

pytestmark = pytest.mark.system

CROOK = "203.0.113.9"
MAIL: dict[str, tuple[bytes, str, str, int]] = {
    "signed": (signed(body()), "192.0.2.10", "news@bank.example", 250),
    "unsigned": (body(), "192.0.2.10", "news@bank.example", 250),
    "footer": (signed(body()) + b"-- \r\nlist\r\n", "192.0.2.10", "news@bank.example", 250),
    "no policy": (body("shop.example"), "192.0.2.10", "a@shop.example", 250),
    "a bounce": (body(), "192.0.2.10", "", 550),
    "a spoof, refused on SPF": (body(), CROOK, "news@bank.example", 550),
    "a spoof, refused by policy": (body(), CROOK, "x@shop.example", 550),
    "pct=0": (body("pct.example"), CROOK, "x@shop.example", 250),
    "t=y": (body("test.example"), CROOK, "x@shop.example", 550),
    "a short key": (signed(body(), selector="short"), "192.0.2.10", "news@bank.example", 250),
    "rsa-sha1": (signed(body(), digest="sha1"), "192.0.2.10", "news@bank.example", 250),
    "no key": (signed(body(), selector="gone"), "192.0.2.10", "news@bank.example", 250),
    "the walk": (body("mail.dept.corp.example"), CROOK, "x@shop.example", 250),
}


DELIVERED = sum(code == 250 for *_, code in MAIL.values())
LIVE = {
    ("dkim", "pass", "permerror", "rsa-sha1"),
    ("dmarc", "none", "fail", "tree-walk"),
    ("dmarc", "fail (p=quarantine dis=none)", "fail (p=quarantine)", "pct"),
    ("dmarc", "fail (refused)", "fail (p=quarantine)", "test-mode"),
}
LATER = """; The key of bank.example is another one, and its SPF record names another host.
bank.example. 300 IN TXT "v=spf1 ip4:192.0.2.99 -all"
_dmarc.bank.example. 300 IN TXT "v=DMARC1; p=reject"
s._domainkey.bank.example. 300 IN TXT "v=DKIM1; p="
"""


@pytest.fixture
def chain(open_folder: Path) -> Iterator[OldChain]:
    with OldChain(open_folder, zone_file.read(moving_in.ZONE)) as running:
        yield running


def without_ours(message: bytes) -> bytes:
    """As the old chain alone would have left it."""
    header, rest = split_message(message)
    lines = [b"%s:%s\r\n" % (each.name.encode(), each.value) for each in header if OUR_ID.encode() not in each.value]
    return b"".join([*lines, b"\r\n", rest])


def rows(journal: str) -> int:
    with closing(sqlite3.connect(journal.removeprefix("sqlite:///"))) as database:
        return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])


def test_an_old_chain_beside_this_filter(chain: OldChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """First live, then what is left of it in a mailbox, then the same once the DNS says something else."""
    answers = {name: chain.send(message, client, path) for name, (message, client, path, _) in MAIL.items()}
    assert answers == {name: code for name, (*_, code) in MAIL.items()}
    messages = chain.postfix.wait_for_delivery(DELIVERED)
    # What is refused at RCPT is no message.
    wait_for(lambda: rows(chain.filter.journal) == len(MAIL) - 1, "the journal")
    (tmp_path / "mail.log").write_text(chain.postfix.log)
    (tmp_path / "zone").write_text(moving_in.ZONE)
    (tmp_path / "later").write_text(LATER)
    (tmp_path / "settings").write_text("[journal]\nenabled = false\n")
    for name, each in (("live", lambda message: message), ("old", without_ours)):
        (tmp_path / name / "cur").mkdir(parents=True)
        for number, message in enumerate(messages):
            (tmp_path / name / "cur" / str(number)).write_bytes(each(message))

    def compare(*arguments: str, zone: str = "zone") -> tuple[dict[str, Any], set[tuple[str, str, str, str]]]:
        options = ["--config", f"{tmp_path}/settings", "--zone", f"{tmp_path}/{zone}", "--our-id", OUR_ID, "--json"]
        assert main(["compare", *options, *arguments]) == 1
        told = json.loads(capsys.readouterr().out)
        return told, {(each["method"], each["old"], each["new"], each["cause"]) for each in told["differences"]}

    log = ["--mail-log", f"{tmp_path}/mail.log", "--journal", chain.filter.journal]
    told, found = compare(f"{tmp_path}/live", *log)
    assert (told["live"], told["judged_again"], told["refused"]) == (DELIVERED, 0, len(MAIL) - DELIVERED)
    assert found == LIVE
    told, found = compare(f"{tmp_path}/old")
    assert (told["live"], told["judged_again"]) == (0, DELIVERED)
    assert found == {each for each in LIVE if "refused" not in each[1]}
    assert told["not_compared"] == [
        {"method": "arc", "why": "no-method", "text": MISSING_WORDS[Missing.NO_METHOD], "messages": DELIVERED}
    ]
    told, found = compare(f"{tmp_path}/old", zone="later")
    assert {
        ("spf", "pass", "fail", "spf-changed"),
        ("dkim", "pass", "permerror", "key-gone"),
        ("dmarc", "pass", "fail", "spf-changed"),
    } <= found
