"""One connection of the MTA: what libmilter's callbacks come to.

No stage but the end of the message says anything to the MTA, so most of the others are negotiated to need no reply.
What has failed before is answered at the end of the message, as `[policy] on_error` says.

MAIL FROM is answered: Postfix keeps what needs no reply back until something does. So SPF can begin there, and a worker
that is told to end knows of the message. Over the network, all stages between the connection and the header are
answered. Postfix writes a packet in two small pieces. The system holds the second one back until the first is
acknowledged, and without a reply that is only done 40 ms later.
"""

from __future__ import annotations  # pymilter names its context type for type checkers only

import socket
import time
from functools import cache

import milter

from dmarc_milter import wording
from dmarc_milter.judging.reply import Reply
from dmarc_milter.judging.transaction import ERROR, Connection, Outcome, Transaction
from dmarc_milter.judging.verdict import Action
from dmarc_milter.milter.worker_state import WorkerState
from dmarc_milter.telemetry.log import logger

ACTIONS = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
_WANTED = (
    milter.P_NOUNKNOWN | milter.P_NR_CONN | milter.P_NR_HDR | milter.P_NR_EOH | milter.P_SKIP | milter.P_HDR_LEADSPC
)
_WANTED_LOCALLY = milter.P_NODATA | milter.P_NR_HELO | milter.P_NR_RCPT
"""Over a unix socket."""
_NEEDED = {"add_fields": milter.ADDHDRS, "delete_fields": milter.CHGHDRS}
_FULL_CHUNK = 65_535
"""Octets of body that MTAs send at once."""

_ANSWERS = {Action.TEMPFAIL: milter.TEMPFAIL, Action.REJECT: milter.REJECT}


