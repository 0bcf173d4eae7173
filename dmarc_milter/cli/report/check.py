"""dmarc-milter report check"""

import argparse
import json
import socket
import sys
import time
from ipaddress import ip_address

from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.report.common import DONE, REPORT_ERRORS, dns, failed, load_for_sending, opened, sender
from dmarc_milter.common.terminal import Severity, is_coloured, painted
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.reporting.checking import CheckOutcome, check, fingerprint, sample
from dmarc_milter.reporting.making import Sender
from dmarc_milter.reporting.outbox import Outbox

NOT_PASSED = 1
_SEVERITIES = {True: Severity.GOOD, False: Severity.BAD, None: Severity.DOUBTFUL}
_MARKS = {True: "ok", False: "WRONG", None: "note"}


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    settings = load_for_sending(options)
    who = sender(settings)
    try:
        clients = [ip_address(each).packed for each in options.client]
    except ValueError as error:
        print(f"dmarc-milter: --client: {error}", file=sys.stderr)
        return USAGE_ERROR
    try:
        message = _message(options, who)
        with dns(settings) as asked:
            found = check(message, who, clients, socket.getfqdn(), asked)
        if found.passes:
            with opened(options, settings) as store:
                Outbox(store).note_check(fingerprint(who, settings.report.transport), time.time())
    except OSError as error:
        print(f"dmarc-milter: --message {options.message}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    except REPORT_ERRORS as error:
        return failed(error)
    _tell(found, as_json=options.json)
    return DONE if found.passes else NOT_PASSED


def _message(options: argparse.Namespace, who: Sender) -> bytes:
    if options.message is not None:
        octets: bytes = options.message.read_bytes()
        return octets
    return sample(who, int(time.time() // DAY) * DAY)


def _tell(found: CheckOutcome, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"passes": found.passes, "findings": [each._asdict() for each in found.findings]}))
        return
    for each in found.findings:
        severity = _SEVERITIES[each.is_right]
        mark = painted(f"{_MARKS[each.is_right]:<5}", severity, is_coloured=is_coloured("auto", sys.stdout))
        print(f"{mark} {each.label}: {each.text}")
    print("Reports may be sent." if found.passes else "Nothing is sent until all of this is right.")
