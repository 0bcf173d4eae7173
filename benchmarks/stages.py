"""What a message costs stage by stage: libmilter's calls made by ourselves on one thread, all answers in the cache.

Used by benchmarks.report; by itself it prints the table: .venv/bin/python -m benchmarks.stages
"""

import logging
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import milter

from benchmarks import corpus
from benchmarks.corpus import Message
from dmarc_milter.columns.column import Row
from dmarc_milter.columns.table import told
from dmarc_milter.dns.answer import OnAnswer, Question
from dmarc_milter.dns.caching import CachingResolver
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.journal.insertion import _flat
from dmarc_milter.journal.row import row
from dmarc_milter.judging.site import Site
from dmarc_milter.milter import worker_state
from dmarc_milter.milter.worker_state import WorkerState
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry import metrics
from dmarc_milter.telemetry.log import message_line
from tests.support.libmilter import ALL_ACTIONS, ALL_STEPS, Callbacks, Context, registered

SENDERS = 40
MESSAGES = 200
ROUNDS = 10
_CHUNK = 65_535


class Stages:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, step: Callable[..., Any], *arguments: object) -> Any:
        started = time.perf_counter()
        value = step(*arguments)
        self.seconds[name] += time.perf_counter() - started
        return value


class Measuring(Protocol):
    """Whoever wants to know what a stage takes."""

    def timed(self, name: str, step: Callable[..., Any], *arguments: object) -> Any:
        """Call `step` with `arguments`, and note what it takes under `name`."""


def play(stages: Measuring, call: Callbacks, message: Message) -> None:
    """One message through all callbacks."""
    context = Context()
    stages.timed("connection", call["negotiate"], context, [ALL_ACTIONS, ALL_STEPS, 0, 0])
    stages.timed("connection", call["connect"], context, message.helo, 2, (message.client, 25))
    stages.timed("connection", call["helo"], context, message.helo)
    stages.timed("MAIL FROM: SPF", call["envfrom"], context, f"<{message.mail_from}>".encode())
    fields = [(name.decode(), value) for name, value in message.fields]
    stages.timed("header fields", _each_field, call["header"], context, fields)
    stages.timed("end of headers: From, signatures, header hash", call["eoh"], context)
    for start in range(0, len(message.body), _CHUNK):
        chunk = message.body[start : start + _CHUNK]
        if stages.timed("body", call["body"], context, chunk) == milter.SKIP:
            break
    stages.timed(_END, call["eom"], context)
    stages.timed("connection", call["close"], context)


def _each_field(callback: Callable[..., object], context: Context, fields: list[tuple[str, bytes]]) -> None:
    for name, value in fields:
        callback(context, name, value)


_END = "end of message: RSA or Ed25519, DMARC, policy, our field"
_TOLD, _LOG, _METRICS, _JOURNAL = "what is told: one row", "log", "metrics", "journal: the row, without SQLite"


class _Zone:
    """Name servers whose answers are at hand, told on the loop's thread as real ones are."""

    def __init__(self, zone: ZoneResolver, loop: Loop) -> None:
        self._zone, self._loop = zone, loop

    def prepare(self, question: Question, on_answer: OnAnswer, *, is_reserved: bool) -> "_Asking":
        return _Asking(self._loop, partial(on_answer, question, self._zone.look_up(question)))


class _Asking:
    is_reserved = False

    def __init__(self, loop: Loop, tell: Callable[[], None]) -> None:
        self._loop, self._tell = loop, tell

    def start(self) -> None:
        self._loop.call(self._tell)

    def abandon(self) -> None: ...


def measure(folder: Path) -> dict[str, float]:
    """Microseconds per message, by stage. Metrics are kept in `folder`."""
    loop = Loop()
    source = CachingResolver(_Zone(ZoneResolver.from_text(corpus.zone(SENDERS)), loop), loop)
    stages, settings = Stages(), Settings()
    logger = logging.Logger("benchmark")
    logger.addHandler(logging.FileHandler(os.devnull))
    metrics.prepare(folder)
    metrics.write_as(0)
    counted = metrics.WorkerMetrics([])
    observers: dict[str, Callable[[Row], object]] = {
        _LOG: lambda found: logger.info(message_line(found, settings.log)),
        _METRICS: counted.observe,
        _JOURNAL: lambda found: _flat(row(found, uid="0" * 16, host="mx", worker_number=0, addresses=False)),
    }
    observing = [_observer(stages, name, each) for name, each in observers.items()]
    mock.patch.object(worker_state, "told", partial(stages.timed, _TOLD, told)).start()
    service = WorkerState(Site.of(settings, Runner(source), source), observing)
    call = registered(service)
    messages = [as_libmilter(each) for each in corpus.real(MESSAGES, SENDERS)]
    for message in messages:
        play(stages, call, message)
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        stages.seconds.clear()
        for message in messages:
            play(stages, call, message)
        stages.seconds[_END] -= sum(stages.seconds[name] for name in (_TOLD, *observers))
        for name, seconds in stages.seconds.items():
            best[name] = min(best.get(name, seconds), seconds)
    return {name: seconds / MESSAGES * 1e6 for name, seconds in best.items()}


def _observer(stages: Stages, name: str, observe: Callable[[Row], object]) -> Callable[[Row], None]:
    return lambda found: stages.timed(name, observe, found)


def as_libmilter(message: Message) -> Message:
    """Folds as LF alone."""
    return replace(message, fields=tuple((name, value.replace(b"\r\n", b"\n")) for name, value in message.fields))


def table() -> str:
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    whole = sum(found.values())
    lines = ["| stage | µs per message | |", "|---|---|---|"]
    lines += [f"| {name} | {each:.0f} | {each / whole:.0%} |" for name, each in found.items()]
    return "\n".join([*lines, f"| together | {whole:.0f} | |", ""])


if __name__ == "__main__":
    print(table())
