"""libmilter's callbacks: one Session a connection, one Evaluation a message.

Registered with pymilter's C module directly. No stage but the end of the message says anything to the MTA, so all the
others are negotiated to need no reply. An exception in a callback is a bug of ours: it is logged with its traceback,
and at the end of the message the MTA is told what `[policy] on_error` says.
"""

from __future__ import annotations  # pymilter names its context type for type checkers only

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec

import milter

from dmarc_milter import authentication_results, policy
from dmarc_milter.config import OnError, Settings
from dmarc_milter.evaluation import Evaluation, Surroundings
from dmarc_milter.log import logger, message_line
from dmarc_milter.message.header import Field, Header, with_crlf
from dmarc_milter.milter.edits import deletions
from dmarc_milter.policy import Reply
from dmarc_milter.verdict import Action, Disposition, Envelope, Verdict

ACTIONS = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
_STEPS_UNUSED = milter.P_NORCPT | milter.P_NODATA | milter.P_NOUNKNOWN
_NO_REPLY = milter.P_NR_CONN | milter.P_NR_HELO | milter.P_NR_MAIL | milter.P_NR_HDR | milter.P_NR_EOH
_WANTED = _STEPS_UNUSED | _NO_REPLY | milter.P_SKIP | milter.P_HDR_LEADSPC


class Activity:
    """How many connections and messages a process has at hand: what draining waits for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.sessions = 0
        self.messages = 0

    def change(self, *, sessions: int = 0, messages: int = 0) -> None:
        """Count up or down."""
        with self._changed:
            self.sessions += sessions
            self.messages += messages
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[Activity], bool], seconds: float) -> bool:
        """Wait for `condition`, at most so long; returns whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), seconds)


@dataclass(frozen=True)
class Service:
    """What all sessions of a process share."""

    settings: Settings
    around: Surroundings
    activity: Activity = field(default_factory=Activity)


P = ParamSpec("P")


