"""What became of one message, told to people: the outcome first, then each fact once (pure)."""

from collections.abc import Iterator

from dmarc_milter.columns import message
from dmarc_milter.columns.column import Line, Row
from dmarc_milter.columns.table import lines
from dmarc_milter.wording.actions import DONE

_TOLD_ELSEWHERE = ("decision", "enforce", "reply", "override", "rule", "policy")


def outcome(row: Row) -> str:
    """What was done, and why, in a sentence."""
    done = DONE[row["action"]]
    if row["spf"] is None:
        return f"{done}, {row['reason']}"
    if row["wanted"] != row["action"]:
        return f"{done}, mode monitor: enforce would have {DONE[row['wanted']]} it, for {_why(row)}"
    return f"{done}, mode {row['mode']}: {_why(row)}"


def _why(row: Row) -> str:
    if row["rule"]:
        return f"your rule {row['rule']} says so"
    if row["override"] in ("trusted_forwarder", "mailing_list"):
        return str(row["comment"] or row["override"])
    if row["dmarc"] == "fail" and row["policy"]:
        test = f" (t=y: only testing its {row['published_policy']})" if row["policy"] != row["published_policy"] else ""
        return f"DMARC fails, and {row['policy_domain']} asks for {row['policy']}{test}"
    return str(row["reason"]).removeprefix("mode monitor: ")


def story(row: Row, *, is_held: bool) -> Iterator[Line]:
    """Evidence and what was done, a label each; `is_held`: quarantine is the MTA's, not a mark in the header."""
    for finding, line in lines(row):
        if line.label == "DMARC":
            yield Line("DMARC", _dmarc(row), row["dmarc"])
        elif line.label in ("SPF", "DKIM"):
            yield Line(line.label, line.text + _alignment(row, line), line.result)
        elif (line.label and line.label not in _TOLD_ELSEWHERE) or finding is message.FINDING:
            yield line
    yield from _done(row, is_held=is_held)


def _dmarc(row: Row) -> str:
    asked = f"; {row['policy_domain']} publishes {row['published_policy']}" if row["published_policy"] else ""
    identifiers = row["alignments"] or ()
    reason = "" if identifiers and row["dmarc"] in ("pass", "fail") else f": {row['dmarc_reason']}"
    return f"{row['dmarc']}{reason}{asked}"


def _alignment(row: Row, line: Line) -> str:
    """Of what passed: whether it is aligned with From, and why not."""
    if line.result != "pass":
        return ""
    for each in row["alignments"] or ():
        said = f"pass for {each['domain']}"
        is_this = line.text == said or line.text.startswith((f"{said}:", f"{said} "))
        if is_this and each["mechanism"] == line.label.lower() and each["aligned"] is not None:
            return "; aligned with From" if each["aligned"] else f"; not aligned: {each['why']}"
    return ""


def _done(row: Row, *, is_held: bool) -> Iterator[Line]:
    if row["override"] and row["comment"] and row["rule"]:
        yield Line("rule", f"{row['rule']}: {row['comment']}")
    if row["reply"]:
        yield Line("done", f"the client was told: {row['reply']}", row["action"])
    elif row["action"] == "quarantine" and is_held:
        yield Line("done", f"held by the MTA: postsuper -H {row['queue_id']} releases it", row["action"])
    elif row["action"] == "quarantine":
        yield Line("done", "delivered; the header says quarantine, which makes it Junk (docs/sieve.md)", row["action"])
    elif row["spf"] is not None and row["action"] == "accept":
        yield Line("done", "delivered, with Authentication-Results added", row["action"])
