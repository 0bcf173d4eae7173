"""What DMARC asks ahead of the end of the message: all that its evaluation then asks, and little else."""

import pytest

from dmarc_milter.dmarc.ahead import look_ahead
from dmarc_milter.dmarc.evaluation import Authenticated, Identifier, Mechanism, evaluate
from dmarc_milter.dns.answer import Answer, Question, RecordType, Then
from dmarc_milter.dns.zone import ZoneResolver

ZONE = """
$TTL 300
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; np=reject; sp=quarantine"
_dmarc.a.b.c.shop.example. IN TXT "v=DMARC1; p=none"
x.bank.example. IN A 192.0.2.1
"""


class Recording:
    """A resolver that notes what is asked ahead and what in earnest."""

    def __init__(self) -> None:
        self._zone = ZoneResolver.from_text(ZONE)
        self.ahead: list[Question] = []
        self.asked: list[Question] = []

    async def resolve(self, question: Question) -> Answer[object]:
        self.asked.append(question)
        return await self._zone.resolve(question)

    def peek(self, question: Question) -> Answer[object] | None:
        return None

    def prefetch(self, questions: list[Question], then: Then | None = None) -> None:
        self.ahead += questions
        for question in questions:
            if then is not None:
                then(question, self._zone.look_up(question))


def evaluated(author: str, domains: list[str]) -> Recording:
    resolver = Recording()
    look_ahead(resolver, author, domains)
    early, resolver.ahead = resolver.ahead, []
    identifiers = [Identifier(Mechanism.DKIM, each, Authenticated.YES) for each in domains]
    judging = evaluate(resolver, author, identifiers)
    with pytest.raises(StopIteration):
        judging.send(None)
    resolver.ahead = early
    return resolver


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
def test_the_evaluation_waits_for_nothing_else(author: str, domains: list[str]) -> None:
    found = evaluated(author, domains)
    assert set(found.asked) <= set(found.ahead)


def test_one_question_where_the_author_domain_itself_is_authenticated() -> None:
    found = evaluated("bank.example", ["bank.example", "esp.example"])
    assert found.ahead == [Question("_dmarc.bank.example", RecordType.TXT)]


def test_a_sender_cannot_multiply_questions() -> None:
    names = [".".join("abcdefghij") + f".{number}.example" for number in range(50)]
    assert len(evaluated("bank.example", names).ahead) <= 1 + 8 + 3 * 8
