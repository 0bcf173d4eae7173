"""What other settings would do to messages that are in the journal (pure).

The filter's own policy decides, on what a record tells of the verdict. What a record does not tell (all recipients, the
client's reverse names, SPF for HELO, a verdict on mail that was not judged) leaves the outcome open; it is counted as
such.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.arc.results import MethodResult, SealedResults
from dmarc_milter.columns.column import Row
from dmarc_milter.common import network
from dmarc_milter.common.network import Network, contains
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc.evaluation import Discovery, DmarcEvaluation, DmarcResult
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.judging import policy
from dmarc_milter.judging.override import Override
from dmarc_milter.judging.policy import PolicySettings
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.site import policy_settings
from dmarc_milter.judging.verdict import Envelope, SpfFinding, SpfIdentity, Verdict
from dmarc_milter.message.author import Author
from dmarc_milter.message.mailing_list import MailingList
from dmarc_milter.message.reasons import Unusable
from dmarc_milter.message.received import HandOver, Relayed
from dmarc_milter.settings.config import Settings
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason

UNKNOWN = "unknown"
MAX_EXAMPLES = 5
_OWN = PolicyReason.TRUSTED_NETWORK.value
# Nobody is told these: a decision compares results.
_SPF_REASON, _DMARC_REASON = SpfReason.NO_CLIENT(), DmarcReason.NOT_LOOKED_INTO()


@dataclass
class Changed:
    """Messages with which something else would be done."""

    count: int = 0
    examples: list[str] = field(default_factory=list)
    """Queue ids of the newest."""
    authors: "Counter[str]" = field(default_factory=Counter)


class Rejudging:
    """Settings, applied to rows."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        decision = policy_settings(settings)
        self._trusted: tuple[Network, ...] = tuple(map(network.of, settings.policy.trusted_networks))
        self._with = replace(decision, overrides=tuple(map(_without_unknown, decision.overrides)))
        self._without = replace(decision, overrides=tuple(each for each in decision.overrides if not _asks(each)))

    @property
    def needs_all(self) -> bool:
        """Whether messages that pass have to be looked at, too: a rule may refuse them."""
        return bool(self._with.overrides)

    def action(self, row: Row) -> str:
        """What would be done with a message: an action, or UNKNOWN."""
        address = row["outer_client"] or row["client"]
        is_own = address is not None and contains(self._trusted, ip_address(address).packed)
        if row["spf"] is None:
            return str(row["action"]) if is_own or row["reason_code"] != _OWN else UNKNOWN
        if is_own:
            return "accept"
        verdict = verdict_of(row)
        if verdict is None:
            return UNKNOWN
        found = {self._decided(verdict, each) for each in (self._with, self._without)}
        return found.pop() if len(found) == 1 else UNKNOWN

    @staticmethod
    def _decided(verdict: Verdict, settings: PolicySettings) -> str:
        return policy.decide(verdict, settings).action.value


def _asks(rule: Override) -> bool:
    """Whether it asks for what no record tells."""
    return bool(rule.reverse_name or rule.recipient_domain or rule.helo_spf)


def _without_unknown(rule: Override) -> Override:
    return replace(rule, reverse_name=(), recipient_domain=(), helo_spf=())


def rejudged(rows: Iterable[Row], rejudging: Rejudging) -> dict[tuple[str, str], Changed]:
    """Messages by what was done and what would be done with them, oldest first."""
    found: dict[tuple[str, str], Changed] = {}
    for row in rows:
        changed = found.setdefault((row["action"], rejudging.action(row)), Changed())
        changed.count += 1
        changed.examples = [*changed.examples[1 - MAX_EXAMPLES :], row["queue_id"]]
        author = row["author_domain"] or ""
        if author in changed.authors or len(changed.authors) < 1_000:
            changed.authors[author] += 1
    return found


def verdict_of(row: Row) -> Verdict | None:
    """As much of the verdict as a decision reads; None where a record of an older version does not tell enough."""
    evaluation = _evaluation(row)
    if evaluation.result is DmarcResult.FAIL and evaluation.policy is None:
        return None
    if row["author_domain"] is None and row["from_code"] is None:
        return None
    client = _packed(row["client"])
    outer = _packed(row["outer_client"])
    return Verdict(
        Envelope(client, row["helo"], row["mail_from"]),
        SpfFinding(Check(SpfResult(row["spf"]), _SPF_REASON), SpfIdentity.MAIL_FROM, row["spf_domain"]),
        tuple(SignatureResult(DkimResult(each["result"]), None, each["domain"]) for each in row["dkim"] or ()),
        row["dkim_left_out"] or 0,
        _chain(row),
        _author(row),
        evaluation,
        Relayed(HandOver(outer, row["helo"]), None, 1) if outer is not None else None,
        mailing_list=_mailing_list(row),
    )


def _packed(address: str | None) -> bytes | None:
    return None if address is None else ip_address(address).packed


def _author(row: Row) -> Author:
    domain, code = row["author_domain"], row["from_code"]
    if code is None:
        return Author(domain)
    return Author(unusable=Unusable(code), apparent=(domain,) if domain else ())


def _evaluation(row: Row) -> DmarcEvaluation:
    published, in_force = row["published_policy"], row["policy"]
    return DmarcEvaluation(
        DmarcResult(row["dmarc"]),
        _DMARC_REASON,
        row["author_domain"],
        Discovery(row["author_domain"] or "", row["policy_domain"]),
        Policy(published) if published else None,
        Policy(in_force) if in_force else None,
    )


def _chain(row: Row) -> Chain:
    saw_pass = MethodResult("dmarc", "pass", (("header.from", row["author_domain"] or ""),))
    oldest_first = reversed(row["arc_vouching"] or ())
    results = tuple(SealedResults(each, "", () if later else (saw_pass,)) for later, each in enumerate(oldest_first))
    return Chain(ArcStatus(row["arc"]), sealers=tuple(row["arc_sealers"] or ()), results=results)


def _mailing_list(row: Row) -> MailingList | None:
    list_id, has_address = row["list_id"], row["list_has_address"]
    return None if list_id is None else MailingList(list_id, has_address is not False)
