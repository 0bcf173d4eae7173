"""ARC chains sealed by dkimpy, whole and broken."""

import asyncio
from typing import Any

import pytest

from dmarc_milter import wording
from dmarc_milter.arc import chain as arc_chain
from dmarc_milter.arc.chain import ArcStatus, Chain, PreparedChain, prepare, validate
from dmarc_milter.dkim.body import BodyHashes
from dmarc_milter.dns.answer import Answer, Question, RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from dmarc_milter.message.header import split_message
from tests.support.keys import strings
from tests.support.sealed import MESSAGE, RECORD, seal


def chain(message: bytes, *, published: bool = True) -> Chain:
    names = ("s._domainkey.lists.example", "s._domainkey.second.example") if published else ()
    zone = ZoneResolver(records_of({name: [(RecordType.TXT, strings(RECORD))] for name in names}))
    header, body = split_message(message)
    expected = prepare(header, 1_900_000_000)
    bodies = BodyHashes(expected.bodies if isinstance(expected, PreparedChain) else ())
    bodies.update(body)
    return asyncio.run(validate(zone, expected, bodies.finish()))


def twice() -> bytes:
    first = seal(MESSAGE)
    again = first.replace(
        b"\r\nAuthentication-Results: lists.example; arc=none;", b"\r\nAuthentication-Results: lists.example; arc=pass;"
    )
    return seal(again, b"second.example")


def test_no_chain() -> None:
    assert chain(MESSAGE) == Chain(ArcStatus.NONE)


def test_one_set() -> None:
    found = chain(seal(MESSAGE))
    assert (found.status, found.oldest_pass, found.sealers) == (ArcStatus.PASS, 0, ("lists.example",)), found.reason
    assert [each.result for each in found.results[0].of("dmarc")] == ["pass"]


def test_two_sets() -> None:
    found = chain(twice())
    assert (found.status, found.sealers) == (ArcStatus.PASS, ("lists.example", "second.example")), found.reason
    assert found.oldest_pass == 0


BROKEN = {
    "body changed": lambda message: message + b"more\r\n",
    "signed field changed": lambda message: message.replace(b"Subject: x", b"Subject: y"),
    "results changed": lambda message: message.replace(b"dmarc=pass", b"dmarc=none", 1),
    "a set is missing": lambda message: message.replace(b"i=1", b"i=7"),
    "instance 0": lambda message: message.replace(b"i=1", b"i=0"),
    "cv=fail": lambda message: message.replace(b"cv=none", b"cv=fail"),
    "seal with h=": lambda message: message.replace(b"ARC-Seal: ", b"ARC-Seal: h=from; "),
    "seal twice": lambda message: b"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=x.example; s=s; b=AAAA\r\n" + message,
    "51 seals": lambda message: b"ARC-Seal: i=1\r\n" * 51 + message,
    "not a tag list": lambda message: message.replace(b"ARC-Seal: ", b"ARC-Seal: ;;;"),
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN.keys())
def test_broken(spoil: object) -> None:
    found = chain(spoil(seal(MESSAGE)))  # type: ignore[operator]
    assert found.status is ArcStatus.FAIL
    assert found.reason


def test_a_failure_of_the_dns_is_permanent() -> None:
    assert chain(seal(MESSAGE), published=False).status is ArcStatus.FAIL


def test_the_first_hop_was_changed_before_the_second_sealed() -> None:
    first = seal(MESSAGE).replace(b"arc=none;", b"arc=pass;").replace(b"arc=pass;", b"arc=none;", 1)
    found = chain(seal(first.replace(b"Subject: x", b"Subject: [list] x"), b"second.example"))
    assert (found.status, found.oldest_pass) == (ArcStatus.PASS, 2), found.reason


def test_what_fails_first_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No older signature and no results are read, and no key of theirs is asked for, once the newest does not hold."""
    asked: list[str] = []
    real = ZoneResolver.look_up

    def look_up(zone: ZoneResolver, question: Question) -> Answer[Any]:
        asked.append(question.name)
        return real(zone, question)

    monkeypatch.setattr(ZoneResolver, "look_up", look_up)
    found = chain(twice() + b"more\r\n")
    assert wording.text(found.reason) == "message signature i=2: body was changed"
    assert (found.status, found.oldest_pass, found.results) == (ArcStatus.FAIL, None, ())
    assert asked == ["s._domainkey.second.example"]


def test_a_broken_seal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(arc_chain, "parse", lambda sealer, _: done.append(sealer))
    found = chain(twice().replace(b"dmarc=pass", b"dmarc=none", 1))
    assert (found.status, found.results, done) == (ArcStatus.FAIL, (), [])
    assert wording.text(found.reason).startswith("seal i=2")
