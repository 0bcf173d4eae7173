"""Verdicts as judging makes them, without mail."""

from dataclasses import replace
from typing import Any

from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.dmarc.evaluation import Discovery, DmarcEvaluation, DmarcResult
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.judging.verdict import Envelope, SpfFinding, SpfIdentity, Verdict
from dmarc_milter.message.author import Author
from dmarc_milter.message.reasons import Unusable
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason

WHY = DmarcReason.NOTHING_AUTHENTICATED()


def verdict(
    result: str,
    published: str | None = None,
    applied: str | None = None,
    unusable: Unusable | None = None,
    apparent: tuple[str, ...] = (),
    **more: Any,
) -> Verdict:
    author = Author(unusable=unusable, apparent=apparent) if unusable else Author("example.com")
    evaluation = DmarcEvaluation(
        DmarcResult(result),
        WHY,
        apparent[0] if apparent else author.domain,
        Discovery("example.com", "example.com"),
        Policy(published) if published else None,
        Policy(applied or published) if published else None,
    )
    spf = SpfFinding(Check(SpfResult.NONE, SpfReason.NO_CLIENT()), SpfIdentity.MAIL_FROM, None)
    found = Verdict(Envelope(None, "", ""), spf, (), 0, Chain(ArcStatus.NONE), author, evaluation)
    return replace(found, **more)
