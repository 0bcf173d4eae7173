"""Plays attacks to a running filter, and measures what each of them costs."""

import os
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dmarc_milter.testing.mta import ALL_ACTIONS, ALL_STEPS, NO_REPLY_FLAGS, Mta, MtaResponse
from tests.protocol.hostile.message import ACCEPTED, DEFERRED, REFUSED, Attack, Group, Message
from tests.protocol.hostile.names import TABLE
from tests.support.hostile_dns import HostileNameServer
from tests.support.running import RunningFilter

AT_ONCE = 60
"""Attacks that are played together."""
PATIENCE = 90
"""Seconds until the player gives up on an answer."""
MOST_QUESTIONS = 150
"""Different ones of one message."""
MOST_SECONDS = 20
"""Until the end of a message is answered."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Played:
    """What became of one message."""

    group: str
    attack: str
    message: Message
    outcome: str
    answer: MtaResponse | None
    seconds: float
    """From the end of the message to the answer."""
    cpu: float | None
    """Seconds of the workers; None where others were played meanwhile."""
    questions: int

    @property
    def allowed_cpu(self) -> float:
        cost = self.message.cost
        return cost.seconds + cost.per_megabyte * self.message.octets / (1 << 20)

    @property
    def excesses(self) -> list[str]:
        """What it cost beyond what it may."""
        found = []
        if self.questions > MOST_QUESTIONS:
            found.append(f"{self.questions} questions")
        if self.cpu is not None and self.cpu > self.allowed_cpu:
            found.append(f"{self.cpu:.1f} s of CPU, of {self.allowed_cpu:.1f}")
        return found

    @property
    def faults(self) -> list[str]:
        """Why the verdict is wrong; not what it cost."""
        found = []
        if self.outcome not in self.message.expected:
            found.append(f"{self.outcome}, not {' or '.join(sorted(self.message.expected))}")
        elif self.answer is not None and self.outcome == ACCEPTED:
            deleted, says = self.message.deleted, self.message.says
            if deleted is not None and len(self.answer.deleted) != deleted:
                found.append(f"{len(self.answer.deleted)} fields removed, not {deleted}")
            if says not in self.answer.results.replace("\n\t", ""):
                found.append(f"does not say {says}: {self.answer.results!r}")
        return found


class Attacker(Mta):
    """An MTA's half of the protocol for which no octet is forbidden."""

    _replies_due = 0

    def hello(self, message: Message) -> None:
        """Connect and HELO."""
        self._macros(b"C", ("j", "mx.example.org"))
        address = b"4" + struct.pack("!H", 2525) + message.client.encode() + b"\0"
        self._stage(b"C", b"client.test\0" + address)
        self._stage(b"H", message.helo + b"\0")

    def play(self, message: Message, queue_id: str) -> tuple[MtaResponse, float]:
        """MAIL FROM to the answer, and how many seconds the end of the message took."""
        self._stage(b"M", b"<" + message.mail_from + b">\0")
        self.recipient("you@example.org")
        self._stage(b"T", b"")
        self._pause(message, "header")
        for name, value in message.fields:
            self._stage(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
        self._pause(message, "body")
        self._stage(b"N", b"")
        for start in range(0, len(message.body), 65_535):
            if self._stage(b"B", message.body[start : start + 65_535]) == b"s":
                break
        self._pause(message, "end")
        self._macros(b"E", ("i", queue_id))
        started = time.monotonic()
        self._send(b"E", b"")
        return self._answers(), time.monotonic() - started

    def send(self, command: bytes, data: bytes = b"") -> None:
        """One packet, whatever it is; the reply to a stage that has one is read with the answers."""
        self._send(command, data)
        if command in NO_REPLY_FLAGS and not self.steps & NO_REPLY_FLAGS[command]:
            self._replies_due += 1

    def receive(self) -> tuple[bytes, bytes]:
        """The next packet."""
        return self._receive()

    def answers(self) -> MtaResponse:
        """All up to the last word about a message."""
        for _ in range(self._replies_due):
            self._receive()
        self._replies_due = 0
        return self._answers()

    @staticmethod
    def _pause(message: Message, where: str) -> None:
        time.sleep(message.pauses.get(where, 0.0))


def connected(
    running: RunningFilter, *, steps: int = ALL_STEPS, actions: int = ALL_ACTIONS, patience: float = PATIENCE
) -> Attacker:
    """A new connection to the filter."""
    made = socket.socket(socket.AF_UNIX)
    # An attacker leaves connections as they are; they are closed with the filter.
    running.keep(made)
    made.settimeout(patience)
    made.connect(running.address.removeprefix("unix:"))
    return Attacker(made, steps=steps, actions=actions)


@dataclass
class Stage:
    """A filter in mode enforce with default settings, and the name server that it asks."""

    running: RunningFilter
    server: HostileNameServer
    number: int = 0
    """Of the last message."""
    patience: float = PATIENCE
    _lock: threading.Lock = field(default_factory=threading.Lock)
    played: list[Played] = field(default_factory=list)

    def next_number(self) -> int:
        with self._lock:
            self.number += 1
            return self.number

    def play(self, group: str, name: str, attack: Attack, *, is_alone: bool = False) -> Played:
        """One attack over a connection of its own."""
        number = self.next_number()
        message = attack(number)
        before = cpu_seconds(self.running) if is_alone else 0.0
        answer, seconds = self._answer(message, number)
        cpu = cpu_seconds(self.running) - before if is_alone else None
        played = Played(
            group, name, message, outcome(answer), answer, seconds, cpu, len(self.server.questions.get(number, ()))
        )
        self.played.append(played)
        return played

    def _answer(self, message: Message, number: int) -> tuple[MtaResponse | None, float]:
        started = time.monotonic()
        try:
            mta = connected(self.running, patience=self.patience)
            mta.hello(message)
            found = mta.play(message, f"4X{number}")
            mta.quit()
        except OSError:
            return None, time.monotonic() - started
        return found

    def play_together(self, groups: Sequence[Group]) -> list[Played]:
        """All attacks of `groups`, many at once."""
        tasks = [(group.name, name, attack) for group in groups for name, attack in group.attacks.items()]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda task: self.play(*task), tasks))

    def play_alone(self, groups: Sequence[Group]) -> list[Played]:
        """One after the other, each with its CPU."""
        return [
            self.play(group.name, name, attack, is_alone=True)
            for group in groups
            for name, attack in group.attacks.items()
        ]