class Session:
    """One connection of the MTA."""

    __slots__ = (
        "_actions",
        "_authserv_id",
        "_client_address",
        "_connection_failed",
        "_evaluation",
        "_header",
        "_helo",
        "_in_message",
        "_message_failed",
        "_needs_body",
        "_service",
        "_steps",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._actions = 0
        self._steps = 0
        self._client_address: bytes | None = None
        self._helo = ""
        self._authserv_id = service.settings.milter.authserv_id or ""
        self._evaluation: Evaluation | None = None
        self._needs_body = False
        self._in_message = False
        self._header = Header()
        self._connection_failed = False
        self._message_failed = False

    def negotiate(self, options: list[int]) -> int:
        """Take what is of use of what the MTA offers."""
        self._actions = options[0] & ACTIONS
        self._steps = options[1] & _WANTED
        options[:] = [self._actions, self._steps, 0, 0]
        return milter.CONTINUE

    def answer(self, no_reply_step: int) -> int:
        return milter.NOREPLY if self._steps & no_reply_step else milter.CONTINUE

    def connect(self, context: milter.milterContext, address: object) -> int:
        self._client_address = _packed(address)
        if not self._authserv_id:
            self._authserv_id = context.getsymval("j") or socket.getfqdn()
        return self.answer(milter.P_NR_CONN)

    def helo(self, name: str) -> int:
        self._helo = name
        return self.answer(milter.P_NR_HELO)

    def mail_from(self, path: bytes) -> int:
        self._start_message()
        if self.has_failed:
            return self.answer(milter.P_NR_MAIL)
        envelope = Envelope(self._client_address, self._helo, _reverse_path(path))
        self._evaluation = Evaluation(envelope, self._service.around, self._header)
        return self.answer(milter.P_NR_MAIL)

    def header(self, name: str, value: bytes) -> int:
        if not self._steps & milter.P_HDR_LEADSPC:
            value = b" " + value
        self._header.append(Field(name, with_crlf(value)))
        return self.answer(milter.P_NR_HDR)

    def end_of_headers(self) -> int:
        if self._evaluation is not None and not self.has_failed:
            self._needs_body = self._evaluation.end_of_headers()
        return self.answer(milter.P_NR_EOH)

    def body(self, chunk: bytes) -> int:
        if self._needs_body and self._evaluation is not None and not self.has_failed:
            self._evaluation.body(chunk)
            return milter.CONTINUE
        return milter.SKIP if self._steps & milter.P_SKIP else milter.CONTINUE

    def end_of_message(self, context: milter.milterContext) -> int:
        """Judge, change the message, answer."""
        if self._evaluation is None or self.has_failed:
            return self._answer_to_error(context)
        verdict = self._evaluation.end_of_message()
        settings = self._service.settings
        disposition = policy.decide(verdict, settings.policy.decision)
        queue_id = context.getsymval("i") or "NOQUEUE"
        logger.info(message_line(queue_id, verdict, disposition, settings.log))
        reply = policy.reply(verdict, disposition)
        if reply is None:
            self._edit(context, authentication_results.field_value(self._authserv_id, verdict, disposition))
        answer = self._carry_out(context, verdict, disposition, reply)
        self._end_message()
        return answer

    def _carry_out(
        self, context: milter.milterContext, verdict: Verdict, disposition: Disposition, reply: Reply | None
    ) -> int:
        if reply is not None:
            _set_reply(context, reply)
            return milter.TEMPFAIL if disposition.action is Action.TEMPFAIL else milter.REJECT
        holds = self._service.settings.policy.quarantine is policy.Quarantine.HOLD
        if disposition.action is Action.QUARANTINE and holds:
            if self._actions & milter.QUARANTINE:
                context.quarantine(f"DMARC policy of {verdict.author.domain or 'unknown author'}")
            else:
                logger.warning("the MTA offers no quarantine: a message to be held was delivered with its header only")
        return milter.CONTINUE

    def _edit(self, context: milter.milterContext, value: str) -> None:
        """Remove what claims to be ours, put ours on top."""
        ids = {self._authserv_id, *self._service.settings.milter.strip_authserv_ids}
        ours = frozenset(authentication_results.comparable(each) for each in ids)
        for deletion in deletions(self._header, ours):
            context.chgheader(deletion.name, deletion.ordinal, None)
        space = " " if self._steps & milter.P_HDR_LEADSPC else ""
        context.addheader(authentication_results.NAME, space + value, 0)

    def _answer_to_error(self, context: milter.milterContext) -> int:
        """`[policy] on_error`; even an accepted message keeps no field that claims to be ours."""
        on_error = self._service.settings.policy.on_error
        queue_id = _symbol(context, "i") or "NOQUEUE"
        logger.error('queue_id=%s action=%s reason="error in the filter"', queue_id, on_error.value)
        answer = {OnError.TEMPFAIL: milter.TEMPFAIL, OnError.REJECT: milter.REJECT}.get(on_error)
        if answer is None:
            self._edit(context, authentication_results.unjudged(self._authserv_id, "error in the filter"))
            answer = milter.CONTINUE
        else:
            code = "451" if on_error is OnError.TEMPFAIL else "550"
            _set_reply(context, Reply(code, f"{code[0]}.3.0", "Message could not be checked"))
        self._end_message()
        return answer

    @property
    def has_failed(self) -> bool:
        """Whether a callback failed in this message, or before it in this connection."""
        return self._message_failed or self._connection_failed

    def failed(self) -> None:
        """Note that a callback failed: this message, or all of this connection, cannot be judged."""
        if self._in_message:
            self._message_failed = True
        else:
            self._connection_failed = True

    def end_after_error(self, context: milter.milterContext) -> int:
        """The end of the message itself failed: answer as `[policy] on_error` says, in the plainest way."""
        try:
            return self._answer_to_error(context)
        except Exception:  # noqa: BLE001 - the last resort of a filter that one message must not crash
            logger.exception("error while answering to an error")
            self._end_message()
            return milter.TEMPFAIL

    def _start_message(self) -> None:
        self._end_message()
        self._in_message = True
        self._service.activity.change(messages=1)

    def _end_message(self) -> None:
        if self._in_message:
            self._service.activity.change(messages=-1)
        self._in_message = False
        self._evaluation = None
        self._needs_body = False
        self._header = Header()
        self._message_failed = False

    def abort(self) -> int:
        self._end_message()
        return milter.CONTINUE


def _packed(address: object) -> bytes | None:
    """The client's address out of what pymilter gives: (ip, port, ...), a path, or None."""
    if not isinstance(address, tuple):
        return None
    try:
        return ipaddress.ip_address(str(address[0]).removeprefix("IPv6:").partition("%")[0]).packed
    except ValueError:
        return None


def _reverse_path(path: bytes) -> str:
    """MAIL FROM without its brackets and without a source route (RFC 5321 4.1.2)."""
    text = path.decode("utf-8", "surrogateescape").strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    return text


def _symbol(context: milter.milterContext, name: str) -> str | None:
    try:
        return context.getsymval(name)
    except UnicodeDecodeError:
        return None


def _set_reply(context: milter.milterContext, reply: Reply) -> None:
    # libmilter takes the text for a printf format.
    context.setreply(reply.code, reply.enhanced, reply.text.replace("%", "%%"))


def _guarded(
    step: Callable[Concatenate[Session, P], int], no_reply_step: int
) -> Callable[Concatenate[milter.milterContext, P], int]:
    """`step` as a callback whose failure is remembered until the end of the message."""

    @wraps(step)
    def callback(context: milter.milterContext, /, *args: P.args, **kwargs: P.kwargs) -> int:
        session: Session = context.getpriv()
        try:
            return step(session, *args, **kwargs)
        except Exception:  # noqa: BLE001 - libmilter is C: whatever it is, it must not get there
            logger.exception("error in the filter at %s", step.__name__)
            session.failed()
            return session.answer(no_reply_step)

    return callback


def register(service: Service) -> None:
    """Give libmilter its callbacks."""

    def negotiate(context: milter.milterContext, options: list[int]) -> int:
        session = Session(service)
        context.setpriv(session)
        service.activity.change(sessions=1)
        return session.negotiate(options)

    connected = _guarded(Session.connect, milter.P_NR_CONN)

    def connect(context: milter.milterContext, _name: str, _family: int, address: object) -> int:
        return connected(context, context, address)

    mail_from = _guarded(Session.mail_from, milter.P_NR_MAIL)

    def envfrom(context: milter.milterContext, path: bytes, *_parameters: bytes) -> int:
        return mail_from(context, path)

    def end_of_message(context: milter.milterContext) -> int:
        session: Session = context.getpriv()
        try:
            return session.end_of_message(context)
        except Exception:  # noqa: BLE001 - as above
            logger.exception("error in the filter at end_of_message")
            return session.end_after_error(context)

    def abort(context: milter.milterContext) -> int:
        session: Session = context.getpriv()
        return session.abort()

    def close(context: milter.milterContext) -> int:
        session: Session | None = context.getpriv()
        if session is not None:
            session.abort()
            context.setpriv(None)
            service.activity.change(sessions=-1)
        return milter.CONTINUE

    milter.set_flags(ACTIONS)
    milter.set_connect_callback(connect)
    milter.set_helo_callback(_guarded(Session.helo, milter.P_NR_HELO))
    milter.set_envfrom_callback(envfrom)
    milter.set_header_callback(_guarded(Session.header, milter.P_NR_HDR))
    milter.set_eoh_callback(_guarded(Session.end_of_headers, milter.P_NR_EOH))
    milter.set_body_callback(_guarded(Session.body, 0))
    milter.set_eom_callback(end_of_message)
    milter.set_abort_callback(abort)
    milter.set_close_callback(close)
    # Reached only where pymilter cannot even call us: a HELO or a field name that is no UTF-8. The field is left out.
    milter.set_exception_policy(milter.CONTINUE)
    milter.register("dmarc-milter", negotiate=negotiate)
