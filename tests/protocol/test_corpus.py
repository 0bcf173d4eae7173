"""Four hundred messages of every kind and size through the running filter: every result and every refusal."""

import random
import re
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import dkim
import pytest

from dmarc_milter import Dns, Envelope, evaluate
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.fields.authentication_results import field_value
from dmarc_milter.message.header import split_message
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.policy import PolicySection
from dmarc_milter.testing.mta import MtaResponse
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.keys import ed25519_key, rsa_key, strings
from tests.support.running import RunningFilter
from tests.support.waiting import free_port

COUNT = 400
ENFORCE = Settings(policy=PolicySection(mode="enforce"))


class Kind(NamedTuple):
    client: str
    mail_from: str
    signatures: tuple[str, ...]
    footer: bytes
    spf: str
    dkim: list[str]
    dmarc: str
    action: str


KINDS = [
    Kind("192.0.2.7", "x@a.example", ("r",), b"", "pass", ["pass"], "pass", "accept"),
    Kind("192.0.2.7", "x@a.example", ("e",), b"", "pass", ["pass"], "pass", "accept"),
    Kind("192.0.2.7", "x@a.example", ("r", "e"), b"", "pass", ["pass", "pass"], "pass", "accept"),
    Kind("192.0.2.7", "x@a.example", (), b"", "pass", ["none"], "pass", "accept"),
    Kind("198.51.100.9", "x@a.example", ("r",), b"", "fail", ["pass"], "pass", "accept"),
    Kind("198.51.100.9", "x@a.example", ("r",), b"list footer\r\n", "fail", ["fail"], "fail", "reject"),
    Kind("203.0.113.5", "x@crook.example", (), b"", "pass", ["none"], "fail", "reject"),
]


def zone() -> str:
    return f"""$TTL 300
$ORIGIN a.example.
@ IN TXT "v=spf1 include:_spf.a.example -all"
_spf IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc IN TXT "v=DMARC1; p=reject"
r._domainkey IN TXT {strings(rsa_key(2048)[1])}
e._domainkey IN TXT {strings(ed25519_key()[1])}
$ORIGIN crook.example.
@ IN TXT "v=spf1 ip4:203.0.113.0/24 -all"
"""


def message(kind: Kind, size: int, chance: random.Random) -> bytes:
    lines = [b"line of  text \t with blanks \r\n", b"YWJj" * 18 + b"\r\n", b"\r\n"]
    text = (
        b"From: A <x@a.example>\r\nTo: y@example.org\r\nSubject: =?utf-8?q?t=C3=A4st?=\r\n folded\r\n\r\n"
        + b"".join(chance.choices(lines, k=size // 40))
    )
    for selector in kind.signatures:
        key, algorithm = (rsa_key(2048)[0], b"rsa-sha256") if selector == "r" else (ed25519_key()[0], b"ed25519-sha256")
        text = (
            dkim.sign(
                text,
                selector.encode(),
                b"a.example",
                key,
                canonicalize=(chance.choice([b"simple", b"relaxed"]), chance.choice([b"simple", b"relaxed"])),
                signature_algorithm=algorithm,
                include_headers=[b"from", b"to", b"subject"],
            )
            + text
        )
    return text + kind.footer


def is_right(kind: Kind, answer: MtaResponse) -> bool:
    if kind.action == "reject":
        return answer.reply == "550 5.7.1 Email rejected per DMARC policy for a.example"
    found = {method: re.findall(rf"\b{method}=(\w+)", answer.results) for method in ("spf", "dkim", "dmarc")}
    return answer.action == kind.action and found == {
        "spf": [kind.spf],
        "dkim": kind.dkim,
        "dmarc": [kind.dmarc, "reject"],
    }


def is_what_check_says(kind: Kind, octets: bytes, answer: MtaResponse, offline: Dns) -> bool:
    """Whether the Python interface, as `check` uses it, comes to the very same field."""
    envelope = Envelope(ip_address(kind.client).packed, "h.example", kind.mail_from)
    found = evaluate(octets, envelope, offline, ENFORCE)
    if found.disposition.action.value != answer.action:
        return False
    assert found.verdict is not None
    return answer.action == "reject" or answer.results == " " + field_value(
        "mx.example.org", found.verdict, found.disposition
    )


@pytest.mark.parametrize("family", ["unix", "inet"])
def test_four_hundred_messages(tmp_path: Path, family: str) -> None:
    chance = random.Random(family)
    address = f"unix:{tmp_path}/socket" if family == "unix" else f"inet:{free_port()}@127.0.0.1"
    wrong: list[object] = []
    offline = Dns.zone(zone())
    with NameServerThread(ZoneResolver.from_text(zone())) as server:
        text = f'workers = 2\n[dns]\nnameservers = ["{server.address}"]\n[policy]\nmode = "enforce"\n'
        running = RunningFilter(tmp_path, address, text)
        for number in range(COUNT):
            kind = KINDS[number % len(KINDS)]
            size = chance.choice([2_000, 2_000, 20_000, 60_000]) if number % 40 else 2_000_000
            octets = message(kind, size, chance)
            header, body = split_message(octets)
            fields = [(field.name.encode(), field.value) for field in header]
            mta = running.mta()
            mta.connect("h.example", kind.client)
            mta.helo("h.example")
            answer = mta.message(kind.mail_from, ["y@example.org"], fields, body)
            mta.quit()
            if not is_right(kind, answer):
                wrong.append((kind, answer))
            elif not is_what_check_says(kind, octets, answer, offline):
                wrong.append((kind, "check says something else"))
        assert running.stop() == 0
    assert wrong == []
    assert "Traceback" not in running.log
