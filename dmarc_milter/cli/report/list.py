"""dmarc-milter report list"""

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from dmarc_milter.cli.moments import told, written
from dmarc_milter.cli.report.common import DONE, REPORT_ERRORS, failed, load, opened
from dmarc_milter.common.text import printable
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.reporting.listing import Listed, WaitingDomain
from dmarc_milter.reporting.outbox import Outbox

MAX_REPLY = 200


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    settings = load(options)
    domain = (to_identifier(options.domain) or options.domain) if options.domain is not None else None
    try:
        with opened(options, settings) as store:
            outbox = Outbox(store)
            listed = outbox.listed(options.day, domain, options.state, options.limit)
            waiting = outbox.waiting_domains(options.day, domain, options.limit) if options.state is None else []
    except REPORT_ERRORS as error:
        return failed(error)
    if options.json:
        for row in (*map(_waiting_object, waiting), *map(_object, listed)):
            print(json.dumps(row))
    else:
        print("\n".join([*_waiting(waiting), *_deliveries(listed)]) or "No reports.")
    return DONE


def _object(each: Listed) -> dict[str, Any]:
    return {**each._asdict(), "day": _day(each.day), "changed": written(each.changed)}


def _waiting_object(each: WaitingDomain) -> dict[str, Any]:
    return {"domain": each.policy_domain, "day": _day(each.day), "state": each.state, "note": each.note}


def _day(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day))


def _waiting(domains: list[WaitingDomain]) -> Iterator[str]:
    for each in domains:
        state = "not made yet" if each.state == "open" else "given up"
        note = f": {printable(each.note, MAX_REPLY)}" if each.note else ""
        yield f"{_day(each.day)}  {each.policy_domain}  {state}{note}"


def _deliveries(listed: list[Listed]) -> Iterator[str]:
    for each in listed:
        yield f"{_day(each.day)}  {each.id}  {each.messages:>9,}  {each.domain}"
        reply = f"  {printable(each.reply, MAX_REPLY)}" if each.reply else ""
        yield f"    {each.state:<11}{told(each.changed)}  {printable(each.address, MAX_REPLY)}{reply}"