def outcome(answer: MtaResponse | None) -> str:
    """What the MTA's client was told. No answer is none: what the MTA then does is up to its own settings."""
    if answer is None:
        return "no answer"
    return {"reject": REFUSED, "tempfail": DEFERRED, "accept": ACCEPTED}.get(answer.action, answer.action)


@contextmanager
def stage(
    settings: str = "", *, before: Sequence[str] = (), options: Sequence[str] = (), host: str = "127.0.0.1"
) -> Iterator[Stage]:
    """A filter for some attacks. `before` is a command that runs it, `options` are Python's own; `host` is where it
    asks the name server."""
    with tempfile.TemporaryDirectory(prefix="dmarc-milter-hostile-") as folder, HostileNameServer(TABLE) as server:
        text = f'[dns]\nnameservers = ["{host}:{server.port}"]\n[policy]\nmode = "enforce"\n{settings}'
        command = (*before, sys.executable, *options, "-m", "dmarc_milter")
        running = RunningFilter(Path(folder), f"unix:{folder}/socket", text, command=command)
        try:
            yield Stage(running, server)
        finally:
            running.stop()


def processes(running: RunningFilter) -> list[int]:
    """The supervisor and all that it started."""
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(running: RunningFilter) -> float:
    """CPU that the workers have used so far, user and system."""
    return sum(cpu_of(pid) for pid in running.workers)


def cpu_of(pid: int) -> float:
    """CPU that one process has used so far; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def largest(running: RunningFilter) -> int:
    """Octets of memory of the largest process of the service."""
    return max((resident(pid) for pid in processes(running)), default=0)


def resident(pid: int) -> int:
    """Octets that a process has in memory; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0
