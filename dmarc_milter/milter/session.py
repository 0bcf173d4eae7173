"""One connection of the MTA: what libmilter's callbacks come to.

No stage but the end of the message says anything to the MTA, so all the others are negotiated to need no reply. What
has failed before is answered at the end of the message, as `[policy] on_error` says.
"""

from __future__ import annotations  # pymilter names its context type for type checkers only

import socket
import time
from functools import cache

import milter

from dmarc_milter import authentication_results, policy, received_spf
from dmarc_milter.config import OnError
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.evaluation import Evaluation
from dmarc_milter.log import logger
from dmarc_milter.message.header import Field, Header, with_crlf
from dmarc_milter.message.received import Relayed
from dmarc_milter.milter.edits import Ownership, deletions
from dmarc_milter.milter.worker_state import Service
from dmarc_milter.record import Record
from dmarc_milter.reply import Reply, reply
from dmarc_milter.verdict import Action, Disposition, Envelope, Verdict

ACTIONS = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
_STEPS_UNUSED = milter.P_NODATA | milter.P_NOUNKNOWN
_NO_REPLY = (
    milter.P_NR_CONN | milter.P_NR_HELO | milter.P_NR_MAIL | milter.P_NR_RCPT | milter.P_NR_HDR | milter.P_NR_EOH
)
_WANTED = _STEPS_UNUSED | _NO_REPLY | milter.P_SKIP | milter.P_HDR_LEADSPC
_NEEDED = {"add_fields": milter.ADDHDRS, "delete_fields": milter.CHGHDRS}
_FULL_CHUNK = 65_535
"""Octets of body that MTAs send at once."""

MAX_RECIPIENTS = 1_000
"""Recipients of one message whose domains are remembered; with more, no rule about recipients applies."""

_HEADER_TOO_LARGE = Reply("552", "5.3.4", "Header section too large")
_ERRORS = {
    OnError.TEMPFAIL: Reply("451", "4.3.0", "Message could not be checked"),
    OnError.REJECT: Reply("550", "5.3.0", "Message could not be checked"),
}


