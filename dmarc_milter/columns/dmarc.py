"""What DMARC says."""

from collections.abc import Iterator
from typing import Any

from dmarc_milter import wording
from dmarc_milter.columns.column import MAX_TEXT, NOBODY, Column, Finding, Kind, Line, Row, code_column, text_of
from dmarc_milter.common.text import printable
from dmarc_milter.judging.verdict import Verdict


def _policy_domain(verdict: Verdict) -> str | None:
    discovery = verdict.dmarc.discovery
    return discovery.policy_domain if discovery is not None else None


def _policy_record(verdict: Verdict) -> bytes | None:
    discovery = verdict.dmarc.discovery
    return discovery.record.text if discovery is not None and discovery.record is not None else None


def _published_policy(verdict: Verdict) -> str | None:
    published = verdict.dmarc.published_policy
    return published.value if published is not None else None


def _policy(verdict: Verdict) -> str | None:
    policy = verdict.dmarc.policy
    return policy.value if policy is not None else None


def _alignments(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "mechanism": each.identifier.mechanism.value,
            "domain": each.identifier.domain,
            "authenticated": each.identifier.authenticated.value,
            "aligned": each.is_aligned,
            "why": printable(wording.text(each.why), MAX_TEXT),
            "code": wording.code(each.why),
        }
        for each in verdict.dmarc.alignments
    ]


_ALIGNED = {True: "aligned", False: "not aligned", None: "alignment not looked into"}


def _lines(row: Row) -> Iterator[Line]:
    yield Line("DMARC", f"{row['dmarc']}: {row['dmarc_reason']}", row["dmarc"])
    for each in row["alignments"] or ():
        identifier = f"{each['mechanism']} {each['domain']}: authenticated {each['authenticated']}"
        yield Line("", f"{identifier}, {_ALIGNED[each['aligned']]} ({each['why']})")
    if row["policy"]:
        test = (
            f"; it is only testing (t=y), so {row['policy']} is what applies"
            if row["policy"] != row["published_policy"]
            else ""
        )
        yield Line("policy", f"{row['published_policy']}, by the record of {row['policy_domain']}{test}")


FINDING = Finding(
    "dmarc",
    (
        Column("dmarc", lambda verdict: verdict.dmarc.result.value, 16, log="dmarc"),
        Column("dmarc_reason", text_of(lambda verdict: verdict.dmarc.reason)),
        code_column("dmarc_code", lambda verdict: verdict.dmarc.reason),
        Column("published_policy", _published_policy, 16),
        Column("policy", _policy, 16, log="policy"),
        Column("policy_domain", _policy_domain, 253, log="policy_domain"),
        Column("alignments", _alignments, kind=Kind.JSON),
        Column("policy_record", _policy_record, kind=Kind.OCTETS, readers=NOBODY),
        Column("is_dmarc_report", lambda verdict: verdict.is_dmarc_report, kind=Kind.TRUTH, readers=NOBODY),
    ),
    _lines,
    codes=lambda row: (row["dmarc_code"],),
)
