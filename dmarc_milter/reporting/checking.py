"""Whether what we send passes: one report to ourselves, judged by the real evaluation before anybody gets one."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from dmarc_milter import wording
from dmarc_milter.api import Dns, evaluate
from dmarc_milter.common.network import address_text
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dmarc.evaluation import DmarcResult
from dmarc_milter.dmarc.record import parse
from dmarc_milter.dmarc.report_destination import mailbox
from dmarc_milter.journal.reported import Content, Signature, policy_key
from dmarc_milter.judging.verdict import Envelope, Verdict
from dmarc_milter.reporting.document import Record, parts
from dmarc_milter.reporting.identity import ReportIdentity
from dmarc_milter.reporting.mail import aggregate_mail
from dmarc_milter.reporting.making import Sender
from dmarc_milter.reporting.sending import bounce_address
from dmarc_milter.reporting.signing import signed
from dmarc_milter.spf.check import SpfResult

_TOKEN = "0" * 32


class Finding(NamedTuple):
    """One thing that was looked at."""

    label: str
    text: str
    is_right: bool | None
    """None: not right, and no reason not to send."""


class CheckOutcome(NamedTuple):
    """What was found."""

    findings: tuple[Finding, ...]

    @property
    def passes(self) -> bool:
        """Whether nothing was found wrong."""
        return all(each.is_right is not False for each in self.findings)


def sample(sender: Sender, day: int) -> bytes:
    """A report about our own domain, of one message, as it would be sent."""
    record = parse(f"v=DMARC1; p=none; rua=mailto:{sender.reporter.email}".encode())
    content = Content(
        "192.0.2.1", sender.domain, sender.domain, (Signature(sender.domain, "sample", "pass"),), None, "none", None
    )
    identity = ReportIdentity(sender.submitter, sender.domain, policy_key(record), day)
    (part,) = parts(identity, sender.reporter, record, [Record(content, True, False, 1)])
    message = aggregate_mail(part, sender.reporter, [sender.reporter.email], day)
    return signed(message, sender.domain, sender.keys, day) if sender.keys else message


def check(message: bytes, sender: Sender, clients: Sequence[bytes], helo: str, dns: Dns) -> CheckOutcome:
    """Judge `message` as a receiver would to whom each of `clients` (packed addresses) brings it.

    Without `clients`, nothing is known of SPF: then a signature has to carry it.
    """
    findings: list[Finding] = []
    known: list[bytes | None] = [*clients]
    for client in known or [None]:
        envelope = Envelope(client, helo, bounce_address(sender.reporter.email, _TOKEN))
        verdict = evaluate(message, envelope, dns).verdict
        if verdict is None:
            findings.append(Finding("SPF", "this host's own address is nobody's client: name another one", False))
            continue
        findings += [*_of_signatures(verdict, sender), *_of_client(verdict, client), *_of_policy(verdict, sender)]
    return CheckOutcome(tuple(dict.fromkeys(findings)))


def _of_signatures(verdict: Verdict, sender: Sender) -> list[Finding]:
    found = []
    for each in verdict.signatures:
        is_right = each.result is DkimResult.PASS
        why = f": {wording.text(each.reason)}" if each.reason is not None else ""
        key = f"{each.selector}._domainkey.{each.domain}"
        found.append(Finding("DKIM", f"{each.result.value} with the key at {key}{why}", is_right or not sender.keys))
    if not found:
        found.append(Finding("DKIM", "not signed: set report.dkim_key, or let your MTA sign and give --message", None))
    return found


def _of_client(verdict: Verdict, client: bytes | None) -> list[Finding]:
    if client is None:
        return [Finding("SPF", "not looked at: name the addresses that your mail leaves from with --client", None)]
    check = verdict.spf.check
    text = f"{check.result.value} for {verdict.spf.domain} from {address_text(client)}: {wording.text(check.reason)}"
    return [Finding("SPF", text, True if check.result is SpfResult.PASS else None)]


def _of_policy(verdict: Verdict, sender: Sender) -> list[Finding]:
    dmarc = verdict.dmarc
    is_passing = dmarc.result is DmarcResult.PASS
    found = [Finding("DMARC", f"{dmarc.result.value}: {wording.text(dmarc.reason)}", is_passing)]
    record = dmarc.discovery.record if dmarc.discovery is not None else None
    if record is None or dmarc.discovery is None:
        return found
    where = f"the record of {dmarc.discovery.policy_domain}"
    asked = (*record.report_addresses, *record.failure_addresses)
    if not asked:
        return [*found, Finding("reports", f"{where} asks for none: nobody reports about our reports", True)]
    named = ", ".join(each.address if (each := mailbox(uri)) is not None else uri for uri in asked)
    text = f"{where} asks for reports ({named}): give {sender.domain} a record of its own without rua and ruf"
    return [*found, Finding("reports", text, False)]


def fingerprint(sender: Sender, transport: str) -> str:
    """Of all settings on which it depends that a report passes."""
    keys = [f"{each.selector}={hashlib.sha256(each.public).hexdigest()}" for each in sender.keys]
    about = "\n".join((sender.reporter.email.lower(), sender.submitter, transport, *keys))
    return hashlib.sha256(about.encode()).hexdigest()
