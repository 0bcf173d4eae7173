"""Stages in any order, and what libmilter or pymilter cannot hand on: nothing of it lets a spoof in.

A message ends in its verdict or in what `[policy] on_error` says. Where libmilter itself takes no notice of a command, it
answers nothing at all, and the MTA does what it does with a filter that is down.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.mta import ALL_ACTIONS, ALL_STEPS, Mta, MtaResponse
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import EXPECTED, found
from tests.support.running import RunningFilter, settings

SIGNED = EXAMPLES[0]
ADD, DELETE = 0x1, 0x10
CROOK, CROOKS_ADDRESS = "mail.crook.example", "203.0.113.5"

MAIL = (b"M", b"<a@crook.example>\0")
RECIPIENT = (b"R", b"<you@example.org>\0")
DATA = (b"T", b"")
FROM_BANK = (b"L", b"From\0 <info@bank.example>\0")
FROM_CROOK = (b"L", b"From\0 <a@crook.example>\0")
ODD_NAME = (b"L", b"X-\xff\0 x\0")
BANK_IN_ODD_NAME = (b"L", b"From\xa0\0 <info@bank.example>\0")
END_OF_HEADER = (b"N", b"")
BODY = (b"B", b"Hello\r\n")
UNKNOWN = (b"U", b"NONSENSE\0")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, name_server: NameServerThread) -> Iterator[RunningFilter]:
    folder = tmp_path_factory.mktemp("filter")
    started = RunningFilter(folder, f"unix:{folder}/socket", settings(name_server))
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log


def connected(running: RunningFilter, **options: Any) -> Mta:
    mta = running.mta(**options)
    mta.connect(CROOK, CROOKS_ADDRESS)
    mta.helo(CROOK)
    return mta


def play(mta: Mta, stages: tuple[tuple[bytes, bytes], ...], end: bytes = b"") -> MtaResponse:
    mta.limit(2)
    for command, data in stages:
        mta.packet(command, data)
    return mta.end_of_message(end)


def message(mta: Mta, author: bytes, *more: tuple[bytes, bytes]) -> MtaResponse:
    mail_from = author.decode().partition("<")[2].rstrip(">")
    return mta.message(mail_from, ["you@example.org"], [(b"From", b" " + author), *more], b"Hello\r\n")


def signed(mta: Mta) -> tuple[str, ...]:
    fields, body = SIGNED.content
    return found(mta.message(SIGNED.mail_from, ["you@example.org"], fields, body))


JUDGED = {
    "as usual": (MAIL, FROM_BANK, END_OF_HEADER, BODY),
    "with DATA and a recipient": (MAIL, RECIPIENT, DATA, FROM_BANK, END_OF_HEADER, BODY),
    "MAIL twice": (MAIL, MAIL, FROM_BANK, END_OF_HEADER, BODY),
    "MAIL after a header": (MAIL, FROM_CROOK, MAIL, FROM_BANK, END_OF_HEADER, BODY),
    "MAIL after the body": (MAIL, FROM_CROOK, END_OF_HEADER, BODY, MAIL, FROM_BANK, END_OF_HEADER),
    "no body": (MAIL, FROM_BANK, END_OF_HEADER),
    "an unknown command": (MAIL, UNKNOWN, RECIPIENT, FROM_BANK, END_OF_HEADER),
    "HELO in between": (MAIL, (b"H", b"mail.crook.example\0"), MAIL, FROM_BANK, END_OF_HEADER),
    "another HELO": ((b"H", b"bank.example\0"), MAIL, FROM_BANK, END_OF_HEADER),
    "a HELO that is no UTF-8": ((b"H", b"bank.example\xff\0"), MAIL, FROM_BANK, END_OF_HEADER),
    "an abort, then another": (MAIL, FROM_CROOK, (b"A", b""), MAIL, FROM_BANK, END_OF_HEADER),
    "macros that make no sense": (
        (b"D", b"M\xff\0\xff\0i\0\xff\0{auth_authen}\0\xff\0"),
        MAIL,
        FROM_BANK,
        END_OF_HEADER,
    ),
}


@pytest.mark.parametrize("stages", JUDGED.values(), ids=JUDGED.keys())
def test_judged(running: RunningFilter, stages: tuple[tuple[bytes, bytes], ...]) -> None:
    mta = connected(running)
    answer = play(mta, stages)
    assert answer.reply.startswith("550 5.7.1 Email rejected per DMARC policy for bank.example")
    assert signed(mta)[2] == "pass", "and the next one of the connection as if nothing had been"
    mta.quit()


@pytest.mark.parametrize("before", [(), (BODY,)], ids=["all of it", "the rest of it"])
def test_a_body_that_comes_with_the_end(running: RunningFilter, before: tuple[tuple[bytes, bytes], ...]) -> None:
    mta = connected(running)
    answer = play(mta, (MAIL, FROM_BANK, END_OF_HEADER, *before), b"Hello\r\n")
    assert answer.reply.startswith("550 5.7.1")
    mta.quit()


NOT_JUDGED = {
    "no header at all": (MAIL,),
    "no header, a recipient": (MAIL, RECIPIENT),
    "a body instead of a header": (MAIL, BODY),
    "a field whose name is no UTF-8": (MAIL, ODD_NAME, FROM_BANK, END_OF_HEADER, BODY),
    "one behind the others": (MAIL, FROM_CROOK, BANK_IN_ODD_NAME, END_OF_HEADER, BODY),
    "thousands of them": (MAIL, *[ODD_NAME] * 5_000, FROM_BANK, END_OF_HEADER),
}


@pytest.mark.parametrize("stages", NOT_JUDGED.values(), ids=NOT_JUDGED.keys())
def test_not_judged(running: RunningFilter, stages: tuple[tuple[bytes, bytes], ...]) -> None:
    mta = connected(running)
    lines = running.log.count("\n")
    assert play(mta, stages).reply == "451 4.3.0 Message could not be checked"
    assert running.log.count("\n") <= lines + 2, "a line for the message, and one that says why"
    mta.limit(60)
    assert signed(mta)[2] == "pass"
    mta.quit()


UNANSWERED = {
    "a field, and no end of the header": (MAIL, FROM_BANK),
    "a field, a body": (MAIL, FROM_BANK, BODY),
    "a body before the end of the header": (MAIL, BODY, END_OF_HEADER),
    "a field behind the header": (MAIL, FROM_CROOK, END_OF_HEADER, FROM_BANK),
    "a field behind the body": (MAIL, FROM_CROOK, END_OF_HEADER, BODY, FROM_BANK),
    "no MAIL": (FROM_BANK, END_OF_HEADER),
    "nothing": (),
    "aborted": (MAIL, FROM_BANK, END_OF_HEADER, (b"A", b"")),
}


@pytest.mark.parametrize("stages", UNANSWERED.values(), ids=UNANSWERED.keys())
def test_unanswered_by_libmilter(running: RunningFilter, stages: tuple[tuple[bytes, bytes], ...]) -> None:
    mta = connected(running)
    with pytest.raises(TimeoutError):
        play(mta, stages)
    mta.limit(60)
    assert signed(mta)[2] == "pass"
    mta.quit()


def test_a_client_name_that_is_no_utf_8(running: RunningFilter) -> None:
    mta = running.mta()
    mta.connect_as(b"\xff", SIGNED.client)
    mta.helo(SIGNED.helo)
    assert signed(mta)[3] == "tempfail"
    assert signed(mta)[3] == "tempfail", "and all that follows on this connection"
    mta.quit()


@pytest.mark.parametrize("stages", [(), ((b"H", b"mail.crook.example\0"),)], ids=["MAIL", "HELO"])
def test_without_a_connection(running: RunningFilter, stages: tuple[tuple[bytes, bytes], ...]) -> None:
    mta = running.mta()
    assert play(mta, (*stages, MAIL, FROM_BANK, END_OF_HEADER)).action == "tempfail"
    mta.quit()


# Another connection on the same socket (SMFIC_QUIT_NC)


@pytest.mark.parametrize("steps", [ALL_STEPS, 0], ids=["all", "old"])
@pytest.mark.parametrize("times", [1, 3])
def test_the_next_connection_is_judged(running: RunningFilter, steps: int, times: int) -> None:
    mta = running.mta(steps=steps)
    for _ in range(times):
        mta.connect(SIGNED.helo, SIGNED.client)
        mta.helo(SIGNED.helo)
        assert signed(mta) == EXPECTED[SIGNED.name]
        mta.next_connection()
    mta.connect(CROOK, CROOKS_ADDRESS)
    mta.helo(CROOK)
    assert message(mta, b"<info@bank.example>").action == "reject"
    mta.quit()


@pytest.mark.parametrize("name", [None, b"\xff"], ids=["not told", "no UTF-8"])
def test_of_the_next_connection_no_client_is_known(running: RunningFilter, name: bytes | None) -> None:
    mta = running.mta()
    mta.connect(SIGNED.helo, SIGNED.client)
    mta.helo(SIGNED.helo)
    assert signed(mta) == EXPECTED[SIGNED.name]
    mta.next_connection()
    if name is not None:
        mta.connect_as(name, SIGNED.client)
    assert signed(mta)[3] == "tempfail"
    mta.quit()


@pytest.mark.parametrize("author", [b"<info@bank.example>", b""], ids=["after a refused message", "after none"])
def test_a_next_connection_that_libmilter_takes_no_notice_of(
    tmp_path: Path, name_server: NameServerThread, author: bytes
) -> None:
    """It does so where the last message was not accepted; we would go on with the client before."""
    text = settings(name_server, 'trusted_networks = ["192.0.2.0/24"]\n' if not author else "")
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    mta = running.mta()
    mta.connect("relay.example.org", "192.0.2.200", ("j", "mx.example.org", "_", "relay.example.org [192.0.2.200]"))
    mta.helo("relay.example.org")
    if author:
        assert message(mta, author).action == "reject"
    mta.next_connection()
    mta.connect(CROOK, CROOKS_ADDRESS, ("j", "mx.example.org", "_", f"{CROOK} [{CROOKS_ADDRESS}]"))
    mta.helo(CROOK)
    assert message(mta, b"<info@bank.example>").action == "tempfail"
    mta.quit()
    assert running.stop() == 0


# MTAs that do not let us do what we need

FORGED = (b"Authentication-Results", b" mx.example.org; dmarc=pass header.from=bank.example")


@pytest.mark.parametrize(
    ("on_error", "action"), [("tempfail", "tempfail"), ("reject", "reject"), ("accept", "tempfail")]
)
@pytest.mark.parametrize("trusted", ["", 'trusted_networks = ["203.0.113.0/24"]\n'], ids=["judged", "own"])
def test_a_forged_field_that_cannot_be_removed(
    tmp_path: Path, name_server: NameServerThread, on_error: str, action: str, trusted: str
) -> None:
    text = settings(name_server, f'on_error = "{on_error}"\n{trusted}')
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    for _ in range(2):
        mta = connected(running, actions=ALL_ACTIONS & ~DELETE)
        assert message(mta, b"<a@hobby.example>", FORGED).action == action
        assert message(mta, b"<a@hobby.example>").action == "accept"
        mta.quit()
    assert running.log.count("the MTA does not let its filters delete fields") <= 2, "once a worker"
    assert 'dmarc_milter_mta_missing_actions_total{action="delete_fields"} 2.0' in running.metrics()
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_an_mta_that_lets_nothing_be_added(running: RunningFilter) -> None:
    mta = connected(running, actions=ALL_ACTIONS & ~ADD)
    assert message(mta, b"<info@bank.example>").action == "reject"
    answer = message(mta, b"<a@hobby.example>", FORGED)
    mta.quit()
    assert (answer.action, answer.deleted, answer.inserted) == ("accept", [("Authentication-Results", 1)], [])
    assert "the MTA does not let its filters add fields" in running.log
