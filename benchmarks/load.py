"""An MTA's load: messages over many connections through one filter or a chain of them, timed."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.corpus import Message
from dmarc_milter.testing.mta import LEADING_SPACE, NO_REPLY_FLAGS, NO_STAGE_FLAGS

PER_CONNECTION = 20
_CHUNK = 65_535


@dataclass
class Timing:
    """What the dialogue with all filters of a chain took, message by message, in seconds."""

    whole: list[float] = field(default_factory=list)
    last_step: list[float] = field(default_factory=list)
    verdicts: Counter[bool] = field(default_factory=Counter)


def packet(command: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data) + 1) + command + data


class Connection:
    """One milter connection; stages that need no reply are not waited for."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._buffer = b""
        self._socket.sendall(packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF)))
        _, data = self._receive()
        (self._steps,) = struct.unpack("!I", data[8:12])

    def open(self, message: Message) -> None:
        """The client connects and greets."""
        self._socket.sendall(packet(b"D", b"Cj\0mx.example.org\0{daemon_name}\0mx\0"))
        address = message.client.encode()
        self._stage(b"C", message.helo.encode() + b"\0" + b"4" + struct.pack("!H", 25) + address + b"\0")
        self._stage(b"H", message.helo.encode() + b"\0")

    def send(
        self, message: Message, extra: Sequence[tuple[bytes, bytes]], queue_id: str, pause: float = 0.0
    ) -> tuple[list[bytes], bytes, float]:
        """One message; the fields that were added, the final answer, the seconds of the last step.

        `pause` is what a client's round trip takes, behind MAIL FROM and before the end of the message.
        """
        queued = [packet(b"D", b"Mi\0" + queue_id.encode() + b"\0")]
        stages = [(b"M", f"<{message.mail_from}>".encode() + b"\0"), (b"R", b"<you@example.org>\0"), (b"T", b"")]
        spaced = self._steps & LEADING_SPACE
        for name, value in (*extra, *message.fields):
            shown = value if spaced else value.removeprefix(b" ")
            stages.append((b"L", name + b"\0" + shown.replace(b"\r\n", b"\n") + b"\0"))
        stages.append((b"N", b""))
        for command, data in stages:
            if self._steps & NO_STAGE_FLAGS[command]:
                continue
            queued.append(packet(command, data))
            if not self._steps & NO_REPLY_FLAGS[command]:
                self._socket.sendall(b"".join(queued))
                queued = []
                self._receive()
            if pause and command == b"M":
                self._socket.sendall(b"".join(queued))
                queued = []
                time.sleep(pause)
        for start in range(0, len(message.body), _CHUNK):
            if self._steps & NO_STAGE_FLAGS[b"B"]:
                break
            self._socket.sendall(b"".join([*queued, packet(b"B", message.body[start : start + _CHUNK])]))
            queued = []
            if not self._steps & NO_REPLY_FLAGS[b"B"] and self._receive()[0] == b"s":
                break
        if pause:
            self._socket.sendall(b"".join(queued))
            queued = []
            time.sleep(pause)
        started = time.perf_counter()
        self._socket.sendall(b"".join([*queued, packet(b"D", b"Ei\0" + queue_id.encode() + b"\0"), packet(b"E", b"")]))
        added = []
        while True:
            command, data = self._receive()
            if command in (b"i", b"h"):
                added.append(data[4:] if command == b"i" else data)
            elif command not in (b"m", b"q", b"p", b"+", b"e"):
                return added, command + data, time.perf_counter() - started

    def close(self) -> None:
        self._socket.sendall(packet(b"Q", b""))
        self._socket.close()

    def _stage(self, command: bytes, data: bytes) -> None:
        if self._steps & NO_STAGE_FLAGS[command]:
            return
        self._socket.sendall(packet(command, data))
        if not self._steps & NO_REPLY_FLAGS[command]:
            self._receive()

    def _receive(self) -> tuple[bytes, bytes]:
        while len(self._buffer) < 4 or len(self._buffer) < 4 + int.from_bytes(self._buffer[:4], "big"):
            more = self._socket.recv(65_536)
            if not more:
                raise ConnectionError("the filter closed the connection")
            self._buffer += more
        end = 4 + int.from_bytes(self._buffer[:4], "big")
        received, self._buffer = self._buffer[4:end], self._buffer[end:]
        return received[:1], received[1:]


def run(
    paths: Sequence[str], messages: Sequence[Message], connections: int, pause: float = 0.0
) -> tuple[float, Timing]:
    """Seconds for all messages, and their timing; each message goes through all filters in turn."""
    timing, lock = Timing(), threading.Lock()
    parts = [messages[start::connections] for start in range(connections)]
    threads = [threading.Thread(target=_send_all, args=(paths, part, timing, lock, pause)) for part in parts]
    started = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return time.perf_counter() - started, timing


def _send_all(
    paths: Sequence[str], messages: Sequence[Message], timing: Timing, lock: threading.Lock, pause: float
) -> None:
    for message in messages:
        filters = [Connection(path) for path in paths]
        started = time.perf_counter()
        extra: list[tuple[bytes, bytes]] = []
        last = 0.0
        found = b""
        for each in filters:
            each.open(message)
            added, answer, last = each.send(message, extra, "4XBENCH", pause)
            for field_ in added:
                name, value = field_.rstrip(b"\0").split(b"\0", 1)
                found += value
                extra.insert(0, (name, value if value.startswith(b" ") else b" " + value))
            if answer[:1] in (b"y", b"r"):
                found += b"dmarc=fail"
                break
        whole = time.perf_counter() - started
        for each in filters:
            each.close()
        with lock:
            timing.whole.append(whole)
            timing.last_step.append(last)
            timing.verdicts[f"dmarc={message.dmarc}".encode() in found] += 1
