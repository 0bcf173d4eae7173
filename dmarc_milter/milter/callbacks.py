"""libmilter's callbacks, registered with pymilter's C module directly.

An exception in a callback is a bug of ours: it is logged with its traceback, and at the end of the message the MTA is
told what `[policy] on_error` says.
"""

from __future__ import annotations  # pymilter names its context type for type checkers only

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import milter

from dmarc_milter.log import logger
from dmarc_milter.milter.session import ACTIONS, Session
from dmarc_milter.milter.worker_state import Service

P = ParamSpec("P")


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

    def connect(context: milter.milterContext, name: str, _family: int, address: object) -> int:
        return connected(context, context, name, address)

    mail_from = _guarded(Session.mail_from, milter.P_NR_MAIL)

    def envfrom(context: milter.milterContext, path: bytes, *_parameters: bytes) -> int:
        return mail_from(context, context, path)

    recipient = _guarded(Session.recipient, milter.P_NR_RCPT)

    def envrcpt(context: milter.milterContext, path: bytes, *_parameters: bytes) -> int:
        return recipient(context, path)

    def end_of_message(context: milter.milterContext) -> int:
        session: Session = context.getpriv()
        try:
            return session.end_of_message(context)
        except Exception:  # noqa: BLE001 - as above
            logger.exception("error in the filter at end_of_message")
            service.note_exception()
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
    milter.set_envrcpt_callback(envrcpt)
    milter.set_header_callback(_guarded(Session.header, milter.P_NR_HDR))
    milter.set_eoh_callback(_guarded(Session.end_of_headers, milter.P_NR_EOH))
    milter.set_body_callback(_guarded(Session.body, 0))
    milter.set_eom_callback(end_of_message)
    milter.set_abort_callback(abort)
    milter.set_close_callback(close)
    # Reached only where pymilter cannot even call us: a HELO or a field name that is no UTF-8. The field is left out.
    milter.set_exception_policy(milter.CONTINUE)
    milter.register("dmarc-milter", negotiate=negotiate)
