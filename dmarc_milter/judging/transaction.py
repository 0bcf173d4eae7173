"""One message in the order of SMTP: envelope, header, body, end; what comes out is all that is to be done with it.

The filter, `check`, the Python interface and the demo call this and nothing else, so that they never say different
things. It knows no libmilter, no journal and no file; the DNS and the time come in from outside.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dmarc_milter.common.network import LOOPBACK, contains
from dmarc_milter.common.reason import Reason
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.fields import authentication_results, received_spf
from dmarc_milter.fields.deletions import Deletion, Ownership, deletions
from dmarc_milter.judging import policy
from dmarc_milter.judging.evaluation import MessageEvaluation
from dmarc_milter.judging.failure import failure_case
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.reply import Reply, reply
from dmarc_milter.judging.site import Site
from dmarc_milter.judging.verdict import Action, Disposition, Envelope, Verdict
from dmarc_milter.message.authserv_id import comparable
from dmarc_milter.message.header import Field, Header, with_crlf
from dmarc_milter.message.local_hop import received_by_this_host
from dmarc_milter.message.received import Relayed
from dmarc_milter.spf.check import Step

MAX_RECIPIENTS = 1_000
"""Recipients of one message whose domains are remembered; with more, no rule about recipients applies."""
MAX_MESSAGE_ID = 250
"""Characters of a Message-ID that are told."""

MAX_NAME_KEPT, MAX_LOCAL_PART_KEPT = 512, 256
"""Characters of HELO, and of the two parts of MAIL FROM, that are kept: twice what RFC 5321 4.5.3.1 allows.

So what is too long stays so. Records wait in memory where the journal cannot be written.
"""

ERROR = PolicyReason.ERROR()
_HEADER_TOO_LARGE = Reply("552", "5.3.4", "Header section too large")
_TOO_MANY_FORGED = Reply("550", "5.7.1", "More than 100 Authentication-Results fields that are not yours to write")
_ERRORS = {
    "tempfail": Reply("451", "4.3.0", "Message could not be checked"),
    "reject": Reply("550", "5.3.0", "Message could not be checked"),
}


@dataclass(frozen=True, slots=True)
class Connection:
    """Who handed the message over, and to whom."""

    client_address: bytes | None
    """4 or 16 octets; None where there is no network connection, or it is unknown."""
    helo: str
    authserv_id: str
    """Under which name we write."""
    is_local: bool = False
    """Nobody connected: mail was submitted on this host."""
    can_delete_fields: bool = True
    """Whether the MTA lets us."""


class Addition(NamedTuple):
    """One field to be put on top of the message."""

    name: str
    value: str
    """Without the space behind the colon; folded by ``\\n\\t``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that is to be done with a message, and what is told of it."""

    record: MessageRecord
    deletions: Sequence[Deletion] = ()
    """In the order in which they have to be carried out."""
    additions: Sequence[Addition] = ()
    """Each to be put above those before it."""
    hold: Reason | None = None
    """Why it is to be put into the MTA's quarantine, where it is."""

    @property
    def verdict(self) -> Verdict | None:
        """None where the message was not judged; the disposition's reason says why."""
        return self.record.verdict

    @property
    def disposition(self) -> Disposition:
        """What is done with the message, and why."""
        return self.record.disposition

    @property
    def reply(self) -> Reply | None:
        """The SMTP reply to a message that is not accepted, else None."""
        return self.record.reply


