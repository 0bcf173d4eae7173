"""Plays the examples to the real filter, started as an operator would, and tells what came of them."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dmarc_milter.common.terminal import Severity, painted, severity_of
from dmarc_milter.demo.examples import EXAMPLES, Example, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.mta import Mta, MtaResponse
from dmarc_milter.testing.name_server import NameServerThread

WIDTH = 88
START_SECONDS = 20.0

_SETTINGS = """\
[milter]
listen = "unix:{socket}"
authserv_id = "mx.example.org"
[dns]
nameservers = ["{server}"]
[policy]
mode = "enforce"
[metrics]
listen = ""
[journal]
enabled = false
"""


class StartError(Exception):
    """What the filter logged instead of serving."""


class _Printer:
    def __init__(self, out: TextIO, *, is_coloured: bool) -> None:
        self._out = out
        self._is_coloured = is_coloured

    def paint(self, text: str, severity: Severity) -> str:
        return painted(text, severity, is_coloured=self._is_coloured)

    def line(self, text: str = "") -> None:
        print(text, file=self._out)

    def pair(self, name: str, value: str, severity: Severity = Severity.PLAIN) -> None:
        lines = value.splitlines() or [""]
        self.line(f"  {self.paint(f'{name:10}', Severity.ASIDE)} {self.paint(lines[0], severity)}")
        for more in lines[1:]:
            self.line(f"  {'':10} {self.paint(more, severity)}")


def run(out: TextIO, *, is_coloured: bool) -> int:
    """The whole demo; the exit status: 0, or 2 where the filter could not be started."""
    printer = _Printer(out, is_coloured=is_coloured)
    printer.line(printer.paint("dmarc-milter demo: eight messages, judged by the real filter", Severity.TITLE))
    printer.line("The DNS answers from a zone on loopback; the messages come in over the milter protocol,")
    printer.line("stage by stage, as Postfix would send them. The filter enforces: it may refuse.")
    try:
        with NameServerThread(ZoneResolver.from_text(zone_text())) as server, _filter(server.address) as (path, log):
            for number, example in enumerate(EXAMPLES, 1):
                answer = _play(path, example)
                _tell(printer, number, example, answer, _last_line(log, example.name))
    except StartError as error:
        print(f"dmarc-milter: the filter did not start:\n{error}", file=sys.stderr)
        return 2
    return 0


@contextmanager
def _filter(server: str) -> Iterator[tuple[str, Path]]:
    """`dmarc-milter serve` on a private socket."""
    with tempfile.TemporaryDirectory(prefix="dmarc-milter-demo-") as folder:
        path, log = f"{folder}/socket", Path(folder, "log")
        Path(folder, "demo.toml").write_text(_SETTINGS.format(socket=path, server=server))
        command = [sys.executable, "-P", "-m", "dmarc_milter", "serve", "--config", f"{folder}/demo.toml"]
        with log.open("w") as errors, subprocess.Popen(command, stderr=errors) as process:  # noqa: S603
            try:
                _wait_until_ready(log, process)
                yield path, log
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def _wait_until_ready(log: Path, process: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + START_SECONDS
    while "serving on" not in log.read_text():
        if process.poll() is not None or time.monotonic() > limit:
            raise StartError(log.read_text())
        time.sleep(0.02)


def _play(path: str, example: Example) -> MtaResponse:
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(path)
        mta = Mta(connected)
        mta.connect(example.helo, example.client)
        mta.helo(example.helo)
        fields, body = example.content
        answer = mta.message(example.mail_from, ["you@example.org"], fields, body, queue_id=example.name)
        mta.quit()
    return answer


def _last_line(log: Path, queue_id: str) -> dict[str, str]:
    """What the filter logged about the message."""
    lines = [line for line in log.read_text().splitlines() if f"queue_id={queue_id} " in line]
    pairs = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', lines[-1] if lines else "")
    return {name: quoted or plain for name, quoted, plain in pairs}


def _tell(printer: _Printer, number: int, example: Example, answer: MtaResponse, found: dict[str, str]) -> None:
    printer.line()
    printer.line(printer.paint(f"{number}. {example.title}", Severity.TITLE))
    author = next(value for name, value in example.content[0] if name.lower() == b"from").decode().strip()
    printer.pair("sent", f"client {example.client}, EHLO {example.helo}, MAIL FROM <{example.mail_from}>")
    printer.pair("From", author)
    spf = found.get("spf", "none")
    printer.pair("SPF", f"{spf} ({found.get('spf_reason', '')})", severity_of(spf))
    dkim = found.get("dkim", "none")
    detail = f" ({found['dkim_reason']})" if "dkim_reason" in found else ""
    printer.pair("DKIM", dkim.replace(":", " for ") + detail, severity_of(dkim.partition(":")[0]))
    dmarc = found.get("dmarc", "none")
    policy = f", policy {found['policy']} from {found.get('policy_domain')}" if "policy" in found else ""
    printer.pair("DMARC", f"{dmarc}{policy}", severity_of(dmarc))
    action = found.get("action", "?")
    printer.pair("decided", _wrapped(f"{action}: {found.get('reason', '')}"), severity_of(action))
    if answer.reply:
        printer.pair("reply", answer.reply, Severity.BAD)
    else:
        printer.pair("header", "Authentication-Results:" + answer.results.replace("\t", "    "))
    printer.pair("why", _wrapped(example.lesson))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH - 13)