class Session:
    """One connection of the MTA; its messages one after the other."""

    __slots__ = (
        "_actions",
        "_authserv_id",
        "_client_address",
        "_client_seen",
        "_connection_failed",
        "_envelope",
        "_evaluation",
        "_has_turn",
        "_header",
        "_helo",
        "_in_message",
        "_is_header_over",
        "_is_local",
        "_message_failed",
        "_needs_body",
        "_recipient_domains",
        "_service",
        "_steps",
        "_unjudged",
        "callbacks",
        "thread",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self.thread = 0
        self.callbacks = 0
        self._actions = 0
        self._steps = 0
        self._client_address: bytes | None = None
        self._is_local = False
        self._helo = ""
        self._authserv_id = service.settings.milter.authserv_id or ""
        self._client_seen: str | None = None
        """The client as the MTA's macro has it."""
        self._connection_failed = True
        """Until we know who has connected."""
        self._has_turn: bool | None = None
        """None where none was asked for."""
        self._clear()

    def _clear(self) -> None:
        """Nothing is known of a message."""
        self._in_message = False
        self._message_failed = False
        self._envelope = Envelope(self._client_address, self._helo, "")
        self._evaluation: Evaluation | None = None
        self._unjudged: str | None = None
        self._needs_body = False
        self._is_header_over = False
        self._header = Header()
        self._recipient_domains: list[str] = []

    def _learn_authserv_id(self, context: milter.milterContext) -> None:
        if not self._authserv_id:
            self._authserv_id = _symbol(context, "j") or _host_name()

    # The stages, in the order of SMTP

    def negotiate(self, options: list[int]) -> int:
        """Take what is of use of what the MTA offers."""
        actions = options[0] & ACTIONS
        wanted = _WANTED if self._service.wants_recipients else _WANTED | milter.P_NORCPT
        steps = options[1] & wanted
        self._service.negotiated = self._actions, self._steps = actions, steps
        options[:] = [actions, steps, 0, 0]
        for name, action in _NEEDED.items():
            if not actions & action:
                self._service.note_missing_action(name)
        return milter.CONTINUE

    def answer(self, no_reply_step: int) -> int:
        return milter.NOREPLY if self._steps & no_reply_step else milter.CONTINUE

    def connect(self, context: milter.milterContext, name: str, address: object) -> int:
        if not self._steps:
            # After SMFIC_QUIT_NC, nothing is negotiated anew.
            self._actions, self._steps = self._service.negotiated
        self._client_address = _packed(address)
        # Sendmail's way to say that nobody connected; a client whose address is unknown has another name.
        self._is_local = self._client_address is None and (isinstance(address, str) or name == "localhost")
        self._learn_authserv_id(context)
        self._client_seen = _symbol(context, "_")
        self._connection_failed = False
        return self.answer(milter.P_NR_CONN)

    def helo(self, name: str) -> int:
        self._helo = name
        return self.answer(milter.P_NR_HELO)

    def mail_from(self, context: milter.milterContext, path: bytes) -> int:
        self._start_message()
        if _symbol(context, "_") != self._client_seen:
            # libmilter leaves out a connection that follows another one in an unusual place.
            self._connection_failed = True
        if self.has_failed:
            return self.answer(milter.P_NR_MAIL)
        self._envelope = Envelope(self._client_address, self._helo, _address(path))
        self._unjudged = policy.unjudged(
            self._client_address,
            is_local=self._is_local,
            authenticated=_symbol(context, "{auth_authen}"),
            trusted_networks=self._service.settings.policy.trusted_networks,
        )
        if self._unjudged is None:
            self._evaluation = Evaluation(self._envelope, self._service.around, self._header)
        return self.answer(milter.P_NR_MAIL)

    def recipient(self, path: bytes) -> int:
        """Asked for only where a rule needs it."""
        if len(self._recipient_domains) <= MAX_RECIPIENTS:
            domain = to_identifier(_address(path).rpartition("@")[2])
            self._recipient_domains.append(domain or "")
        return self.answer(milter.P_NR_RCPT)

    def header(self, name: str, value: bytes) -> int:
        if self._has_turn is None and self._steps & milter.P_NR_HDR:
            self._has_turn = self._service.turns.take()
        if not self._steps & milter.P_HDR_LEADSPC:
            value = b" " + value
        self._header.append(Field(name, with_crlf(value)))
        return self.answer(milter.P_NR_HDR)

    def end_of_headers(self) -> int:
        self._is_header_over = True
        try:
            if self._evaluation is not None and not self.has_failed:
                self._needs_body = self._evaluation.end_of_headers()
        finally:
            self._end_turn()
        return self.answer(milter.P_NR_EOH)

    def body(self, chunk: bytes) -> int:
        if self._needs_body and self._evaluation is not None and not self.has_failed:
            self._evaluation.body(chunk)
            return milter.CONTINUE
        # A chunk that is not full may come with the end of the message, which libmilter would skip as well.
        return milter.SKIP if self._steps & milter.P_SKIP and len(chunk) >= _FULL_CHUNK else milter.CONTINUE

    def end_of_message(self, context: milter.milterContext) -> int:
        """Judge, change the message, answer, tell."""
        started = time.perf_counter()
        if not self._is_header_over:
            return self._answer_to_error(context, "the MTA did not end the header")
        if not self._header.is_complete:
            return self._refuse_header(context)
        if self._unjudged is not None:
            return self._let_through(context, self._unjudged)
        if self._evaluation is None or self.has_failed:
            return self._answer_to_error(context)
        evaluation = self._evaluation
        if len(self._recipient_domains) <= MAX_RECIPIENTS:
            evaluation.recipient_domains = tuple(dict.fromkeys(self._recipient_domains))
        verdict = evaluation.end_of_message()
        settings = self._service.settings
        disposition = policy.decide(verdict, self._service.decision)
        queue_id = _queue_id(context)
        answer = reply(verdict, disposition, settings.policy.reply, queue_id)
        if answer is None:
            if not self._remove_forged(context, verdict.relayed):
                return self._answer_to_error(context, _UNREMOVABLE)
            self._insert(context, verdict, disposition)
        code = self._carry_out(context, verdict, disposition, answer)
        self._tell(disposition, queue_id, verdict, answer, started, evaluation)
        self._end_message()
        return code

    def abort(self) -> int:
        self._end_message()
        return milter.CONTINUE

    # What the end of a message comes to

    def _carry_out(
        self, context: milter.milterContext, verdict: Verdict, disposition: Disposition, answer: Reply | None
    ) -> int:
        if answer is not None:
            _set_reply(context, answer)
            return milter.TEMPFAIL if disposition.action is Action.TEMPFAIL else milter.REJECT
        holds = self._service.settings.policy.quarantine is policy.Quarantine.HOLD
        if disposition.action is Action.QUARANTINE and holds:
            if self._actions & milter.QUARANTINE:
                context.quarantine(f"DMARC policy of {verdict.author.domain or 'unknown author'}")
            else:
                logger.warning("the MTA offers no quarantine: a message to be held was delivered with its header only")
        return milter.CONTINUE

    def _refuse_header(self, context: milter.milterContext) -> int:
        """In any mode: of a header beyond the bounds, neither From nor forged results can be found."""
        _set_reply(context, _HEADER_TOO_LARGE)
        disposition = Disposition(Action.REJECT, Action.REJECT, "header section too large to be judged")
        self._tell(disposition, _queue_id(context), answer=_HEADER_TOO_LARGE)
        self._end_message()
        return milter.REJECT

    def _let_through(self, context: milter.milterContext, reason: str) -> int:
        """Mail of our own users: not judged, but nobody writes under our name."""
        if not self._remove_forged(context, None):
            return self._answer_to_error(context, _UNREMOVABLE)
        self._tell(Disposition(Action.ACCEPT, Action.ACCEPT, f"not judged: {reason}"), _queue_id(context))
        self._end_message()
        return milter.CONTINUE

    def _answer_to_error(self, context: milter.milterContext, reason: str = "error in the filter") -> int:
        """`[policy] on_error`; even an accepted message keeps no field that claims to be ours."""
        on_error = self._service.settings.policy.on_error
        self._learn_authserv_id(context)
        if on_error is OnError.ACCEPT and not self._remove_forged(context, None):
            on_error = OnError.TEMPFAIL
        answer = _ERRORS.get(on_error)
        if answer is not None:
            _set_reply(context, answer)
        else:
            self._add(context, authentication_results.NAME, authentication_results.unjudged(self._authserv_id, reason))
        action = Action(on_error.value)
        self._tell(Disposition(action, action, reason), _queue_id(context), answer=answer, is_error=True)
        self._end_message()
        return {OnError.TEMPFAIL: milter.TEMPFAIL, OnError.REJECT: milter.REJECT}.get(on_error, milter.CONTINUE)

    def end_after_error(self, context: milter.milterContext) -> int:
        """The end of the message itself failed: answer as `[policy] on_error` says, in the plainest way."""
        try:
            return self._answer_to_error(context)
        except Exception:  # noqa: BLE001 - the last resort of a filter that one message must not crash
            logger.exception("error while answering to an error")
            self._end_message()
            return milter.TEMPFAIL

    def _tell(
        self,
        disposition: Disposition,
        queue_id: str,
        verdict: Verdict | None = None,
        answer: Reply | None = None,
        started: float | None = None,
        evaluation: Evaluation | None = None,
        *,
        is_error: bool = False,
    ) -> None:
        settings = self._service.settings
        seconds = 0.0 if started is None else time.perf_counter() - started
        self._service.tell(
            Record(
                time=time.time(),
                queue_id=queue_id,
                message_id=_message_id(self._header),
                envelope=self._envelope,
                mode=settings.policy.mode,
                disposition=disposition,
                verdict=verdict,
                reply=answer,
                seconds=seconds,
                seconds_waited=evaluation.seconds_waited if evaluation else 0.0,
                dns_cache_hits=evaluation.dns_cache_hits if evaluation else 0,
                is_error=is_error,
            )
        )

    # Edits

    def _remove_forged(self, context: milter.milterContext, relayed: Relayed | None) -> bool:
        """Whether no field is left that claims to be ours: the MTA may not let us delete any."""
        own = frozenset((authentication_results.comparable(self._authserv_id),))
        trusted = relayed.trusted_fields if relayed is not None else None
        forged = deletions(self._header, Ownership(own, self._service.other_ids, trusted))
        if forged and not self._actions & milter.CHGHDRS:
            return False
        for deletion in forged:
            context.chgheader(deletion.name, deletion.ordinal, None)
        return True

    def _insert(self, context: milter.milterContext, verdict: Verdict, disposition: Disposition) -> None:
        """Our fields on top, Authentication-Results the topmost."""
        if self._service.settings.milter.received_spf:
            self._add(context, received_spf.NAME, received_spf.field_value(self._authserv_id, verdict))
        value = authentication_results.field_value(self._authserv_id, verdict, disposition)
        self._add(context, authentication_results.NAME, value)

    def _add(self, context: milter.milterContext, name: str, value: str) -> None:
        if not self._actions & milter.ADDHDRS:
            return
        space = " " if self._steps & milter.P_HDR_LEADSPC else ""
        context.addheader(name, space + value, 0)

    # Errors and the life of a message

    @property
    def has_failed(self) -> bool:
        """Whether a callback failed in this message, or before it in this connection."""
        return self._message_failed or self._connection_failed

    def failed(self) -> None:
        """Note that a callback failed: this message, or all of this connection, cannot be judged."""
        self._service.note_exception()
        if self._in_message:
            self._message_failed = True
        else:
            self._connection_failed = True

    def missed(self, text: bytes | None) -> None:
        """A callback was left out: its first text is no UTF-8 (None: it failed otherwise).

        That is a client's name, a HELO, or the name of a field. Only a HELO is all that its callback is told; of the
        others more is missing than their text.
        """
        if text is not None and not self._in_message and not self._connection_failed:
            self.helo(text.decode("utf-8", "backslashreplace"))
        elif not self._message_failed:
            logger.warning("%s cannot be read", "a header field" if self._in_message else "who has connected")
            self.failed()

    def _start_message(self) -> None:
        if self._in_message:
            self._end_message()
        self._in_message = True
        self._service.activity.change(messages=1)

    def _end_turn(self) -> None:
        if self._has_turn:
            self._service.turns.give_back()
        self._has_turn = None

    def _end_message(self) -> None:
        self._end_turn()
        if self._in_message:
            self._service.activity.change(messages=-1)
        self._clear()


_UNREMOVABLE = "the MTA does not let a forged field be removed"


@cache
def _host_name() -> str:
    """It may have to be asked for."""
    return socket.getfqdn()


def _packed(address: object) -> bytes | None:
    """The client's address out of what pymilter gives: (ip, port, ...), a path, or None."""
    if not isinstance(address, tuple):
        return None
    text = str(address[0]).removeprefix("IPv6:").partition("%")[0]
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def _address(path: bytes) -> str:
    """MAIL FROM or RCPT TO without its brackets and without a source route (RFC 5321 4.1.2)."""
    text = path.decode("utf-8", "surrogateescape").strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    return text


MAX_MESSAGE_ID = 250


def _message_id(header: Header) -> str | None:
    fields = header.all("message-id")
    return fields[0].value[: MAX_MESSAGE_ID + 2].decode("utf-8", "replace").strip()[:MAX_MESSAGE_ID] if fields else None


def _queue_id(context: milter.milterContext) -> str:
    return _symbol(context, "i") or "NOQUEUE"


def _symbol(context: milter.milterContext, name: str) -> str | None:
    try:
        return context.getsymval(name)
    except UnicodeDecodeError:
        return None


def _set_reply(context: milter.milterContext, answer: Reply) -> None:
    """Without it, the MTA has a text of its own for what is refused."""
    try:
        # libmilter takes the text for a printf format.
        context.setreply(answer.code, answer.enhanced, answer.text.replace("%", "%%"))
    except (milter.error, ValueError):
        logger.exception("the MTA cannot be told %r", answer.text)
