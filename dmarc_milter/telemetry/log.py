"""One line a message: logfmt or JSON, with nothing in it that could end a line or a value."""

import ipaddress
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping

from dmarc_milter import wording
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.verdict import Verdict
from dmarc_milter.settings.log import LogSection

logger = logging.getLogger("dmarc_milter")


class _JsonFormatter(logging.Formatter):
    """Every line an object: those about messages as they are, others with their level."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info is None and text.startswith("{"):
            return text
        fields = {"level": record.levelname.lower(), "message": text}
        if record.exc_info is not None:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class _PriorityFormatter(logging.Formatter):
    """Each line behind its priority, as journald reads it from standard error (sd-daemon(3)): ``<3>``."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        text = self._inner.format(record)
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return prefix + text.replace("\n", f"\n{prefix}")


_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


def is_read_by_journald(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to `descriptor` goes to journald (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_up(format_: str) -> None:
    """Log to standard error; journald and syslog add the time."""
    handler = logging.StreamHandler(sys.stderr)
    is_json = format_ == "json"
    formatter: logging.Formatter = _JsonFormatter() if is_json else logging.Formatter("%(levelname)s %(message)s")
    handler.setFormatter(_PriorityFormatter(formatter) if is_read_by_journald(2) else formatter)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def message_line(record: MessageRecord, settings: LogSection) -> str:
    """The line about one message."""
    disposition, envelope = record.disposition, record.envelope
    pairs: list[tuple[str, str | None]] = [
        ("queue_id", record.queue_id),
        ("client", _address(envelope.client_address) or "none"),
        ("helo", envelope.helo),
        ("mail_from", envelope.mail_from if settings.addresses else envelope.mail_from.rpartition("@")[2]),
        *(_found(record.verdict) if record.verdict is not None else []),
        ("action", disposition.action.value),
        (
            "wanted",
            disposition.enforced_action.value if disposition.enforced_action is not disposition.action else None,
        ),
        ("override", disposition.override.value if disposition.override else None),
        ("rule", disposition.rule),
        ("reply", str(record.reply) if record.reply else None),
        ("reason", wording.decision(disposition)),
        ("waited_ms", f"{record.seconds_waited * 1e3:.0f}" if record.seconds_waited else None),
    ]
    return formatted(pairs, settings.format)


def _found(verdict: Verdict) -> list[tuple[str, str | None]]:
    dmarc = verdict.dmarc
    return [
        ("outer_client", (_address(verdict.client_address) or "unknown") if verdict.relayed else None),
        ("from_domain", verdict.dmarc.author_domain),
        ("spf", verdict.spf.check.result.value),
        ("spf_reason", wording.text(verdict.spf.check.reason)),
        ("dkim", ",".join(f"{each.result.value}:{each.domain or '?'}" for each in verdict.signatures) or "none"),
        ("dkim_reason", "; ".join(each.reason for each in verdict.signatures if each.reason) or None),
        ("dkim_left_out", str(verdict.signatures_left_out) if verdict.signatures_left_out else None),
        ("arc", verdict.arc.status.value),
        ("arc_reason", verdict.arc.reason or None),
        ("dmarc", dmarc.result.value),
        ("policy", dmarc.policy.value if dmarc.policy else None),
        ("policy_domain", dmarc.discovery.policy_domain if dmarc.discovery else None),
    ]


def _address(address: bytes | None) -> str | None:
    return str(ipaddress.ip_address(address)) if address else None


def formatted(pairs: Iterable[tuple[str, str | None]], format_: str) -> str:
    """Pairs without a value are left out."""
    present = {key: value for key, value in pairs if value is not None}
    if format_ == "json":
        return json.dumps({key: _printable(value) for key, value in present.items()})
    return " ".join(f"{key}={_logfmt(value)}" for key, value in present.items())


MAX_VALUE = 300
_PLAIN = re.compile(r'[^ ="\\]+')


def _printable(value: str) -> str:
    text = value if value.isprintable() else "".join(each if each.isprintable() else "?" for each in value)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + "..."


def _logfmt(value: str) -> str:
    text = _printable(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
