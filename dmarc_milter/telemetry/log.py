"""One line per message: logfmt or JSON, with nothing in it that could end a line or a value."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.message import mail_from
from dmarc_milter.columns.table import logged
from dmarc_milter.common.text import printable
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
    # Nobody is told which thread, process or line of code a record is from: looking for it took a third of its time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as the documentation of logging has it, 'Optimization'
    handler = logging.StreamHandler(sys.stderr)
    is_json = format_ == "json"
    formatter: logging.Formatter = _JsonFormatter() if is_json else logging.Formatter("%(levelname)s %(message)s")
    handler.setFormatter(_PriorityFormatter(formatter) if is_read_by_journald(2) else formatter)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def message_line(row: Row, settings: LogSection) -> str:
    """The line about one message."""
    told = {**row, "mail_from": mail_from(row, addresses=settings.addresses)}
    return formatted(logged(told), settings.format)


def formatted(pairs: Iterable[tuple[str, str]], format_: str) -> str:
    """One line of keys and values."""
    if format_ == "json":
        return json.dumps({key: printable(value, MAX_VALUE) for key, value in pairs})
    return " ".join([f"{key}={_logfmt(value)}" for key, value in pairs])


MAX_VALUE = 300
_BARE = re.compile(rf"[!#-<>-\[\]-~]{{1,{MAX_VALUE}}}")
"""Most values: nothing has to be replaced, cut or quoted in them, which one look tells."""
_UNQUOTED = re.compile(r'[^ ="\\]+')


def _logfmt(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    text = printable(value, MAX_VALUE)
    if _UNQUOTED.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
