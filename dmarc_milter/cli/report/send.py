"""dmarc-milter report send"""

import argparse
import json
import sys
import time

from dmarc_milter.cli.progress import Progress
from dmarc_milter.cli.report.common import (
    DONE,
    LEFT,
    REPORT_ERRORS,
    failed,
    load_for_sending,
    note_figures,
    opened,
    rules,
    sender,
)
from dmarc_milter.reporting.checking import fingerprint
from dmarc_milter.reporting.outbox import Outbox
from dmarc_milter.reporting.sending import UNLIMITED, Dispatcher, Pace, Sent
from dmarc_milter.reporting.transport import SendmailTransport, Server, SmtpTransport, Transport, server_address
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.report import ReportSection

_SMTP, _SUBMISSION = 25, 587


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    settings = load_for_sending(options)
    try:
        with opened(options, settings) as store, store.alone():
            who, outbox = sender(settings), Outbox(store)
            if not outbox.is_checked(fingerprint(who, settings.report.transport)):
                raise ConfigError(
                    "nothing is sent yet: `dmarc-milter report check` has not passed with these settings and keys"
                )
            pace = UNLIMITED if options.all else Pace(settings.report.spread_hours * 3_600.0)
            with transport(settings.report) as mta:
                progress = Progress(None, "mails")
                sent = Dispatcher(outbox, who, rules(settings, store, time.time()), mta, pace).send(progress.show)
                progress.hide()
            waiting = sum(each.all for each in outbox.waiting(time.time()))
            note_figures(settings, store, time.time(), is_success=sent.trouble is None)
    except REPORT_ERRORS as error:
        return failed(error)
    _tell(sent, waiting, as_json=options.json)
    return LEFT if waiting or sent.trouble else DONE


def transport(report: ReportSection) -> Transport:
    """The MTA of the settings. Raises ConfigError."""
    if report.transport == "sendmail":
        return SendmailTransport()
    is_submission = report.transport == "submission"
    try:
        host, port = server_address(report.server, _SUBMISSION if is_submission else _SMTP)
    except ValueError as error:
        raise ConfigError(f"report.server: {error}") from None
    return SmtpTransport(Server(host, port, is_submission, report.user, report.password_file, report.ca_file))


def _tell(sent: Sent, waiting: int, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**sent._asdict(), "waiting": waiting}))
        return
    if sent.trouble is not None:
        print(f"dmarc-milter: the MTA does not take reports: {sent.trouble}", file=sys.stderr)
    print(
        f"{sent.sent} sent, {sent.put_off} put off, {sent.refused} refused, {sent.suppressed} suppressed, "
        f"{sent.expired} given up; {waiting} wait"
    )
