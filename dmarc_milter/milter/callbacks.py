"""libmilter's callbacks, registered with pymilter's C module directly.

An exception in a callback is a bug of ours: it is logged with its traceback, and at the end of the message the MTA is
told what `[policy] on_error` says. So it is where pymilter cannot even call us, for a text that is no UTF-8.
"""

from __future__ import annotations  # pymilter names its context type for type checkers only

import sys
import threading
from collections.abc import Callable
from threading import get_native_id
from types import TracebackType
from typing import TYPE_CHECKING, TypeVarTuple

import milter

from dmarc_milter.milter.session import ACTIONS, Session
from dmarc_milter.milter.worker_state import WorkerState
from dmarc_milter.telemetry.log import logger

Told = TypeVarTuple("Told")
"""What libmilter tells at a stage."""
if TYPE_CHECKING:
    Step = Callable[[Session, *Told], int]
    Callback = Callable[[milter.milterContext, *Told], int]


class _Callbacks:
    """The sessions of a worker, each in the context that pymilter has for a connection."""

    def __init__(self, worker: WorkerState) -> None:
        self._worker = worker
        self._current = threading.local()
        """The session of the context at hand. pymilter gives each context a thread state of its own, in which what is
        local to a thread is kept: so it is right whichever of libmilter's threads serves the connection."""

    def begin(self, context: milter.milterContext) -> Session:
        """A session for a connection that has none: a new one, or one that follows another (SMFIC_QUIT_NC)."""
        session = Session(self._worker)
        context.setpriv(session)
        self._current.session = session
        self._worker.begin_session(session)
        return session

    def guarded(self, step: Step[*Told], no_reply_step: int) -> Callback[*Told]:
        """`step` as a callback whose failure is remembered until the end of the message."""

        def after_error(session: Session, context: milter.milterContext) -> int:
            session.failed()
            return session.answer(no_reply_step)

        return self.answering(step, after_error)

    def answering(
        self, step: Step[*Told], after_error: Callable[[Session, milter.milterContext], int]
    ) -> Callback[*Told]:
        """`step` as a callback; `after_error` gives the answer where it fails."""
        begin = self.begin

        def callback(context: milter.milterContext, /, *told: *Told) -> int:
            session: Session = context.getpriv() or begin(context)
            session.callbacks += 1
            session.thread = get_native_id()
            try:
                return step(session, *told)
            except Exception:  # noqa: BLE001 - libmilter is C: whatever it is, it must not get there
                logger.exception("error in the filter at %s", step.__name__)
                return after_error(session, context)
            finally:
                session.thread = 0

        return callback

    def close(self, context: milter.milterContext) -> int:
        """The connection has ended, or another one follows on the same socket."""
        session: Session | None = context.getpriv()
        if session is not None:
            context.setpriv(None)
            self._worker.end_session(session)
            session.abort()
        return milter.CONTINUE

    def not_called(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """pymilter prints an exception, this way, where it could not call us, and goes on."""
        session: Session | None = getattr(self._current, "session", None)
        if not isinstance(error, UnicodeDecodeError):
            logger.error("pymilter failed", exc_info=(kind, error, trace))
        if session is not None:
            session.missed(error.object if isinstance(error, UnicodeDecodeError) else None)


def register(worker: WorkerState) -> None:
    """Give libmilter its callbacks."""
    callbacks = _Callbacks(worker)
    guarded = callbacks.guarded

    def refuse(session: Session, context: milter.milterContext) -> int:
        return milter.REJECT

    def end_after_error(session: Session, context: milter.milterContext) -> int:
        worker.note_exception()
        return session.end_after_error(context)

    connected = guarded(Session.connect, milter.P_NR_CONN)

    def connect(context: milter.milterContext, name: str, _family: int, address: object) -> int:
        return connected(context, context, name, address)

    mail_from = guarded(Session.mail_from, milter.P_NR_MAIL)

    def envfrom(context: milter.milterContext, path: bytes, *_parameters: bytes) -> int:
        return mail_from(context, context, path)

    recipient = guarded(Session.recipient, milter.P_NR_RCPT)

    def envrcpt(context: milter.milterContext, path: bytes, *_parameters: bytes) -> int:
        return recipient(context, path)

    ended = callbacks.answering(Session.end_of_message, end_after_error)

    def end_of_message(context: milter.milterContext) -> int:
        return ended(context, context)

    milter.set_flags(ACTIONS)
    milter.set_connect_callback(connect)
    milter.set_helo_callback(guarded(Session.helo, milter.P_NR_HELO))
    milter.set_envfrom_callback(envfrom)
    milter.set_envrcpt_callback(envrcpt)
    milter.set_header_callback(guarded(Session.header, milter.P_NR_HDR))
    milter.set_eoh_callback(guarded(Session.end_of_headers, milter.P_NR_EOH))
    milter.set_body_callback(guarded(Session.body, 0))
    milter.set_eom_callback(end_of_message)
    milter.set_abort_callback(guarded(Session.abort, 0))
    milter.set_close_callback(callbacks.close)
    # An exception that pymilter has for itself is told to the session. Nothing but CONTINUE will do: after any other
    # answer to a stage that has no reply, libmilter would never answer the end of the message.
    sys.excepthook = callbacks.not_called
    milter.set_exception_policy(milter.CONTINUE)
    # Not negotiated is not served: what the MTA would take from CONTINUE is to leave out all stages.
    milter.register(
        "dmarc-milter", data=guarded(Session.data, 0), negotiate=callbacks.answering(Session.negotiate, refuse)
    )
