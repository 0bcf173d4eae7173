"""Sessions and callbacks without libmilter: what the MTA is told, and what comes of errors at each stage."""

import sys
from collections.abc import Iterator
from typing import Any

import milter
import pytest

from dmarc_milter.columns.column import Row
from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.judging.evaluation import MessageEvaluation
from dmarc_milter.judging.site import Site
from dmarc_milter.milter.worker_state import WorkerState
from dmarc_milter.settings import config
from dmarc_milter.telemetry.metrics import WorkerMetrics
from tests.support.libmilter import ALL_ACTIONS, ALL_STEPS, Callbacks, Context, registered

LOCAL = milter.P_NODATA | milter.P_NR_HELO | milter.P_NR_RCPT
FORGED = ("Authentication-Results", b" mx.example.org; dmarc=pass")


class Filter:
    """A worker, its callbacks, and one connection of an MTA."""

    def __init__(self, is_over_network: bool = False, **policy: Any) -> None:
        source = ZoneResolver.from_text(zone_text())
        counted = WorkerMetrics(["r", "q"])
        settings = config.parse({"policy": {"mode": "enforce", **policy.pop("policy", {})}, **policy})
        self.rows: list[Row] = []
        self.exceptions = 0
        self.missing: list[str] = []
        self.worker = WorkerState(
            Site.of(settings, Runner(source), source),
            [self.rows.append, counted.observe],
            self._note,
            self.missing.append,
            is_over_network=is_over_network,
        )
        before = sys.excepthook
        self.call: Callbacks = registered(self.worker)
        self.excepthook, sys.excepthook = sys.excepthook, before
        self.context = Context()

    def _note(self) -> None:
        self.exceptions += 1

    def negotiate(self, actions: int = ALL_ACTIONS, steps: int = ALL_STEPS) -> list[int]:
        options = [actions, steps, 0, 0]
        assert self.call["negotiate"](self.context, options) == milter.CONTINUE
        return options

    def connect(self, client: str = "192.0.2.10", helo: str = "mail.bank.example") -> None:
        self.call["connect"](self.context, helo, 2, (client, 25))
        self.call["helo"](self.context, helo)

    def message(self, name: str, *more: tuple[str, bytes], recipients: tuple[bytes, ...] = ()) -> int:
        (example,) = (each for each in EXAMPLES if each.name == name)
        fields, body = example.content
        self.call["envfrom"](self.context, f"<{example.mail_from}>".encode())
        for recipient in recipients:
            self.call["envrcpt"](self.context, recipient)
        self.call["data"](self.context)
        for field_name, value in [*more, *((key.decode(), value) for key, value in fields)]:
            self.call["header"](self.context, field_name, value.replace(b"\r\n", b"\n"))
        self.call["eoh"](self.context)
        self.call["body"](self.context, body)
        return self.call["eom"](self.context)

    @property
    def results(self) -> str:
        return next(value for name, value in self.context.added if name == "Authentication-Results")


@pytest.fixture
def running() -> Iterator[Filter]:
    made = Filter()
    made.negotiate()
    made.connect()
    yield made
    made.call["close"](made.context)
    assert made.worker.sessions == made.worker.messages == set()


@pytest.mark.parametrize(
    ("is_over_network", "rules", "answered"),
    [
        (False, [], 0),
        (True, [], LOCAL),
        (False, [{"name": "r", "recipient_domain": ["a.example"], "action": "accept", "reason": "x"}], milter.P_NORCPT),
    ],
)
def test_negotiated(is_over_network: bool, rules: list[dict[str, Any]], answered: int) -> None:
    actions, steps, *_ = Filter(is_over_network, override=rules).negotiate()
    assert actions == milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
    all_ = LOCAL | milter.P_NR_CONN | milter.P_NR_HDR | milter.P_NR_EOH | milter.P_SKIP | milter.P_HDR_LEADSPC
    assert steps == (all_ | milter.P_NOUNKNOWN | milter.P_NORCPT) & ~answered
    assert not steps & milter.P_NR_MAIL


def test_what_the_mta_does_not_grant_is_told_once() -> None:
    made = Filter()
    for _ in range(2):
        made.negotiate(actions=milter.ADDHDRS)
    assert made.missing == ["delete_fields", "delete_fields"]


