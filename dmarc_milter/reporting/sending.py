"""Reports sent: a few at a time to one host, later and later where they are put off, and never to who refused them."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dmarc_milter.journal.report_tables import DeliveryState
from dmarc_milter.reporting.making import Sender
from dmarc_milter.reporting.outbox import Claimed, Outbox, Waiting
from dmarc_milter.reporting.planning import Refusal, Rules
from dmarc_milter.reporting.signing import signed
from dmarc_milter.reporting.suppression import retry
from dmarc_milter.reporting.transport import Answer, BrokenOffError, Outcome, Transport, UnreachableMtaError

PER_RUN, PER_HOST = 500, 20
"""Mails of one run, in all and to one host, where they are not so many that it would take too long."""
RUN_SECONDS = 600.0
"""How often the timer runs."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many mails one run sends."""

    spread_seconds: float

    def of_host(self, waiting: int) -> int:
        """At most so many to one host, where so many wait for it."""
        return max(PER_HOST, self._share(waiting))

    def in_all(self, waiting: int) -> int:
        """At most so many to all hosts, where so many wait."""
        return max(PER_RUN, self._share(waiting))

    def _share(self, waiting: int) -> int:
        """So that all are sent in the time that was given."""
        return math.ceil(waiting / max(1.0, self.spread_seconds / RUN_SECONDS))


UNLIMITED = Pace(0.0)


class Sent(NamedTuple):
    """What one run did."""

    sent: int = 0
    put_off: int = 0
    refused: int = 0
    suppressed: int = 0
    expired: int = 0
    trouble: str | None = None
    """Why the MTA could not be reached, where it could not: nothing more was tried."""

    @property
    def tried(self) -> int:
        """How many mails these are."""
        return self.sent + self.put_off + self.refused + self.suppressed + self.expired


class Dispatcher:
    """Sends what is due."""

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        rules: Rules,
        transport: Transport,
        pace: Pace,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._rules = rules
        self._transport = transport
        self._pace = pace
        self._clock = clock
        self._refused: set[str] = set()
        """Addresses that refused a report in this run, in lower case."""

    def send(self, progress: Callable[[int], None] = lambda done: None) -> Sent:
        """One run; `progress` is told how many mails were tried so far."""
        total = Sent()
        waiting = [each for each in self._outbox.waiting(self._clock()) if each.due]
        room = self._pace.in_all(sum(each.all for each in waiting))
        for host in waiting:
            limit = min(room - total.tried, self._pace.of_host(host.all))
            total = self._send_to(host, limit, total, progress)
            if total.trouble is not None or total.tried >= room:
                break
        return total

    def _send_to(self, host: Waiting, limit: int, before: Sent, progress: Callable[[int], None]) -> Sent:
        total = before
        for _ in range(limit):
            with self._outbox.claimed(host.host, self._clock()) as claimed:
                if claimed is None:
                    break
                try:
                    total = _together(total, self._deliver(claimed))
                except BrokenOffError as error:
                    return _together(total, self._put_off(claimed, str(error)))._replace(trouble=str(error))
                except UnreachableMtaError as error:
                    return total._replace(trouble=str(error))
            progress(total.tried)
        return total

    def _deliver(self, claimed: Claimed) -> Sent:
        now = self._clock()
        refusal = self._rules.refusal(claimed.due.address)
        if refusal is not None or claimed.due.address.lower() in self._refused:
            # It refused another report meanwhile, or the settings are others now.
            why = "suppressed" if refusal in (None, Refusal.SUPPRESSED) else refusal.value
            claimed.end(DeliveryState.SUPPRESSED, why, now)
            return Sent(suppressed=1)
        if self._sender.keys and not claimed.due.is_signed:
            claimed.sign(signed(claimed.due.message, self._sender.domain, self._sender.keys, int(now)))
        mail_from = bounce_address(self._sender.reporter.email, claimed.due.token)
        answer = self._transport.hand_over(mail_from, claimed.due.address, claimed.due.message)
        return self._settled(claimed, answer)

    def _settled(self, claimed: Claimed, answer: Answer) -> Sent:
        now = self._clock()
        if answer.outcome is Outcome.TAKEN:
            claimed.end(DeliveryState.SENT, answer.text, now)
            return Sent(sent=1)
        if answer.outcome is Outcome.REFUSED:
            self._refused.add(claimed.due.address.lower())
            claimed.end(DeliveryState.REFUSED, answer.text, now, suppress=True)
            return Sent(refused=1)
        return self._put_off(claimed, answer.text)

    def _put_off(self, claimed: Claimed, why: str) -> Sent:
        now = self._clock()
        again = retry(claimed.due.tries + 1, now, claimed.due.made)
        if again is None:
            claimed.end(DeliveryState.EXPIRED, why, now)
            return Sent(expired=1)
        claimed.put_off(again, why, now)
        return Sent(put_off=1)


def _together(one: Sent, other: Sent) -> Sent:
    return Sent(
        one.sent + other.sent,
        one.put_off + other.put_off,
        one.refused + other.refused,
        one.suppressed + other.suppressed,
        one.expired + other.expired,
        other.trouble or one.trouble,
    )


def bounce_address(email: str, token: str) -> str:
    """MAIL FROM of one delivery (VERP): what comes back names it."""
    local_part, _, host = email.rpartition("@")
    return f"{local_part}+{token}@{host}"
