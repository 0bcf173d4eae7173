"""Attacks that are more than one message: floods, memory, the protocol itself, workers, descriptors, HTTP.

Each has a filter of its own, and gives what it saw.
"""

import contextlib
import http.client
import os
import signal
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dmarc_milter.testing.mta import ALL_ACTIONS, ALL_STEPS
from tests.protocol.hostile.message import (
    ACCEPTED,
    DEFERRED,
    HARMLESS,
    REFUSED,
    Attack,
    Message,
    bank,
    crook,
    honest,
    spoof,
)
from tests.protocol.hostile.player import (
    MOST_QUESTIONS,
    MOST_SECONDS,
    Attacker,
    Stage,
    connected,
    cpu_of,
    cpu_seconds,
    largest,
    outcome,
    processes,
    stage,
)

MB = 1 << 20
MOST_MEMORY, MOST_WAITING_MEMORY = 120 * MB, 150 * MB
"""Of the largest process: afterwards, and while messages wait."""
PLAIN_SECONDS = 2.0
"""What a plain message may take beside an attack."""


@dataclass
class Seen:
    """What came of one attack."""

    outcomes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    cpu: float = 0.0
    seconds: float = 0.0
    questions: int = 0
    memory: int = 0
    timing: list[str] = field(default_factory=list)
    """What took longer than it may, by the clock on the wall: a busy machine may be the reason."""

    def note(self, what: str) -> None:
        self.outcomes[what] = self.outcomes.get(what, 0) + 1

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.faults.append(otherwise)

    def within(self, seconds: float, most: float, what: str) -> None:
        self.seconds = max(self.seconds, seconds)
        if seconds > most:
            self.timing.append(f"{what} took {seconds:.1f} s")

    def remember(self, octets: int, most: int) -> None:
        self.memory = max(self.memory, octets)
        self.expect(octets <= most, f"the largest process holds {octets // MB} MB")


def _plain(on: Stage, seen: Seen, attack: Attack = honest, most: float = PLAIN_SECONDS) -> None:
    """A message whose verdict is known beforehand."""
    played = on.play("plain", attack.__name__, attack)
    seen.faults += [f"plain message: {each}" for each in played.faults]
    seen.within(played.seconds, most, "a plain message")


# Floods

FLOOD_SECONDS = 10


def flood(make: Attack, per_second: int) -> Callable[[], Seen]:
    """Small messages, each of which asks for many names that never answer."""

    def play() -> Seen:
        seen = Seen()
        with stage() as on:
            _plain(on, seen)
            over = threading.Event()
            waiting: list[tuple[Attacker, int]] = []
            sender = threading.Thread(target=_send_flood, args=(on, make, per_second, waiting, over))
            sender.start()
            time.sleep(FLOOD_SECONDS / 2)
            limit = time.monotonic() + FLOOD_SECONDS
            while time.monotonic() < limit:
                _plain(on, seen)
                _plain(on, seen, spoof)
                time.sleep(0.5)
            over.set()
            sender.join()
            _collect_flood(on, waiting, seen)
            _plain(on, seen)
            seen.remember(largest(on.running), MOST_MEMORY)
        return seen

    return play


def _of_spf(number: int) -> Message:
    """Ten black-holed addresses of each of ten mail exchanges."""
    return spoof(number, mail_from=f"a@{crook(number, 'flood')}")


def _of_dmarc(number: int) -> Message:
    """A From field that shows ten domains whose policy records are black-holed."""
    shown = " ".join(f"<x@{n}hole-m{number}.test" for n in range(10))
    return _shown(number, shown)


def _of_walks(number: int) -> Message:
    """A From field that shows three domains without a record, each above black-holed names."""
    shown = " ".join(f"<x@a.b.c.d.e.f.{n}hole-m{number}.test" for n in range(3))
    return _shown(number, shown)


def _shown(number: int, shown: str) -> Message:
    plain = spoof(number, mail_from="")
    return Message(((b"From", f" {shown}".encode()), *plain.fields[1:]), plain.mail_from, plain.helo, plain.client)


def _send_flood(
    on: Stage, make: Attack, per_second: int, waiting: list[tuple[Attacker, int]], over: threading.Event
) -> None:
    """Everything up to the end of the message in one go; answers are collected later."""
    while not over.wait(1 / per_second):
        number = on.next_number()
        with contextlib.suppress(OSError):
            mta = connected(on.running)
            blurt(mta, make(number))
            waiting.append((mta, number))


