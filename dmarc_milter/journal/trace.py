"""The fate of a message, told to people."""

import textwrap
from datetime import UTC, datetime

from dmarc_milter.journal.advice import advice
from dmarc_milter.journal.row import Row

_LABEL = 12


def tell(row: Row, width: int) -> str:
    """Several lines about one message, no wider than `width` where words allow."""
    lines = [f"{row['queue_id']}  {when(row['time'])}  on {row['host']}"]
    for label, text in (*_received(row), *_found(row), *_done(row)):
        lines.append(_pair(label, text, width))
    for sentence in advice(row):
        lines.append(_pair("to mend", sentence, width))
    return "\n".join(lines)


def when(time: float) -> str:
    """A time in words, in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _pair(label: str, text: str, width: int) -> str:
    indent = " " * (_LABEL + 2)
    filled = textwrap.fill(text, max(40, width), initial_indent=indent, subsequent_indent=indent)
    return f"  {label.ljust(_LABEL)}{filled[_LABEL + 2 :]}"


def _received(row: Row) -> list[tuple[str, str]]:
    through = f", through our relay {row['client']}" if row["outer_client"] else ""
    client = row["outer_client"] or row["client"] or "none (local)"
    lines = [("received", f"from {client}{through}, HELO {row['helo'] or '(none)'}, MAIL FROM <{_path(row)}>")]
    if row["message_id"]:
        lines.append(("message-id", row["message_id"]))
    return lines


def _path(row: Row) -> str:
    address: str = row["mail_from"]
    return f"...@{address}" if address and "@" not in address else address


def _found(row: Row) -> list[tuple[str, str]]:
    if row["spf"] is None:
        return []
    lines = [("From", _author(row))]
    lines.append(("SPF", f"{row['spf']} for {row['spf_domain'] or 'no domain'}: {row['spf_reason']}"))
    for each in row["dkim"] or [None]:
        lines.append(("DKIM", "none" if each is None else _signature(each)))
    if row["arc"] != "none":
        lines.append(
            ("ARC", f"{row['arc']} {row['arc_reason'] or ''}, sealed by {', '.join(row['arc_sealers'] or ['?'])}")
        )
    if row["list_id"]:
        lines.append(("list", row["list_id"]))
    lines.append(("DMARC", f"{row['dmarc']}: {row['dmarc_reason']}"))
    lines += [("", _alignment(each)) for each in row["alignments"] or ()]
    if row["policy"]:
        test = f", of which t=y leaves {row['policy']}" if row["policy"] != row["published_policy"] else ""
        lines.append(("policy", f"{row['published_policy']}, by the record of {row['policy_domain']}{test}"))
    return lines


def _author(row: Row) -> str:
    if row["author_domain"] is None:
        return f"no usable domain: {row['from_reason'] or row['dmarc_reason']}"
    return f"{row['author_domain']}, shown by {row['from_reason']}" if row["from_reason"] else row["author_domain"]


def _signature(each: Row) -> str:
    size = f", {each['key_bits']} bits" if each["key_bits"] else ""
    key = f"s={each['selector'] or '?'}, {each['algorithm'] or '?'}{size}"
    reason = f": {each['reason']}" if each["reason"] else ""
    return f"{each['result']} for {each['domain'] or '?'} ({key}){reason}"


def _alignment(each: Row) -> str:
    aligned = {True: "aligned", False: "not aligned", None: "alignment not looked into"}[each["aligned"]]
    return f"{each['mechanism']} {each['domain']}: authenticated {each['authenticated']}, {aligned} ({each['why']})"


def _done(row: Row) -> list[tuple[str, str]]:
    lines = [("done", f"{row['action']}: {row['reason']}")]
    if row["wanted"] != row["action"]:
        lines.append(("enforce", f"would have been: {row['wanted']}"))
    if row["rule"]:
        lines.append(("rule", row["rule"]))
    if row["override"]:
        lines.append(("override", f"{row['override']}: {row['comment'] or ''}"))
    if row["reply"]:
        lines.append(("reply", row["reply"]))
    return lines