def test_an_mta_that_lets_nothing_be_added() -> None:
    made = Filter()
    made.negotiate(actions=milter.CHGHDRS)
    made.connect()
    assert made.message("signed", FORGED) == milter.CONTINUE
    assert (made.context.added, made.context.changed) == ([], [("Authentication-Results", 1, None)])
    assert made.missing == ["add_fields"]
    made.call["close"](made.context)


def test_stages_that_come_before_their_message(running: Filter) -> None:
    """They are about none, and the next one is judged by itself."""
    assert running.call["envrcpt"](running.context, b"<you@example.org>") == milter.NOREPLY
    assert running.call["header"](running.context, "From", b" a@shop.example") == milter.NOREPLY
    assert running.message("signed") == milter.CONTINUE
    assert "dmarc=pass (p=reject dis=none) header.from=bank.example" in running.results
    assert running.exceptions == 0


def test_a_right_message(running: Filter) -> None:
    assert running.message("signed", FORGED) == milter.CONTINUE
    assert "dmarc=pass (p=reject dis=none) header.from=bank.example" in running.results
    assert running.context.changed == [("Authentication-Results", 1, None)]
    (row,) = running.rows
    assert (row["queue_id"], row["action"]) == ("4XTEST", "accept")


def test_a_refused_one_and_the_next(running: Filter) -> None:
    assert running.message("spoofed") == milter.REJECT
    assert running.context.reply is not None
    assert running.context.reply[:2] == ("550", "5.7.1")
    running.call["abort"](running.context)
    assert running.message("signed") == milter.CONTINUE
    assert [row["action"] for row in running.rows] == ["reject", "accept"]


def test_a_message_that_is_given_up(running: Filter) -> None:
    running.call["envfrom"](running.context, b"<a@bank.example>")
    assert len(running.worker.messages) == 1
    assert not running.worker.is_quiet(0.0)
    running.call["envfrom"](running.context, b"<b@bank.example>")
    assert len(running.worker.messages) == 1
    running.call["abort"](running.context)
    assert not running.worker.messages
    assert running.worker.is_quiet(-1.0)
    assert running.rows == []


def test_recipients_of_rules() -> None:
    rule = {"name": "r", "recipient_domain": ["staff.example.org"], "action": "accept", "reason": "x"}
    made = Filter(override=[rule])
    made.negotiate()
    made.connect()
    assert made.message("spoofed", recipients=(b"<@relay.example:a@staff.example.org>",)) == milter.CONTINUE
    assert made.message("spoofed", recipients=(b"<a@example.org>",)) == milter.REJECT


def test_held_where_the_mta_can_hold(caplog: pytest.LogCaptureFixture) -> None:
    for actions, held in ((ALL_ACTIONS, True), (milter.ADDHDRS | milter.CHGHDRS, False)):
        made = Filter(
            policy={"quarantine": "hold"},
            override=[{"name": "q", "from_domain": ["bank.example"], "action": "quarantine", "reason": "x"}],
        )
        made.negotiate(actions=actions)
        made.connect()
        assert made.message("spoofed") == milter.CONTINUE
        assert (made.context.held is not None) is held
    assert "offers no quarantine" in caplog.text


def test_own_mail_gets_no_field() -> None:
    made = Filter()
    made.negotiate()
    made.connect(client="127.0.0.1")
    assert made.message("spoofed") == milter.CONTINUE
    assert made.context.added == []
    assert made.rows[0]["spf"] is None


@pytest.mark.parametrize("address", [None, "/run/x", ("IPv6:2001:db8::1", 25), ("nonsense", 25)])
def test_clients_of_any_kind(address: object, running: Filter) -> None:
    running.call["connect"](running.context, "client.invalid", 2, address)
    assert running.message("signed") in (milter.CONTINUE, milter.REJECT)