SAID = frozenset({REFUSED, DEFERRED, ACCEPTED})
"""The flood is of the attacker's own domains: what becomes of it does not matter, if only it is answered."""


def _collect_flood(on: Stage, waiting: list[tuple[Attacker, int]], seen: Seen) -> None:
    started = time.monotonic()
    for mta, number in waiting:
        what = _answer(mta)
        seen.note(what)
        seen.expect(what in SAID, f"a message of the flood was {what}")
        seen.questions = max(seen.questions, len(on.server.questions[number]))
    seen.within(time.monotonic() - started, MOST_SECONDS, "the flood's last answer")
    seen.expect(seen.questions <= MOST_QUESTIONS, f"{seen.questions} questions of one message")


def blurt(mta: Attacker, message: Message) -> None:
    """A whole message, sent without waiting for anything."""
    mta.hello(message)
    _say(mta, message)


def _say(mta: Attacker, message: Message) -> None:
    """From MAIL FROM to the end of the message."""
    mta.send(b"M", b"<" + message.mail_from + b">\0")
    mta.recipient("you@example.org")
    for name, value in message.fields:
        mta.send(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
    mta.send(b"N")
    mta.send(b"E")


def _answer(mta: Attacker) -> str:
    try:
        found = outcome(mta.answers())
        mta.quit()
    except OSError:
        return outcome(None)
    return found


# Memory

LONG = 60_000


def _long_names(number: int) -> Message:
    """Fifty names of 60 KB, each of them new, and some more wherever a name can be."""
    names = [(f"{letter}{number}" * LONG)[:LONG] for letter in "abcdef"]
    signers = [f" v=1; a=rsa-sha256; d={n}-{names[0][:59_000]}; s=s; h=from; bh=AAAA; b=AAAA" for n in range(50)]
    fields = [
        *((b"DKIM-Signature", each.encode()) for each in signers),
        (b"DKIM-Signature", f" v=1; a=rsa-sha256; d=x.test; s={names[1][:59_000]}; h=from; bh=AAAA; b=AAAA".encode()),
        (b"List-Id", f" <{names[3]}.test>".encode()),
        (b"Message-ID", f" <{names[3]}>".encode()),
        (b"Authentication-Results", f" {names[4]}; none".encode()),
        (names[5].encode(), b" x"),
    ]
    return spoof(number, mail_from=f"a@{names[0]}x", helo=f"{names[1]}x", before=fields)


def _long_signers(number: int) -> Message:
    """A hundred signatures whose names have 18 KB, each other ones."""
    fields = [
        (
            b"DKIM-Signature",
            f" v=1; a=rsa-sha256; d=m{number}-{n}.{'x' * 18_000}.test; s=s; h=from; bh=AA==; b=AA==".encode(),
        )
        for n in range(100)
    ]
    return spoof(number, before=fields)


def _long_author(number: int) -> Message:
    addresses = ", ".join(f"x@{'y' * 1_000}{number}x{n}.test" for n in range(55))
    plain = spoof(number)
    return Message(((b"From", f" {addresses}".encode()), *plain.fields[1:]), plain.mail_from, plain.helo, plain.client)


def _u_labels(number: int) -> Message:
    """U-labels, whose conversion is kept too."""
    label = "ä" * 500
    path = f"a@{label}{number}.test"
    return spoof(number, mail_from=path, helo=f"{label}x{number}.test")


def _records(number: int) -> Message:
    """SPF records of 2 KB with a thousand terms, eleven in each message."""
    return spoof(number, mail_from=f"a@{crook(number, 'terms')}")


def _policies(number: int) -> Message:
    """Policy records of 2 KB full of errors."""
    return spoof(number, victim=f"faults.{crook(number)}", expected=frozenset({ACCEPTED, REFUSED}))


MEMORY: dict[str, tuple[Attack, int]] = {
    "names of 60 KB": (_long_names, 60),
    "names of 18 KB in signatures": (_long_signers, 60),
    "domains of 1 KB in From": (_long_author, 100),
    "U-labels": (_u_labels, 200),
    "SPF records of a thousand terms": (_records, 200),
    "policy records full of errors": (_policies, 500),
}


def memory_after(kind: str) -> Callable[[], Seen]:
    """A filter of its own for each kind: what is left afterwards is its doing."""

    def play() -> Seen:
        seen = Seen()
        attack, times = MEMORY[kind]
        with stage() as on:
            before = cpu_seconds(on.running)
            for _ in range(times):
                played = on.play("memory", kind, attack)
                seen.note(played.outcome)
                seen.faults += played.faults
            seen.cpu = (cpu_seconds(on.running) - before) / times
            seen.remember(largest(on.running), MOST_MEMORY)
            _plain(on, seen)
        return seen

    return play


def _slow_signers(number: int) -> Message:
    signers = _long_signers(number)
    return spoof(number, mail_from=f"a@{crook(number, 'include')}", before=signers.fields[:100])


def _slow_header(number: int) -> Message:
    """As much header as is read at all."""
    large = [(b"X", b" " + b"y" * LONG)] * 130
    return spoof(number, mail_from=f"a@{crook(number, 'include')}", behind=large)


WAITING: dict[str, tuple[Attack, int]] = {
    "forty messages of long names": (_slow_signers, 40),
    "twenty headers of 8 MB": (_slow_header, 20),
}


def memory_while_waiting(kind: str) -> Callable[[], Seen]:
    """Messages that wait for a slow DNS."""

    def play() -> Seen:
        seen = Seen()
        attack, count = WAITING[kind]
        with stage() as on:
            waiting = []
            for _ in range(count):
                mta = connected(on.running)
                blurt(mta, attack(on.next_number()))
                waiting.append(mta)
            time.sleep(3)
            seen.remember(largest(on.running), MOST_WAITING_MEMORY)
            _plain(on, seen)
            for mta in waiting:
                what = _answer(mta)
                seen.note(what)
                seen.expect(what in HARMLESS, what)
            seen.remember(largest(on.running), MOST_MEMORY)
        return seen

    return play


UNWRITTEN = 2_000


def memory_of_the_journal() -> Seen:
    """Two thousand messages of long names while the journal's database cannot be reached."""
    seen = Seen()
    with stage('[journal]\ndatabase = "sqlite:////proc/none/journal.sqlite"\n') as on:
        for _ in range(UNWRITTEN):
            number = on.next_number()
            plain = spoof(number)
            path, helo = b"l" * LONG + plain.mail_from, b"h" * LONG + plain.helo
            mta = connected(on.running)
            blurt(mta, Message(plain.fields, path, helo, plain.client))
            seen.note(_answer(mta))
        seen.remember(largest(on.running), MOST_MEMORY)
        _plain(on, seen)
    return seen


# A name server on another host: each question has a socket of its own

ELSEWHERE = "0.0.0.0"
"""No address of loopback, as the filter reads it; packets to it stay on this host."""
HOLDERS = 40


def _asks_for_the_victims(number: int) -> Message:
    """SPF of the attacker asks for the victim's policy record first."""
    path = f"_dmarc.{bank(number).removesuffix('.example')}@{crook(0, 'named')}"
    return spoof(number, mail_from=path, pauses={"header": 0.5})


def sockets_of_strangers(make: Attack, count: int) -> Callable[[], Seen]:
    """Messages that hold a socket for each name that is never answered; meanwhile spoofs are sent."""

    def play() -> Seen:
        seen = Seen()
        with stage(host=ELSEWHERE) as on:
            on.play("warm", "warm", lambda n: spoof(n, mail_from=f"x@{crook(0, 'named')}"))
            waiting = []
            for _ in range(count):
                mta = connected(on.running)
                blurt(mta, make(on.next_number()))
                waiting.append(mta)
            time.sleep(0.5)
            for attack in (spoof, _asks_for_the_victims) * 3:
                _plain(on, seen, attack, most=PLAIN_SECONDS)
            for mta in waiting:
                seen.note(_answer(mta))
        return seen

    return play


# The milter protocol

Trick = Callable[[Stage], tuple[Attacker, frozenset[str]]]
"""Says everything up to the end of a message, and what may become of it."""


def _hello(
    on: Stage, *, steps: int = ALL_STEPS, actions: int = ALL_ACTIONS, number: int = 0
) -> tuple[Attacker, Message]:
    message = spoof(number or on.next_number())
    return connected(on.running, steps=steps, actions=actions), message


def _after_quit(count: int, expected: frozenset[str] = frozenset({REFUSED})) -> Trick:
    """Honest mail, the word that another connection follows, and the spoof over that one.

    libmilter takes that word only where a message has just been let through.
    """

    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        mta = connected(on.running)
        for _ in range(count):
            good = honest(on.next_number())
            mta.hello(good)
            _say(mta, good)
            mta.answers()
            mta.send(b"K")
        blurt_again = spoof(on.next_number())
        mta.hello(blurt_again)
        _say(mta, blurt_again)
        return mta, expected

    return trick


def _honest_after_quit(on: Stage) -> tuple[Attacker, frozenset[str]]:
    """The next connection's own client and HELO count, and nothing of the one before."""
    mta = connected(on.running)
    first = honest(on.next_number())
    mta.hello(first)
    _say(mta, first)
    mta.answers()
    mta.send(b"K")
    stranger = honest(on.next_number())
    elsewhere = Message(stranger.fields, stranger.mail_from, stranger.helo, "203.0.113.9")
    mta.hello(elsewhere)
    _say(mta, elsewhere)
    return mta, frozenset({REFUSED})


def _client_name(on: Stage) -> tuple[Attacker, frozenset[str]]:
    mta, message = _hello(on)
    mta.send(b"D", b"Cj\0mx.example.org\0")
    mta.send(b"C", b"\xff\xfe.test\0" + b"4" + struct.pack("!H", 25) + message.client.encode() + b"\0")
    mta.send(b"H", message.helo + b"\0")
    _say(mta, message)
    return mta, HARMLESS


def _greeted(helo: bytes) -> Trick:
    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        mta, message = _hello(on)
        mta.hello(message)
        mta.send(b"H", helo + b"\0")
        _say(mta, message)
        return mta, HARMLESS

    return trick


def _with_field(name: bytes, value: bytes = b" x") -> Trick:
    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        mta, message = _hello(on)
        mta.hello(message)
        more = Message(((name, value), *message.fields), message.mail_from, message.helo, message.client)
        _say(mta, more)
        return mta, HARMLESS

    return trick


def _with_macro(stage_: bytes, name: bytes, value: bytes) -> Trick:
    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        mta, message = _hello(on)
        mta.hello(message)
        mta.send(b"D", stage_ + name + b"\0" + value + b"\0")
        _say(mta, message)
        return mta, HARMLESS

    return trick


def _path(path: bytes) -> Trick:
    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        mta, message = _hello(on)
        mta.hello(message)
        _say(mta, Message(message.fields, path, message.helo, message.client))
        return mta, HARMLESS

    return trick


def _ended_early(*packets: tuple[bytes, bytes]) -> Trick:
    """The end of a message straight behind MAIL FROM, or behind `packets`."""

    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        mta, message = _hello(on)
        mta.hello(message)
        mta.send(b"M", b"<" + message.mail_from + b">\0")
        mta.recipient("you@example.org")
        for command, data in packets:
            mta.send(command, data)
        mta.send(b"E")
        return mta, HARMLESS

    return trick


def _granted(actions: int, *, is_forged: bool) -> Trick:
    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        number = on.next_number()
        mta = connected(on.running, actions=actions)
        forged = ((b"Authentication-Results", b" mx.example.org; dmarc=pass"),)
        message = honest(number, before=forged) if is_forged else spoof(number)
        mta.hello(message)
        _say(mta, message)
        return mta, HARMLESS

    return trick


def _older(steps: int) -> Trick:
    def trick(on: Stage) -> tuple[Attacker, frozenset[str]]:
        message = spoof(on.next_number())
        mta = connected(on.running, steps=steps)
        mta.hello(message)
        answer, _ = mta.play(message, "old")
        assert outcome(answer) == REFUSED, answer
        again = spoof(on.next_number())
        blurt(connected_again := connected(on.running), again)
        return connected_again, frozenset({REFUSED})

    return trick


def _aborted(on: Stage) -> tuple[Attacker, frozenset[str]]:
    """Honest mail up to its end, given up; then the spoof over the same connection."""
    good = honest(on.next_number())
    mta = connected(on.running)
    mta.hello(good)
    mta.send(b"M", b"<" + good.mail_from + b">\0")
    for name, value in good.fields:
        mta.send(b"L", name + b"\0" + value + b"\0")
    mta.send(b"N")
    mta.send(b"A")
    _say(mta, spoof(on.next_number()))
    return mta, frozenset({REFUSED})


def _twice(on: Stage) -> tuple[Attacker, frozenset[str]]:
    """MAIL FROM of honest mail, then that of the spoof, without a word in between."""
    message = spoof(on.next_number())
    mta = connected(on.running)
    mta.hello(message)
    mta.send(b"M", f"<a@{bank(1, 'good')}>\0".encode())
    _say(mta, message)
    return mta, frozenset({REFUSED})


NO_CHANGES = ALL_ACTIONS & ~0x10
TRICKS: dict[str, dict[str, Trick]] = {
    "the next connection after SMFIC_QUIT_NC": {
        "a spoof": _after_quit(1),
        "a spoof, after five": _after_quit(5),
        "mail from elsewhere": _honest_after_quit,
    },
    "names that are no UTF-8": {
        "client": _client_name,
        "HELO": _greeted(b"\xff\xfe"),
        "HELO, then more": _greeted(b"mail\xff.test"),
        "field": _with_field(b"X-\xff"),
        "field like From": _with_field(b"From\xff", b" a@x.test"),
        "field like ours": _with_field(b"Authentication-Results\xff", b" mx.example.org; dmarc=pass"),
        "MAIL FROM": _path(b"\xff@\xfe.test"),
        "MAIL FROM, all octets": _path(bytes(range(1, 256))),
        "queue id": _with_macro(b"E", b"i", b"\xff\xfe"),
        "authenticated": _with_macro(b"M", b"{auth_authen}", b""),
        "our own name": _with_macro(b"C", b"j", b"\xff"),
        "line ends in the queue id": _with_macro(b"E", b"i", b"x\r\ny action=accept"),
    },
    "an end of message that nothing announced": {
        "neither header nor body": _ended_early(),
        "an empty header": _ended_early((b"N", b"")),
        "after an abort": _aborted,
        "MAIL FROM twice": _twice,
    },
    "an MTA that grants little": {
        "no CHGHDRS, forged results": _granted(NO_CHANGES, is_forged=True),
        "no CHGHDRS, a spoof": _granted(NO_CHANGES, is_forged=False),
        "nothing, forged results": _granted(0, is_forged=True),
        "nothing, a spoof": _granted(0, is_forged=False),
        "no steps": _older(0),
        "no skipping": _older(ALL_STEPS & ~0x400),
    },
}


def tricks(kind: str) -> Callable[[], Seen]:
    """All of one kind, one after the other over connections of their own."""

    def play() -> Seen:
        seen = Seen()
        with stage() as on:
            for name, trick in TRICKS[kind].items():
                what = _tricked(on, trick)
                seen.note(what[0])
                seen.expect(what[0] in what[1], f"{name}: {what[0]}")
                _plain(on, seen)
            seen.expect("Traceback" not in on.running.log, "an exception in the log")
        return seen

    return play


def _tricked(on: Stage, trick: Trick) -> tuple[str, frozenset[str]]:
    try:
        mta, expected = trick(on)
    except OSError:
        return outcome(None), HARMLESS
    return _answer(mta), expected


# Workers, descriptors, HTTP, modules


def a_worker_that_hangs() -> Seen:
    """Stopped by a signal: ended within 20 s, and mail is right again within 30 s."""
    seen = Seen()
    with stage() as on:
        _plain(on, seen)
        stopped = on.running.workers
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        try:
            with _impatient(on):
                _until_right(on, seen, 60)
            seen.within(time.monotonic() - started, 30, "mail after a worker hung")
            seen.expect(not set(stopped) & set(on.running.workers), "the worker that hangs is still there")
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    return seen


@contextlib.contextmanager
def _impatient(on: Stage) -> Iterator[None]:
    on.patience, before = 3.0, on.patience
    try:
        yield
    finally:
        on.patience = before


def _until_right(on: Stage, seen: Seen, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if not on.play("plain", "again", honest).faults:
            seen.note("right again")
            return
        time.sleep(0.5)
    seen.faults.append("mail did not become right again")


IDLE = 1_300
DESCRIPTORS = 1_024
LOOKED_AT = 5.0


def no_descriptors() -> Seen:
    """1,300 connections that say nothing, where a process may have 1,024 descriptors."""
    seen = Seen()
    with stage(before=("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")) as on, contextlib.ExitStack() as idle:
        _plain(on, seen)
        _connect_idle(idle, on.running.address.removeprefix("unix:"), IDLE)
        time.sleep(1)
        before = {pid: cpu_of(pid) for pid in processes(on.running)}
        time.sleep(LOOKED_AT)
        spent = max(cpu_of(pid) - cpu for pid, cpu in before.items())
        seen.cpu = spent
        seen.expect(spent <= 0.5, f"{spent:.1f} s of CPU in {LOOKED_AT:.0f} s beside idle connections")
        idle.close()
        started = time.monotonic()
        with _impatient(on):
            _until_right(on, seen, 60)
        seen.within(time.monotonic() - started, 10, "mail after the idle connections left")
    return seen


def _connect_idle(kept: contextlib.ExitStack, address: str, count: int) -> int:
    """How many of `count` connections came about; whoever listens may take some time for each."""
    limit = time.monotonic() + 10
    connected_ = 0
    while connected_ < count and time.monotonic() < limit:
        made = kept.enter_context(socket.socket(socket.AF_UNIX))
        made.setblocking(False)
        try:
            made.connect(address)
            connected_ += 1
        except OSError:
            time.sleep(0.01)
    return connected_


HTTP_IDLE = 600
HTTP_SAID = {
    "nothing": b"",
    "half a line": b"GET /metr",
    "half a header": b"GET /metrics HTTP/1.1\r\nX: y\r\n",
    "an endless line": b"GET /" + b"x" * 60_000,
    "an endless header": b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
    "a body that never comes": b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n",
}


def idle_scrapers(said: str) -> Callable[[], Seen]:
    """600 connections to the metrics port that say `said` and then nothing."""

    def play() -> Seen:
        seen = Seen()
        with stage() as on, contextlib.ExitStack() as idle:
            port = on.running.metrics_port
            for _ in range(HTTP_IDLE):
                _connect_http(idle, port, HTTP_SAID[said])
            time.sleep(1)
            threads = max(_threads(pid) for pid in processes(on.running) if pid not in on.running.workers)
            seen.expect(threads <= 100, f"{threads} threads")
            seen.remember(largest(on.running), MOST_MEMORY)
            _plain(on, seen)
            idle.close()
            started = time.monotonic()
            seen.expect(_scraped(port), "no metrics after they left")
            seen.within(time.monotonic() - started, 5, "/metrics after they left")
        return seen

    return play


def _connect_http(kept: contextlib.ExitStack, port: int, said: bytes) -> None:
    made = kept.enter_context(socket.socket())
    made.settimeout(0.05)
    with contextlib.suppress(OSError):
        made.connect(("127.0.0.1", port))
        made.send(said)


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return 0


def _scraped(port: int) -> bool:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            asking.request("GET", "/metrics")
            if b"dmarc_milter" in asking.getresponse().read():
                return True
        except OSError:
            time.sleep(0.2)
        finally:
            asking.close()
    return False


_TRAP = "import pathlib\npathlib.Path({marker!r}).write_text(__name__)\nraise ImportError(__name__)\n"
MODULES = ("sqlalchemy", "json", "sqlite3", "dkim", "authres", "dmarc_milter", "prometheus_client", "encodings")


def modules_of_the_folder() -> Seen:
    """The filter is started in a folder of modules that somebody else put there."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="dmarc-milter-trap-") as folder:
        marker = Path(folder, "imported")
        for name in MODULES:
            Path(folder, f"{name}.py").write_text(_TRAP.format(marker=str(marker)))
        with stage(before=("env", "-C", folder), options=("-P",)) as on:
            _plain(on, seen)
            time.sleep(2)
        imported = marker.read_text() if marker.exists() else ""
        seen.expect(not imported, f"{imported} was imported from the current directory")
    return seen


@dataclass(frozen=True)
class Situation:
    """An attack that is more than one message."""

    name: str
    point: int
    play: Callable[[], Seen]
    is_patient: bool = False
    """Whether it mostly waits: several of these can be played at once."""


SITUATIONS = [
    Situation("a flood of SPF that nobody answers", 2, flood(_of_spf, 40)),
    Situation("a flood of authors that nobody answers", 2, flood(_of_dmarc, 100)),
    Situation("a flood of tree walks that nobody answers", 2, flood(_of_walks, 60)),
    *(Situation(f"memory: {kind}", 4, memory_after(kind)) for kind in MEMORY),
    *(Situation(f"memory: {kind} wait", 4, memory_while_waiting(kind), is_patient=True) for kind in WAITING),
    Situation("memory: a journal that cannot be written", 4, memory_of_the_journal),
    Situation("sockets that SPF of strangers holds", 2, sockets_of_strangers(_of_spf, HOLDERS)),
    Situation("sockets that authors of strangers hold", 2, sockets_of_strangers(_of_dmarc, 3 * HOLDERS)),
    Situation("a worker that hangs", 10, a_worker_that_hangs, is_patient=True),
    Situation("no descriptors are left", 10, no_descriptors),
    *(Situation(f"scrapers that say {said}", 10, idle_scrapers(said)) for said in HTTP_SAID),
    *(Situation(kind, 11, tricks(kind)) for kind in TRICKS),
    Situation("modules of the current directory", 12, modules_of_the_folder, is_patient=True),
]
