"""What DMARC asks ahead of the end of the message: all that its evaluation then asks, and little else."""

from collections.abc import Sequence
from typing import Any

import pytest

from dmarc_milter.dmarc.evaluation import Authenticated, Identifier, Mechanism, evaluate
from dmarc_milter.dmarc.prefetch import prefetch
from dmarc_milter.dns.answer import Answer, OnAnswer, Question, RecordType
from dmarc_milter.dns.runner import run
from dmarc_milter.dns.zone import ZoneResolver

ZONE = """
$TTL 300
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; np=reject; sp=quarantine"
_dmarc.a.b.c.shop.example. IN TXT "v=DMARC1; p=none"
x.bank.example. IN A 192.0.2.1
"""


class Recording:
    """A resolver that notes what is asked, whether it is waited for or not."""

    def __init__(self) -> None:
        self._zone = ZoneResolver.from_text(ZONE)
        self.asked: list[Question] = []

    async def resolve(self, question: Question) -> Answer[Any]:
        self.asked.append(question)
        return await self._zone.resolve(question)

    def peek(self, question: Question) -> Answer[Any] | None:
        return None

    def prefetch(self, questions: Sequence[Question], then: OnAnswer | None = None) -> None:
        self.asked += questions


def asked_early(author: str, domains: list[str]) -> set[Question]:
    resolver = Recording()
    run(prefetch(resolver, author, domains), ZoneResolver({}))
    return set(resolver.asked)


def asked_by_evaluation(author: str, domains: list[str]) -> set[Question]:
    resolver = Recording()
    identifiers = [Identifier(Mechanism.DKIM, each, Authenticated.YES) for each in domains]
    run(evaluate(resolver, author, identifiers), ZoneResolver({}))
    return set(resolver.asked)


def names(*domains: str) -> set[Question]:
    return {Question(f"_dmarc.{each}", RecordType.TXT) for each in domains}


@pytest.mark.parametrize(
    ("author", "domains"),
    [
        ("bank.example", ["bank.example"]),
        ("bank.example", ["mail.bank.example"]),
        ("x.bank.example", ["bank.example"]),
        ("x.bank.example", ["x.bank.example", "esp.example"]),
        ("gone.bank.example", []),
        ("bank.example", ["esp.example", "a.esp.example"]),
        ("a.b.c.shop.example", ["c.shop.example"]),
        ("none.example", ["none.example"]),
    ],
)
def test_the_evaluation_asks_nothing_else(author: str, domains: list[str]) -> None:
    assert asked_by_evaluation(author, domains) <= asked_early(author, domains)


@pytest.mark.parametrize(
    ("domains", "asked"),
    [
        (["bank.example"], names("bank.example")),
        (["esp.test"], names("bank.example")),
        (["bank.example", "crook.test"], names("bank.example")),
        # A name that may have the Organizational Domain of the Author Domain needs this one's walk, and no more.
        (["crook.example"], names("bank.example", "example")),
        (["mail.bank.example"], names("mail.bank.example", "bank.example", "example")),
    ],
)
def test_strangers_are_not_asked(domains: list[str], asked: set[Question]) -> None:
    assert asked_early("bank.example", domains) == asked
    assert asked_by_evaluation("bank.example", domains) <= asked


def test_a_sender_cannot_multiply_questions() -> None:
    deep = [".".join("abcdefghij") + f".{number}.bank.example" for number in range(50)]
    assert len(asked_early("bank.example", deep)) <= 2 + 3 * 8
