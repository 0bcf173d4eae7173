"""dmarc-milter report suppress, unsuppress, bounce"""

import argparse
import sys
import time

from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.report.common import DONE, REPORT_ERRORS, failed, load, opened
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.reporting.bounce import MAX_OCTETS
from dmarc_milter.reporting.bounce import bounce as read_bounce
from dmarc_milter.reporting.outbox import Outbox

NOT_SUPPRESSED = 1
TRY_AGAIN = 75
"""EX_TEMPFAIL (sysexits(3)): an MTA keeps what it has for this program."""


def suppress(options: argparse.Namespace) -> int:
    """The exit status."""
    settings, now = load(options), time.time()
    address = _address(options.address)
    if address is None:
        return USAGE_ERROR
    try:
        with opened(options, settings) as store:
            end = None if options.days is None else now + options.days * DAY
            Outbox(store).suppress(address, "by the operator", now, end)
    except REPORT_ERRORS as error:
        return failed(error)
    return DONE


def unsuppress(options: argparse.Namespace) -> int:
    """The exit status."""
    settings = load(options)
    address = _address(options.address)
    if address is None:
        return USAGE_ERROR
    try:
        with opened(options, settings) as store:
            if Outbox(store).unsuppress(address):
                return DONE
    except REPORT_ERRORS as error:
        return failed(error)
    print(f"{address} was not suppressed")
    return NOT_SUPPRESSED


def _address(text: str) -> str | None:
    local_part, at, domain = text.rpartition("@")
    host = to_identifier(domain)
    if not at or not local_part or host is None:
        print(f"dmarc-milter: {text!r} is no address", file=sys.stderr)
        return None
    return f"{local_part}@{host}"


def bounce(options: argparse.Namespace) -> int:
    """The exit status. What is no bounce of ours is no error: an MTA would send it back."""
    settings = load(options)
    found = read_bounce(sys.stdin.buffer.read(MAX_OCTETS), options.recipient)
    if found is None:
        print("no delivery of a report is named in it: nothing is noted")
        return DONE
    if not found.is_final:
        print(f"not a failure: nothing is noted ({found.why})")
        return DONE
    try:
        with opened(options, settings) as store:
            address = Outbox(store).bounced(found.token, found.why, time.time())
    except REPORT_ERRORS as error:
        failed(error)
        return TRY_AGAIN
    print(f"{address} gets no reports for a while" if address else "no such delivery: nothing is noted")
    return DONE
