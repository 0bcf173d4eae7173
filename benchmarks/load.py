"""An MTA's load: messages over many connections through one filter or a chain of them, timed."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.corpus import Message
from dmarc_milter.testing.mta import Mta, MtaResponse

PER_CONNECTION = 20


@dataclass
class Timing:
    """What the dialogue with all filters of a chain took, message by message, in seconds."""

    whole: list[float] = field(default_factory=list)
    last_step: list[float] = field(default_factory=list)
    verdicts: Counter[bool] = field(default_factory=Counter)


class Connection:
    """One milter connection, as Postfix has it: stages that need no reply are not waited for."""

    def __init__(self, path: str) -> None:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(path)
        self._mta = Mta(connected, is_buffered=True)

    def open(self, message: Message) -> None:
        """The client connects and greets."""
        self._mta.connect(message.helo, message.client, ("j", "mx.example.org", "{daemon_name}", "mx"))
        self._mta.helo(message.helo)

    def send(
        self, message: Message, extra: Sequence[tuple[bytes, bytes]], queue_id: str, pause: float = 0.0
    ) -> tuple[MtaResponse, float]:
        """One message; what the filter did with it, and the seconds of the last step.

        `pause` is what a client's round trip takes, behind MAIL FROM and before the end of the message.
        """
        self._mta.mail_from(message.mail_from, ("i", queue_id))
        self._wait(pause)
        self._mta.recipient("you@example.org")
        self._mta.content((*extra, *message.fields), message.body)
        self._wait(pause)
        started = time.perf_counter()
        response = self._mta.end_of_message(queue_id=queue_id)
        return response, time.perf_counter() - started

    def _wait(self, pause: float) -> None:
        if pause:
            self._mta.flush()
            time.sleep(pause)

    def close(self) -> None:
        self._mta.quit()


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
        found = ""
        for each in filters:
            each.open(message)
            response, last = each.send(message, extra, "4XBENCH", pause)
            for name, value in [*((name, value) for _, name, value in response.inserted), *response.appended]:
                found += value
                extra.insert(0, (name.encode(), (value if value.startswith(" ") else f" {value}").encode()))
            if response.action == "reject":
                found += "dmarc=fail"
                break
        whole = time.perf_counter() - started
        for each in filters:
            each.close()
        with lock:
            timing.whole.append(whole)
            timing.last_step.append(last)
            timing.verdicts[f"dmarc={message.dmarc}" in found] += 1
