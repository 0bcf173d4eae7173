"""Connections that send one message after the other to a running filter."""

import threading
import time
from collections import Counter

from dmarc_milter.demo.examples import EXAMPLES, Example
from dmarc_milter.testing.mta import Mta
from tests.support.examples import EXPECTED, found
from tests.support.running import RunningFilter

CONNECTIONS = 20


PER_CONNECTION = 5
"""Messages until a connection is closed and another opened, as Postfix does."""


class Load:
    """Connections that send one message after the other, and what came of them."""

    def __init__(self, running: RunningFilter) -> None:
        self._running = running
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CONNECTIONS)]

    def start(self) -> None:
        """They send from now on."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """They end, each after the message that it has begun."""
        self._is_over.set()
        for each in self._threads:
            each.join(60)

    def _note(self, what: str) -> None:
        with self._lock:
            self.seen[what] += 1

    def _send(self, number: int) -> None:
        count = number
        while not self._is_over.is_set():
            try:
                mta = self._running.mta()
            except OSError:
                self._note("not connected")
                time.sleep(0.01)
                continue
            try:
                count += 1
                scene = EXAMPLES[count % len(EXAMPLES)]
                mta.connect(scene.helo, scene.client)
                mta.helo(scene.helo)
                for _ in range(PER_CONNECTION):
                    self._note(self._one(mta, scene))
                mta.quit()
            except OSError:
                # The MTA does what milter_default_action says: tempfail.
                self._note("connection broken")

    @staticmethod
    def _one(mta: Mta, scene: Example) -> str:
        fields, body = scene.content
        answer = mta.message(scene.mail_from, ["you@example.org"], fields, body)
        expected = EXPECTED[scene.name]
        if answer.reply.startswith("4"):
            return "told to try again"
        is_right = answer.reply.startswith("550 5.7.1") if expected is None else found(answer) == expected
        return "right" if is_right else f"wrong: {scene.name} {answer}"

    @property
    def wrong(self) -> list[str]:
        """Answers that are neither the right ones nor make the MTA try again."""
        return [what for what in self.seen if what.startswith("wrong")]
