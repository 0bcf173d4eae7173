"""dmarc-milter report show"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.cli.report.common import DONE, REPORT_ERRORS, failed, load, opened
from dmarc_milter.common.text import printable
from dmarc_milter.reporting.mail import attachment
from dmarc_milter.reporting.reading import MAX_OCTETS, Fault, ReceivedRecord, ReceivedReport, read

_WHY = {
    Fault.TOO_LARGE: "it is larger than a report may be, or unpacks to more than 40 MB",
    Fault.NO_REPORT: "there is no report in it: neither XML, nor gzip, zip or a mail with one",
    Fault.NO_XML: "its XML cannot be read",
    Fault.FORBIDDEN: "it holds a DTD or entities, which no report has",
    Fault.TOO_DEEP: "its elements lie deeper in each other than those of a report",
}
_ID = re.compile(r"[0-9a-f]{32}")
_TEXT = 300


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    try:
        octets = _octets(options)
    except OSError as error:
        print(f"dmarc-milter: {options.report}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    except REPORT_ERRORS as error:
        return failed(error)
    if octets is None:
        print(f"dmarc-milter: there is no report {options.report}", file=sys.stderr)
        return USAGE_ERROR
    found = read(octets)
    if isinstance(found, Fault):
        print(f"dmarc-milter: {options.report} cannot be read: {_WHY[found]}", file=sys.stderr)
        return USAGE_ERROR
    print(json.dumps(asdict(found)) if options.json else "\n".join(_lines(found)))
    return DONE


def _octets(options: argparse.Namespace) -> bytes | None:
    """A report of ours by its id, where there is no file of that name; else the file."""
    path = Path(options.report)
    if options.report == "-":
        return sys.stdin.buffer.read(MAX_OCTETS + 1)
    if _ID.fullmatch(options.report) is None or path.exists():
        with path.open("rb") as file:
            return file.read(MAX_OCTETS + 1)
    with opened(options, load(options)) as store:
        message = store.message(options.report)
    return attachment(message)[1] if message is not None else None


def _lines(report: ReceivedReport) -> Iterator[str]:
    told = {name: printable(value, _TEXT) for name, value in (report.metadata | report.policy).items()}
    yield f"report     {told.get('report_id', '?')}"
    yield f"by         {told.get('org_name', '?')} <{told.get('email', '?')}>"
    yield f"about      {told.get('domain', '?')}, {_moment(told.get('begin'))} to {_moment(told.get('end'))} UTC"
    tags = [f"{name}={told[name]}" for name in _TAGS if told.get(name)]
    yield f"policy     {' '.join(tags)}"
    if told.get("error"):
        yield f"error      {told['error']}"
    yield f"messages   {report.messages:,} in {len(report.records):,} records"
    yield ""
    yield f"{'source':<24}{'count':>9}  {'done':<11}{'dkim':<6}{'spf':<6}From"
    for record in sorted(report.records, key=lambda each: -each.count):
        yield from _record(record)


_TAGS = ("p", "sp", "np", "adkim", "aspf", "fo", "testing", "pct")


def _moment(text: str | None) -> str:
    if text is None or not text.isdecimal() or len(text) > 11:
        return "?"
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(int(text)))


def _record(record: ReceivedRecord) -> Iterator[str]:
    cells = (record.source_ip, record.disposition, record.dkim, record.spf, record.header_from)
    source, done, dkim, spf, header_from = (printable(each or "-", _TEXT) for each in cells)
    yield f"{source:<24}{record.count:>9,}  {done:<11}{dkim:<6}{spf:<6}{header_from}"
    for kind, comment in record.reasons:
        yield f"    because {printable(kind, _TEXT)}{': ' if comment else ''}{printable(comment, _TEXT)}"
    for each in record.signatures:
        domain, selector, result = (printable(value, _TEXT) for value in each)
        yield f"    DKIM {result} for {domain}{f', s={selector}' if selector else ''}"
    for each in record.spf_results:
        yield f"    SPF {printable(each.result, _TEXT)} for {printable(each.domain, _TEXT)}"