@pytest.mark.parametrize("stage", ["end_of_headers", "body", "end_of_message"])
@pytest.mark.parametrize(
    ("on_error", "answer"), [("tempfail", milter.TEMPFAIL), ("reject", milter.REJECT), ("accept", milter.CONTINUE)]
)
def test_a_bug_comes_to_what_the_settings_say(
    stage: str, on_error: str, answer: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: MessageEvaluation, *_: object) -> None:
        raise ZeroDivisionError("made up")

    monkeypatch.setattr(MessageEvaluation, stage, broken)
    made = Filter(policy={"on_error": on_error})
    made.negotiate()
    made.connect()
    assert made.message("signed", FORGED) == answer
    assert made.exceptions == 1
    assert "made up" in caplog.text
    if answer == milter.CONTINUE:
        assert made.context.changed == [("Authentication-Results", 1, None)]


def test_a_bug_in_telling_changes_no_answer(running: Filter, caplog: pytest.LogCaptureFixture) -> None:
    def broken(row: Row) -> None:
        raise ZeroDivisionError("made up")

    running.worker._observers = [broken, *running.worker._observers]
    assert running.message("signed") == milter.CONTINUE
    assert (running.exceptions, len(running.rows)) == (1, 1)
    assert "made up" in caplog.text


NOT_UTF_8 = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")


def test_a_field_whose_name_is_no_utf_8(running: Filter) -> None:
    running.call["envfrom"](running.context, b"<a@bank.example>")
    running.excepthook(UnicodeDecodeError, NOT_UTF_8, None)
    running.call["eoh"](running.context)
    assert running.call["eom"](running.context) == milter.TEMPFAIL
    assert running.exceptions == 1


def test_a_helo_that_is_no_utf_8_is_one(running: Filter) -> None:
    running.excepthook(UnicodeDecodeError, NOT_UTF_8, None)
    assert running.message("signed") == milter.CONTINUE
    assert running.exceptions == 0


def test_pymilter_that_fails_itself(running: Filter, caplog: pytest.LogCaptureFixture) -> None:
    running.call["envfrom"](running.context, b"<a@bank.example>")
    running.excepthook(RuntimeError, RuntimeError("pymilter"), None)
    assert running.call["eom"](running.context) == milter.TEMPFAIL
    assert "pymilter failed" in caplog.text


def test_a_connection_of_which_something_was_missed(running: Filter) -> None:
    running.context.macros["_"] = "other [192.0.2.99]"
    assert running.message("signed") == milter.TEMPFAIL


def test_the_next_connection_takes_over_what_was_negotiated() -> None:
    made = Filter()
    made.negotiate()
    made.connect()
    made.call["close"](made.context)
    made.call["connect"](made.context, "x", 2, ("192.0.2.10", 25))
    made.call["helo"](made.context, "mail.bank.example")
    assert made.message("signed", FORGED) == milter.CONTINUE
    assert made.context.changed == [("Authentication-Results", 1, None)]


def test_without_a_blank_of_its_own() -> None:
    made = Filter()
    made.negotiate(steps=ALL_STEPS & ~milter.P_HDR_LEADSPC)
    made.connect()
    made.call["envfrom"](made.context, b"<a@bank.example>")
    made.call["header"](made.context, "From", b"a@bank.example")
    made.call["eoh"](made.context)
    made.call["eom"](made.context)
    assert made.rows[0]["author_domain"] == "bank.example"


def test_a_body_that_nobody_wants_is_left_out(running: Filter) -> None:
    running.call["envfrom"](running.context, b"<a@crook.example>")
    running.call["header"](running.context, "From", b" a@crook.example")
    running.call["eoh"](running.context)
    assert running.call["body"](running.context, b"x" * 65_535) == milter.SKIP
    assert running.call["body"](running.context, b"x") == milter.CONTINUE


def test_a_reply_that_pymilter_refuses(
    running: Filter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: str) -> None:
        raise milter.error("no")

    monkeypatch.setattr(running.context, "setreply", refuse)
    assert running.message("spoofed") == milter.REJECT
    assert "the MTA cannot be told" in caplog.text


def test_macros_that_are_no_utf_8(running: Filter, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(name: str) -> str:
        raise NOT_UTF_8

    monkeypatch.setattr(running.context, "getsymval", raising)
    assert running.message("signed") == milter.CONTINUE
    assert running.rows[0]["queue_id"] == "NOQUEUE"