class Session:
    """One connection of the MTA; its messages one after the other."""

    __slots__ = (
        "_actions",
        "_authserv_id",
        "_client_address",
        "_client_seen",
        "_connection_failed",
        "_helo",
        "_holds_throttle",
        "_in_message",
        "_is_local",
        "_message_failed",
        "_needs_body",
        "_steps",
        "_transaction",
        "_worker",
        "callbacks",
        "idle_since",
        "thread",
    )

    def __init__(self, worker: WorkerState) -> None:
        self._worker = worker
        self.thread = 0
        self.callbacks = 0
        self.idle_since = time.monotonic()
        self._actions = 0
        self._steps = 0
        self._client_address: bytes | None = None
        self._is_local = False
        self._helo = ""
        self._authserv_id = worker.site.settings.milter.authserv_id or ""
        self._client_seen: str | None = None
        """The client as the MTA's macro has it."""
        self._connection_failed = True
        """Until we know who has connected."""
        self._holds_throttle: bool | None = None
        """None where none was asked for."""
        self._in_message = False
        self._message_failed = False
        self._needs_body = False
        self._transaction: Transaction | None = None

    def _learn_authserv_id(self, context: milter.milterContext) -> None:
        if not self._authserv_id:
            self._authserv_id = _symbol(context, "j") or _host_name()

    # The stages, in the order of SMTP

    def negotiate(self, options: list[int]) -> int:
        """Take what is of use of what the MTA offers."""
        actions = options[0] & ACTIONS
        wanted = _WANTED if self._worker.is_over_network else _WANTED | _WANTED_LOCALLY
        if not self._worker.site.wants_recipients:
            wanted |= milter.P_NORCPT
        steps = options[1] & wanted
        self._worker.negotiated = self._actions, self._steps = actions, steps
        options[:] = [actions, steps, 0, 0]
        for name, action in _NEEDED.items():
            if not actions & action:
                self._worker.note_missing_action(name)
        return milter.CONTINUE

    def answer(self, no_reply_step: int) -> int:
        """The answer to a stage: continue, or none where the MTA waits for none (the flag `no_reply_step`)."""
        return milter.NOREPLY if self._steps & no_reply_step else milter.CONTINUE

    def connect(self, context: milter.milterContext, name: str, address: object) -> int:
        """A client has connected; `address` is as pymilter gives it: (ip, port, ...), a path, or None."""
        if not self._steps:
            # After SMFIC_QUIT_NC, nothing is negotiated anew.
            self._actions, self._steps = self._worker.negotiated
        self._client_address = _packed(address)
        # Sendmail's way to say that nobody connected; a client whose address is unknown has another name.
        self._is_local = self._client_address is None and (isinstance(address, str) or name == "localhost")
        self._learn_authserv_id(context)
        self._client_seen = _symbol(context, "_")
        self._connection_failed = False
        return self.answer(milter.P_NR_CONN)

    def helo(self, name: str) -> int:
        """HELO or EHLO."""
        self._helo = name
        return self.answer(milter.P_NR_HELO)

    def mail_from(self, context: milter.milterContext, path: bytes) -> int:
        """MAIL FROM: a message begins, one at hand is given up. SPF is asked about from here on."""
        self._start_message()
        if _symbol(context, "_") != self._client_seen:
            # libmilter leaves out a connection that follows another one in an unusual place.
            self._connection_failed = True
        self._learn_authserv_id(context)
        self._begin_transaction(_address(path), _symbol(context, "{auth_authen}"))
        return self.answer(milter.P_NR_MAIL)

    def _begin_transaction(self, mail_from: str = "", authenticated: str | None = None) -> Transaction:
        """Judge the message that begins; one of a connection of which something was missed cannot be judged."""
        connection = Connection(
            self._client_address,
            self._helo,
            self._authserv_id,
            is_local=self._is_local,
            can_delete_fields=bool(self._actions & milter.CHGHDRS),
        )
        error = ERROR if self._connection_failed or self._message_failed else None
        self._transaction = Transaction(self._worker.site, connection, mail_from, authenticated, error=error)
        return self._transaction

    def recipient(self, path: bytes) -> int:
        """Asked for only where a rule needs it."""
        if self._transaction is not None:
            self._transaction.recipient(_address(path))
        return self.answer(milter.P_NR_RCPT)

    def data(self) -> int:
        """The message follows."""
        return milter.CONTINUE

    def header(self, name: str, value: bytes) -> int:
        """The next field, `value` with or without the space behind the colon, as was negotiated."""
        if self._holds_throttle is None and self._steps & milter.P_NR_HDR:
            self._holds_throttle = self._worker.header_throttle.acquire()
        if not self._steps & milter.P_HDR_LEADSPC:
            value = b" " + value
        if self._transaction is not None:
            self._transaction.field(name, value)
        return self.answer(milter.P_NR_HDR)

    def end_of_headers(self) -> int:
        """All fields are there."""
        try:
            self._needs_body = self._transaction is not None and self._transaction.end_of_header()
        finally:
            self._release_throttle()
        return self.answer(milter.P_NR_EOH)

    def body(self, chunk: bytes) -> int:
        """The next octets of the body; the rest is skipped where nothing needs it."""
        if self._needs_body and self._transaction is not None:
            self._transaction.body(chunk)
            return milter.CONTINUE
        # A chunk that is not full may come with the end of the message, which libmilter would skip as well.
        return milter.SKIP if self._steps & milter.P_SKIP and len(chunk) >= _FULL_CHUNK else milter.CONTINUE

    def end_of_message(self, context: milter.milterContext) -> int:
        """Judge, change the message, answer, tell."""
        self._learn_authserv_id(context)
        transaction = self._transaction or self._begin_transaction()
        outcome = transaction.end_of_message(_queue_id(context))
        answer = self._carry_out(context, outcome)
        self._worker.tell(outcome.record)
        self._end_message()
        return answer

    def end_after_error(self, context: milter.milterContext) -> int:
        """The end of the message itself failed: answer as `[policy] on_error` says, in the plainest way."""
        try:
            transaction = self._transaction or self._begin_transaction()
            transaction.fail()
            return self.end_of_message(context)
        except Exception:  # noqa: BLE001 - the last resort of a filter that one message must not crash
            logger.exception("error while answering to an error")
            self._end_message()
            return milter.TEMPFAIL

    def abort(self) -> int:
        """The message is given up. The connection stays."""
        self._end_message()
        return milter.CONTINUE

    # What the MTA is told

    def _carry_out(self, context: milter.milterContext, outcome: Outcome) -> int:
        if outcome.reply is not None:
            _set_reply(context, outcome.reply)
            return _ANSWERS[outcome.disposition.action]
        for deletion in outcome.deletions:
            context.chgheader(deletion.name, deletion.ordinal, None)
        for addition in outcome.additions:
            self._add(context, addition.name, addition.value)
        if outcome.hold is not None:
            self._hold(context, wording.text(outcome.hold))
        return milter.CONTINUE

    def _add(self, context: milter.milterContext, name: str, value: str) -> None:
        if not self._actions & milter.ADDHDRS:
            return
        space = " " if self._steps & milter.P_HDR_LEADSPC else ""
        context.addheader(name, space + value, 0)

    def _hold(self, context: milter.milterContext, reason: str) -> None:
        if self._actions & milter.QUARANTINE:
            context.quarantine(reason)
        else:
            logger.warning("the MTA offers no quarantine: a message to be held was delivered with its header only")

    # Errors and the life of a message

    def failed(self) -> None:
        """Note that a callback failed: this message, or all of this connection, cannot be judged."""
        self._worker.note_exception()
        if self._transaction is not None:
            self._transaction.fail()
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
        self._worker.messages.add(self)

    def _release_throttle(self) -> None:
        if self._holds_throttle:
            self._worker.header_throttle.release()
        self._holds_throttle = None

    def _end_message(self) -> None:
        self._release_throttle()
        if self._transaction is not None:
            self._transaction.close()
            self._transaction = None
        self._needs_body = self._message_failed = False
        if self._in_message:
            self._in_message = False
            self.idle_since = time.monotonic()
            self._worker.messages.discard(self)


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
    """MAIL FROM or RCPT TO without its brackets."""
    text = path.decode("utf-8", "surrogateescape").strip()
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


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