class Transaction:
    """Call the methods in the order of SMTP; :meth:`end_of_message` gives the outcome, :meth:`close` ends it early.

    An exception out of any of them is a bug. After :meth:`fail`, the outcome is what `[policy] on_error` says.
    """

    def __init__(
        self,
        site: Site,
        connection: Connection,
        mail_from: str,
        authenticated: str | None = None,
        *,
        error: Reason | None = None,
        header: Header | None = None,
        spf_trace: list[Step] | None = None,
    ) -> None:
        """`mail_from` is the reverse-path without brackets; `error` says what went wrong already.

        `header` holds the fields where they were read before; the steps of SPF are appended to `spf_trace`.
        """
        self._site = site
        self._connection = connection
        reverse_path = _kept_path(_without_route(mail_from))
        self._envelope = Envelope(connection.client_address, connection.helo[:MAX_NAME_KEPT], reverse_path)
        self._header = Header() if header is None else header
        self._recipient_domains: list[str] = []
        self._is_header_over = False
        self._error = error
        self._started = 0.0
        self._evaluation: MessageEvaluation | None = None
        self._not_judged: Reason | None = None
        if error is None:
            self._begin(authenticated, spf_trace)

    def _begin(self, authenticated: str | None, spf_trace: list[Step] | None) -> None:
        connection = self._connection
        self._not_judged = policy.unjudged(
            connection.client_address,
            is_local=connection.is_local,
            authenticated=authenticated,
            trusted_networks=self._site.trusted_networks,
        )
        if self._not_judged is None:
            self._evaluation = MessageEvaluation(self._envelope, self._site.context, self._header, spf_trace)

    @property
    def evaluation(self) -> MessageEvaluation | None:
        """What judges the message; None where it is not judged."""
        return self._evaluation

    def recipient(self, address: str) -> None:
        """RCPT TO, without brackets; asked for only where a rule needs it."""
        if len(self._recipient_domains) <= MAX_RECIPIENTS:
            self._recipient_domains.append(to_identifier(_without_route(address).rpartition("@")[2]) or "")

    def field(self, name: str, value: bytes) -> None:
        """The next header field: `value` with the space behind the colon."""
        self._header.append(Field(name, with_crlf(value)))

    def end_of_header(self) -> bool:
        """All fields are there. Returns whether the body is wanted."""
        self._is_header_over = True
        return self._evaluation is not None and self._error is None and self._evaluation.end_of_headers()

    def body(self, octets: bytes) -> None:
        """The next octets of the body, cut anywhere, where it is wanted."""
        if self._evaluation is not None and self._error is None:
            self._evaluation.body(octets)

    def fail(self, reason: Reason = ERROR) -> None:
        """Something went wrong that is not the sender's: the message cannot be judged."""
        self._error = reason

    def close(self) -> None:
        """The message has ended, whether it was judged or not: nothing is asked for it any more."""
        if self._evaluation is not None:
            self._evaluation.close()

    def end_of_message(self, queue_id: str = "") -> Outcome:
        """Judge, and say what is to be done; waits for the DNS as long as the deadline allows.

        `queue_id` is the MTA's name for the message, for the reply and the record.
        """
        self._started = time.perf_counter()
        if not self._is_header_over:
            return self._after_error(queue_id, PolicyReason.UNFINISHED_HEADER())
        if not self._header.is_complete:
            # In any mode: in a header beyond the bounds, neither From nor forged results can be found.
            return self._refused(queue_id, _HEADER_TOO_LARGE, PolicyReason.HEADER_TOO_LARGE())
        if self._not_judged is not None:
            return self._accepted(queue_id, Disposition(Action.ACCEPT, Action.ACCEPT, self._not_judged))
        if self._evaluation is None or self._error is not None:
            return self._after_error(queue_id, self._error or ERROR)
        return self._judged(queue_id, self._evaluation)

    def _judged(self, queue_id: str, evaluation: MessageEvaluation) -> Outcome:
        if len(self._recipient_domains) <= MAX_RECIPIENTS:
            evaluation.recipient_domains = tuple(dict.fromkeys(self._recipient_domains))
        verdict = evaluation.end_of_message()
        disposition = policy.decide(verdict, self._site.decision)
        answer = reply(verdict, disposition, self._site.replies, queue_id)
        outcome = (
            self._accepted(queue_id, disposition, verdict)
            if answer is None
            else Outcome(self._record(queue_id, disposition, verdict, answer))
        )
        return self._with_failure(outcome, evaluation) if self._site.failure_domains else outcome

    def _with_failure(self, outcome: Outcome, evaluation: MessageEvaluation) -> Outcome:
        """With what a failure report tells, where one is wanted."""
        verdict, disposition = outcome.verdict, outcome.disposition
        if verdict is None:
            return outcome
        results = self._results(verdict, disposition)
        site = self._site
        now = site.context.clock()
        answers = evaluation.answers
        case = failure_case(verdict, disposition, self._header, answers, site.failure_domains, results, now)
        return outcome if case is None else replace(outcome, record=replace(outcome.record, failure=case))

    # What the end of a message comes to

    def _accepted(self, queue_id: str, disposition: Disposition, verdict: Verdict | None = None) -> Outcome:
        """Own mail, too: nobody writes under our name."""
        forged = self._forged(verdict.relayed if verdict is not None else None)
        if forged is None:
            return self._too_many_forged(queue_id)
        if forged and not self._connection.can_delete_fields:
            return self._after_error(queue_id, PolicyReason.FORGED_FIELDS_STAY())
        additions = () if verdict is None else self._additions(verdict, disposition)
        return Outcome(
            self._record(queue_id, disposition, verdict), forged, additions, self._why_held(disposition, verdict)
        )

    def _why_held(self, disposition: Disposition, verdict: Verdict | None) -> Reason | None:
        holds = self._site.decision.quarantine is policy.Quarantine.HOLD
        if verdict is None or disposition.action is not Action.QUARANTINE or not holds:
            return None
        return PolicyReason.HELD(domain=verdict.dmarc.author_domain or "")

    def _refused(self, queue_id: str, answer: Reply, reason: Reason) -> Outcome:
        disposition = Disposition(Action.REJECT, Action.REJECT, reason)
        return Outcome(self._record(queue_id, disposition, reply=answer))

    def _too_many_forged(self, queue_id: str) -> Outcome:
        """In any mode, and whoever sends it: fields under our name would stay in it."""
        return self._refused(queue_id, _TOO_MANY_FORGED, PolicyReason.TOO_MANY_FORGED_FIELDS())

    def _after_error(self, queue_id: str, reason: Reason) -> Outcome:
        """`[policy] on_error`; even an accepted message keeps no field that claims to be ours."""
        on_error = self._site.settings.policy.on_error
        forged = self._forged(None) if on_error == "accept" else []
        if forged is None:
            return self._too_many_forged(queue_id)
        if forged and not self._connection.can_delete_fields:
            on_error = "tempfail"
        action = Action(on_error)
        record = self._record(queue_id, Disposition(action, action, reason), reply=_ERRORS.get(on_error), is_error=True)
        if on_error != "accept":
            return Outcome(record)
        value = authentication_results.unjudged(self._connection.authserv_id, reason)
        return Outcome(record, forged, [Addition(authentication_results.NAME, value)])

    def _record(
        self,
        queue_id: str,
        disposition: Disposition,
        verdict: Verdict | None = None,
        reply: Reply | None = None,
        *,
        is_error: bool = False,
    ) -> MessageRecord:
        judged = self._evaluation if verdict is not None else None
        return MessageRecord(
            time=self._site.context.clock(),
            queue_id=queue_id,
            message_id=_message_id(self._header),
            envelope=self._envelope,
            mode=self._site.decision.mode,
            disposition=disposition,
            verdict=verdict,
            reply=reply,
            seconds=time.perf_counter() - self._started,
            seconds_waited=judged.seconds_waited if judged else 0.0,
            dns_cache_hits=judged.dns_cache_hits if judged else 0,
            is_error=is_error,
        )

    # Fields

    def _forged(self, relayed: Relayed | None) -> list[Deletion] | None:
        """The fields that claim to be ours and are not; None where they are too many to be deleted."""
        own = frozenset((comparable(self._connection.authserv_id),))
        trusted = relayed.trusted_fields if relayed is not None else self._given_back()
        return deletions(self._header, Ownership(own, self._site.other_ids, trusted))

    def _given_back(self) -> int | None:
        """Of mail that a content filter of this host gives back, which we have judged: its field of ours stays.

        How many Received fields stand above anything that a sender could write; None where that is not such mail.
        """
        if self._not_judged is None or self._not_judged.code is not PolicyReason.TRUSTED_NETWORK:
            return None
        if not contains(LOOPBACK, self._connection.client_address):
            return None
        return received_by_this_host([each.value for each in self._header.all("received")])

    def _additions(self, verdict: Verdict, disposition: Disposition) -> list[Addition]:
        """Our fields, Authentication-Results the topmost."""
        ours = [Addition(authentication_results.NAME, self._results(verdict, disposition))]
        if self._site.settings.milter.received_spf:
            value = received_spf.field_value(self._connection.authserv_id, verdict)
            ours.insert(0, Addition(received_spf.NAME, value))
        return ours

    def _results(self, verdict: Verdict, disposition: Disposition) -> str:
        return authentication_results.field_value(
            self._connection.authserv_id,
            verdict,
            disposition,
            disposition_property=self._site.settings.milter.disposition_property,
        )


def _without_route(path: str) -> str:
    """A path without its source route (RFC 5321 4.1.2), which says nothing of who sends."""
    return path.partition(":")[2] if path.startswith("@") and ":" in path else path


def _kept_path(path: str) -> str:
    local_part, at, domain = path.rpartition("@")
    return local_part[:MAX_LOCAL_PART_KEPT] + at + domain[:MAX_NAME_KEPT]


def _message_id(header: Header) -> str | None:
    fields = header.all("message-id")
    return fields[0].value[: MAX_MESSAGE_ID + 2].decode("utf-8", "replace").strip()[:MAX_MESSAGE_ID] if fields else None
