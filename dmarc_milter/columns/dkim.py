"""What the signatures say."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from dmarc_milter import wording
from dmarc_milter.columns.column import MAX_TEXT, NOBODY, Column, Finding, Kind, Line, Row
from dmarc_milter.common.text import printable
from dmarc_milter.judging.verdict import Verdict


def _signatures(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "result": each.result.value,
            "reason": printable(wording.text(each.reason), MAX_TEXT),
            "code": wording.code(each.reason),
            "domain": each.domain,
            "selector": each.selector,
            "algorithm": each.algorithm,
            "key_bits": each.key_bits,
            "is_test": each.is_test,
        }
        for each in verdict.signatures
    ]


def _results(row: Row) -> str | None:
    """``pass:bank.example``; of two signatures of one domain, the selectors tell them apart."""
    signatures = row["dkim"]
    if signatures is None:
        return None
    if len(signatures) < 2:
        return _result(signatures[0]) if signatures else "none"
    count = Counter(each["domain"] for each in signatures)
    return ",".join(
        f"{_result(each)}/{each['selector'] or '?'}" if count[each["domain"]] > 1 else _result(each)
        for each in signatures
    )


def _result(signature: Row) -> str:
    return f"{signature['result']}:{signature['domain'] or '?'}"


def _reasons(row: Row) -> str | None:
    return "; ".join(each["reason"] for each in row["dkim"] or () if each["reason"]) or None


def _codes(row: Row) -> str | None:
    return ",".join(each["code"] for each in row["dkim"] or () if each["code"]) or None


def _lines(row: Row) -> Iterator[Line]:
    if not row["dkim"]:
        yield Line("DKIM", "none: the message is not signed")
    for each in row["dkim"] or ():
        size = f", {each['key_bits']} bits" if each["key_bits"] else ""
        test = ", for tests (t=y)" if each.get("is_test") else ""
        key = f"s={each['selector'] or '?'}, {each['algorithm'] or '?'}{size}{test}"
        reason = f": {each['reason']}" if each["reason"] else ""
        yield Line("DKIM", f"{each['result']} for {each['domain'] or '?'}{reason} ({key})", each["result"])
    if row["dkim_left_out"]:
        yield Line("DKIM", f"{row['dkim_left_out']} more signatures were not looked at")


FINDING = Finding(
    "dkim",
    (
        Column("dkim", _signatures, kind=Kind.JSON, log="dkim", shown=_results),
        Column("dkim_code", None, log="dkim_code", shown=_codes, readers=NOBODY),
        Column("dkim_reason", None, log="dkim_reason", shown=_reasons, readers=NOBODY),
        Column(
            "dkim_left_out",
            lambda verdict: verdict.signatures_left_out or None,
            kind=Kind.COUNT,
            log="dkim_left_out",
            since=3,
        ),
    ),
    _lines,
    codes=lambda row: [each["code"] for each in row["dkim"] or ()],
)
