"""Messages as a file, for spreadsheets and for programs (pure)."""

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any

from dmarc_milter.columns import message
from dmarc_milter.columns.column import Row
from dmarc_milter.common.moments import written

MAX_ROWS = 10_000
COLUMNS = (
    *("moment", "host", "queue_id", "message_id", "client", "outer_client", "helo", "mail_from", "author_domain"),
    *("spf", "spf_domain", "dkim", "arc", "list_id", "dmarc", "dmarc_reason", "policy", "policy_domain", "kind"),
    *("mode", "action", "wanted", "override", "rule", "reason", "reply", "uid"),
)
"""Of the CSV file. JSON has what `trace --json` has."""
_FORMULA = re.compile(r"(^\s*|[;\t\r\n] *)(?=[\t\r\n=+@\uff1d\uff0b\uff0d\uff20-])")
"""Where a spreadsheet would begin to calculate: in the first place, and behind what some take for the end of a cell.
The signs that are twice as wide are the same to those of East Asia."""


def without_local_parts(row: Row) -> Row:
    """As lists may show it: local parts are on the page of a message alone."""
    return {**row, "mail_from": message.mail_from(row, addresses=False), "moment": written(row["time"])}


def as_csv(rows: Iterable[Row]) -> str:
    """With the names of the columns. A cell that a spreadsheet would calculate has an apostrophe before it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        told = without_local_parts(row)
        writer.writerow([cell(told[name]) for name in COLUMNS])
    return out.getvalue()


def cell(value: Any) -> str:
    """One value."""
    if isinstance(value, list):
        # Signatures: who signed, and what came of it.
        value = " ".join(f"{each['result']}:{each['domain'] or '?'}" for each in value)
    text = "" if value is None else str(value)
    return _FORMULA.sub(r"\1'", text)


def as_json(rows: Iterable[Row]) -> str:
    """A list of objects."""
    return "[" + ",\n".join(json.dumps(without_local_parts(row)) for row in rows) + "]\n"
