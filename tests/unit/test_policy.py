"""The decision table: what was found, what the settings say, what is done."""

import pytest

from dmarc_milter import policy
from dmarc_milter.arc.chain import Chain, Status
from dmarc_milter.dmarc.evaluation import Discovery, Evaluation, Result
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.message.author import Author, Unusable
from dmarc_milter.policy import Mode, OnTemporaryError, OnUnusableFrom, PolicySettings, Quarantine
from dmarc_milter.reply import Reply, ReplySettings, reply
from dmarc_milter.spf.evaluation import Check
from dmarc_milter.spf.evaluation import Result as SpfCheckResult
from dmarc_milter.verdict import Envelope, SpfIdentity, SpfResult, Verdict


def verdict(
    result: str, published: str | None = None, applied: str | None = None, unusable: Unusable | None = None
) -> Verdict:
    author = Author(unusable=unusable) if unusable else Author("example.com")
    evaluation = Evaluation(
        Result(result),
        "why",
        author.domain,
        Discovery("example.com", "example.com"),
        Policy(published) if published else None,
        Policy(applied or published) if published else None,
    )
    spf = SpfResult(Check(SpfCheckResult.NONE, ""), SpfIdentity.MAIL_FROM, None)
    return Verdict(Envelope(None, "", ""), spf, (), 0, Chain(Status.NONE), author, evaluation)


ENFORCE = {"mode": Mode.ENFORCE}
DECISIONS = [
    # found                                     settings                                             done, wanted
    (verdict("pass", "reject"), ENFORCE, "accept", "accept"),
    (verdict("none"), ENFORCE, "accept", "accept"),
    (verdict("fail", "none"), ENFORCE, "accept", "accept"),
    (verdict("fail", "reject"), ENFORCE, "reject", "reject"),
    (verdict("fail", "reject"), {}, "accept", "reject"),
    (verdict("fail", "quarantine"), ENFORCE, "quarantine", "quarantine"),
    (verdict("fail", "quarantine"), {}, "accept", "quarantine"),
    (verdict("fail", "quarantine"), {**ENFORCE, "quarantine": Quarantine.HOLD}, "quarantine", "quarantine"),
    (verdict("fail", "quarantine"), {**ENFORCE, "quarantine": Quarantine.REJECT}, "reject", "reject"),
    (verdict("fail", "reject", "quarantine"), ENFORCE, "quarantine", "quarantine"),
    (verdict("fail", "quarantine", "none"), ENFORCE, "accept", "accept"),
    (verdict("temperror"), ENFORCE, "accept", "accept"),
    (verdict("temperror"), {**ENFORCE, "temperror": OnTemporaryError.TEMPFAIL}, "tempfail", "tempfail"),
    (verdict("temperror"), {"temperror": OnTemporaryError.TEMPFAIL}, "accept", "tempfail"),
    (verdict("permerror", unusable=Unusable.SEVERAL_FIELDS), ENFORCE, "reject", "reject"),
    (verdict("permerror", unusable=Unusable.SEVERAL_DOMAINS), ENFORCE, "reject", "reject"),
    (verdict("permerror", unusable=Unusable.SEVERAL_DOMAINS), {}, "accept", "reject"),
    (verdict("permerror", unusable=Unusable.NO_FIELD), ENFORCE, "accept", "accept"),
    (
        verdict("permerror", unusable=Unusable.NO_FIELD),
        {**ENFORCE, "unusable_from": OnUnusableFrom.REJECT},
        "reject",
        "reject",
    ),
    (
        verdict("permerror", unusable=Unusable.SEVERAL_FIELDS),
        {**ENFORCE, "unusable_from": OnUnusableFrom.ACCEPT},
        "accept",
        "accept",
    ),
    (
        verdict("permerror", unusable=Unusable.ROUTE),
        {**ENFORCE, "unusable_from": OnUnusableFrom.QUARANTINE},
        "quarantine",
        "quarantine",
    ),
]


@pytest.mark.parametrize(("found", "settings", "done", "wanted"), DECISIONS)
def test_decision(found: Verdict, settings: dict[str, object], done: str, wanted: str) -> None:
    disposition = policy.decide(found, PolicySettings(**settings))
    assert (disposition.action.value, disposition.wanted.value) == (done, wanted)


def test_replies() -> None:
    settings = PolicySettings(mode=Mode.ENFORCE, temperror=OnTemporaryError.TEMPFAIL)
    replies = [
        reply(found, policy.decide(found, settings), ReplySettings())
        for found in (verdict("fail", "reject"), verdict("temperror"), verdict("pass", "reject"))
    ]
    assert replies[0] == Reply("550", "5.7.1", "Email rejected per DMARC policy for example.com")
    assert replies[1] is not None
    assert (replies[1].code, replies[1].enhanced) == ("451", "4.7.24")
    assert replies[2] is None
