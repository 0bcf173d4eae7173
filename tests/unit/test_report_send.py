"""Reports sent: each once, later where they are put off, to nobody who refused them; what comes back; and the check."""

import base64
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from dmarc_milter.api import Dns
from dmarc_milter.journal.report_tables import DeliveryState
from dmarc_milter.reporting import figures
from dmarc_milter.reporting.bounce import bounce
from dmarc_milter.reporting.checking import check, fingerprint, sample
from dmarc_milter.reporting.making import Sender
from dmarc_milter.reporting.outbox import Outbox
from dmarc_milter.reporting.planning import Rules
from dmarc_milter.reporting.sending import UNLIMITED, Dispatcher, Pace, Sent
from dmarc_milter.reporting.signing import SigningKey
from dmarc_milter.reporting.store import BusyError, Store
from dmarc_milter.reporting.suppression import retry, until
from dmarc_milter.reporting.transport import (
    Answer,
    Outcome,
    SendmailTransport,
    Server,
    SmtpTransport,
    UnreachableMtaError,
    server_address,
)
from dmarc_milter.telemetry.metrics import FiguresOfReports
from tests.support.keys import certificate
from tests.support.reports import DAY, EVERYBODY, NEXT_NOON, SENDER, count, journal, maker, row
from tests.support.smtp_sink import SmtpSink

DAYS = 86_400.0
KEY = SigningKey("reports", ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With the reports of three domains, one of which has two addresses."""
    url = journal(tmp_path)
    both = b"v=DMARC1; p=reject; rua=mailto:one@bank.example,mailto:two@bank.example"
    count(url, [row(policy_record=both), row("shop.example"), row("club.example")])
    opened = Store(url)
    one = maker(opened)
    one.close_days(0)
    one.make()
    yield opened
    opened.close()


def send(
    store: Store,
    sink: SmtpSink | int,
    *,
    now: float = NEXT_NOON,
    pace: Pace = UNLIMITED,
    rules: Rules = EVERYBODY,
    sender: Sender = SENDER,
) -> Sent:
    port = sink if isinstance(sink, int) else sink.port
    with SmtpTransport(Server("127.0.0.1", port)) as mta:
        return Dispatcher(Outbox(store), sender, rules, mta, pace, lambda: now).send()


EVERY_ADDRESS = ["d@club.example", "d@shop.example", "one@bank.example", "two@bank.example"]


def test_each_once(store: Store) -> None:
    with SmtpSink() as sink:
        assert send(store, sink) == Sent(sent=4)
        assert send(store, sink) == Sent()
    assert sorted(each.recipient for each in sink.taken) == EVERY_ADDRESS
    senders = {each.mail_from for each in sink.taken}
    assert len(senders) == 4
    assert all(each.startswith("dmarc+") and each.endswith("@reports.example.org") for each in senders)
    to_bank = {each.message for each in sink.taken if each.recipient.endswith("@bank.example")}
    assert len(to_bank) == 1
    assert message_from_bytes(to_bank.pop(), policy=policy.default)["To"] == "one@bank.example, two@bank.example"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_put_off_later_and_later_for_three_days(store: Store, command: str) -> None:
    with SmtpSink(lambda said, _: "451 4.3.0 later" if said == command else None) as sink:
        assert send(store, sink) == Sent(put_off=4)
        assert send(store, sink, now=NEXT_NOON + 899) == Sent()
        assert send(store, sink, now=NEXT_NOON + 900) == Sent(put_off=4)
        assert send(store, sink, now=NEXT_NOON + 3 * DAYS) == Sent(expired=4)
        assert send(store, sink, now=NEXT_NOON + 4 * DAYS) == Sent()
        assert sink.taken == []
    assert store.suppressed(NEXT_NOON + 3 * DAYS) == {}


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_refused_for_good_is_suppressed(store: Store, command: str) -> None:
    with SmtpSink(lambda said, _: "550 5.1.1 nobody here" if said == command else None) as sink:
        assert send(store, sink) == Sent(refused=4)
        assert send(store, sink) == Sent()
    assert sorted(store.suppressed(NEXT_NOON + 6.9 * DAYS)) == EVERY_ADDRESS
    assert store.suppressed(NEXT_NOON + 7.1 * DAYS) == {}


@pytest.mark.parametrize("reply", ["550 5.7.1 you may not send", "421 4.7.0 closing"])
def test_an_mta_that_does_not_want_us_costs_no_address(store: Store, reply: str) -> None:
    with SmtpSink(lambda said, _: reply if said == "MAIL" else None) as sink:
        assert reply[:3] in (send(store, sink).trouble or "")
        sink.script = lambda said, _: None
        assert send(store, sink) == Sent(sent=4)


def test_the_mta_is_gone(store: Store) -> None:
    with SmtpSink() as sink:
        port = sink.port
    found = send(store, port)
    assert found.trouble is not None
    assert str(port) in found.trouble
    assert found.tried == 0
    assert Outbox(store).counts() == {"pending": 4}


@pytest.mark.parametrize("reply", ["554 5.7.1 no", "451 4.3.0 later"])
def test_data_itself_is_refused(store: Store, reply: str) -> None:
    with SmtpSink(lambda said, _: reply if said == "BEFORE DATA" else None) as sink:
        found = send(store, sink)
    assert (found.refused, found.put_off) == ((4, 0) if reply.startswith("5") else (0, 4))


def test_a_mail_that_breaks_the_connection_holds_up_no_other(store: Store) -> None:
    def script(said: str, argument: str) -> str | None:
        return "BREAK" if said == "DATA" and argument == "d@club.example" else None

    with SmtpSink(script) as sink:
        runs = [send(store, sink) for _ in range(3)]
    assert [each.trouble is not None for each in runs] == [True, False, False]
    assert sorted(each.recipient for each in sink.taken) == EVERY_ADDRESS[1:]
    assert Outbox(store).counts() == {"sent": 3, "pending": 1}


def test_who_refuses_one_report_is_asked_for_no_other(tmp_path: Path) -> None:
    url = journal(tmp_path)
    rua = b"v=DMARC1; p=%s; rua=mailto:d@bank.example"
    count(url, [row(policy_record=rua % policy) for policy in (b"none", b"reject", b"quarantine")])
    opened = Store(url)
    one = maker(opened)
    one.close_days(0)
    assert one.make().reports == 3
    with SmtpSink(lambda said, _: "550 5.1.1 nobody" if said == "RCPT" else None) as sink:
        assert send(opened, sink) == Sent(refused=1, suppressed=2)
    opened.close()


def test_the_mta_is_gone_in_the_middle(store: Store) -> None:
    """What it took is sent; what it had in hand is sent again, as it was."""
    with SmtpSink(lambda said, address: "421 4.3.2 going down" if address == "d@shop.example" else None) as sink:
        assert send(store, sink).trouble is not None
        before = len(sink.taken)
        sink.script = lambda said, _: None
        assert send(store, sink).sent == 4 - before
    assert sorted(each.recipient for each in sink.taken) == EVERY_ADDRESS


def test_killed_between_the_answer_and_the_commit(store: Store, tmp_path: Path) -> None:
    """The copy that goes out again has the same octets, whatever the time is then, and the keys."""

    class KilledAfterwards(SmtpTransport):
        def hand_over(self, mail_from: str, recipient: str, message: bytes) -> Answer:
            super().hand_over(mail_from, recipient, message)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    with SmtpSink() as sink:
        pid = os.fork()
        if pid == 0:
            own = Store(f"sqlite:///{tmp_path}/journal.sqlite")
            mta = KilledAfterwards(Server("127.0.0.1", sink.port))
            Dispatcher(Outbox(own), replace(SENDER, keys=(KEY,)), EVERYBODY, mta, UNLIMITED, lambda: NEXT_NOON).send()
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        assert send(store, sink, now=NEXT_NOON + 3_600, sender=replace(SENDER, keys=(KEY,))).sent == 4
    first, *others = sink.taken
    (copy,) = (each for each in others if each.recipient == first.recipient)
    assert copy == first
    assert first.message.startswith(b"DKIM-Signature: ")
    assert sorted(each.recipient for each in others) == EVERY_ADDRESS


def test_only_one_works_on_a_file(store: Store) -> None:
    with store.alone(), pytest.raises(BusyError), Store(str(store.writing.url)).alone():
        pass


def test_whom_the_settings_leave_out_by_now(store: Store) -> None:
    rules = Rules(excluded_addresses=frozenset(("@bank.example",)), suppressed={"d@shop.example": None})
    with SmtpSink() as sink:
        assert send(store, sink, rules=rules) == Sent(sent=1, suppressed=3)
    assert [each.recipient for each in sink.taken] == ["d@club.example"]


def test_a_few_at_a_time(tmp_path: Path) -> None:
    url = journal(tmp_path)
    rua = "v=DMARC1; p=reject; rua=mailto:d{0}@mail.example.com"
    hosts = [row(f"s{number}.example.com", policy_record=rua.format(number).encode()) for number in range(30)]
    count(url, [*hosts, row("club.example")])
    opened = Store(url)
    zone = '$TTL 60\n_dmarc.example.com. IN TXT "v=DMARC1; p=none"\n'
    one = maker(opened, zone)
    one.close_days(0)
    assert one.make().deliveries == 31
    with SmtpSink() as sink:
        pace = Pace(4 * 3_600.0)
        assert send(opened, sink, pace=pace) == Sent(sent=21)
        assert send(opened, sink, pace=pace) == Sent(sent=10)
    opened.close()


@pytest.mark.parametrize(
    ("waiting", "hours", "of_host", "in_all"),
    [(1, 4.0, 20, 500), (1_000, 4.0, 42, 500), (240_000, 4.0, 10_000, 10_000), (100, 0.0, 100, 500)],
)
def test_pace(waiting: int, hours: float, of_host: int, in_all: int) -> None:
    pace = Pace(hours * 3_600)
    assert (pace.of_host(waiting), pace.in_all(waiting)) == (of_host, in_all)


def test_suppressed_for_longer_each_time() -> None:
    assert [(until(times, 0.0)) / DAYS for times in (1, 2, 3, 4)] == [7, 30, 90, 90]
    assert [retry(tries, 100.0, 0.0) for tries in (1, 2, 3, 20)] == [1_000.0, 1_900.0, 3_700.0, 14_500.0]
    assert retry(5, 3 * DAYS, 0.0) is None


def test_the_operator_has_the_last_word(store: Store) -> None:
    outbox = Outbox(store)
    outbox.suppress("D@Shop.example", "by the operator", NEXT_NOON)
    assert list(store.suppressed(NEXT_NOON + 1_000 * DAYS)) == ["d@shop.example"]
    assert outbox.unsuppress("d@SHOP.example")
    assert not outbox.unsuppress("d@shop.example")
    assert store.suppressed(NEXT_NOON) == {}


DSN = """\
From: MAILER-DAEMON@mx.example.org
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; d@shop.example
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <d@shop.example>: Recipient address
 rejected

--b--
"""


def test_a_bounce(store: Store) -> None:
    with SmtpSink() as sink:
        send(store, sink)
    (mail_from,) = (each.mail_from for each in sink.taken if each.recipient == "d@shop.example")
    found = bounce(DSN.format(to=mail_from, action="failed").encode())
    assert found is not None
    assert (found.is_final, found.why) == (True, "smtp; 550 5.1.1 <d@shop.example>: Recipient address rejected")
    outbox = Outbox(store)
    assert outbox.bounced(found.token, found.why, NEXT_NOON) == "d@shop.example"
    assert list(store.suppressed(NEXT_NOON + 6 * DAYS)) == ["d@shop.example"]
    # The same notification again is not another refusal.
    outbox.bounced(found.token, found.why, NEXT_NOON)
    assert store.suppressed(NEXT_NOON + 8 * DAYS) == {}
    assert outbox.counts() == {"sent": 3, "bounced": 1}
    assert outbox.bounced("0" * 32, "", NEXT_NOON) is None


TOKEN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("octets", "recipient", "token", "is_final"),
    [
        (DSN.format(to=f"dmarc+{TOKEN}@reports.example.org", action="delayed"), None, TOKEN, False),
        (DSN.format(to="x@y.example", action="failed"), f"dmarc+{TOKEN}@reports.example.org", TOKEN, True),
        (f"To: <dmarc+{TOKEN}@reports.example.org>\n\nUser unknown", None, TOKEN, True),
        ("To: dmarc@reports.example.org\n\nhello", None, None, None),
        ("", None, None, None),
        ("\0" * 1_000, None, None, None),
    ],
)
def test_what_comes_back(octets: str, recipient: str | None, token: str | None, is_final: bool | None) -> None:
    found = bounce(octets.encode(), recipient)
    assert (found.token if found else None) == token
    assert (found.is_final if found else None) == is_final


@pytest.mark.parametrize(
    ("status", "outcome"), [(0, Outcome.TAKEN), (67, Outcome.REFUSED), (75, Outcome.LATER), (78, None)]
)
def test_sendmail(tmp_path: Path, status: int, outcome: Outcome | None) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/message\nexit {status}\n')
    program.chmod(0o755)
    with SendmailTransport(str(program)) as mta:
        if outcome is None:
            with pytest.raises(UnreachableMtaError):
                mta.hand_over("a@b.example", "-c@d.example", b"x\r\n.\r\n")
        else:
            assert mta.hand_over("a@b.example", "-c@d.example", b"x\r\n.\r\n").outcome is outcome
    assert (tmp_path / "arguments").read_text() == "-i -f a@b.example -- -c@d.example\n"
    assert (tmp_path / "message").read_bytes() == b"x\n.\n"


def submission(sink: SmtpSink, password: Path, ca_file: Path | None) -> SmtpTransport:
    return SmtpTransport(
        Server("127.0.0.1", sink.port, True, "reports", str(password), None if ca_file is None else str(ca_file))
    )


def test_submission(tmp_path: Path) -> None:
    """Encrypted, logged in; and not to a server whose certificate nobody vouches for."""
    files = certificate(tmp_path)
    (tmp_path / "password").write_text("secret\n")
    with SmtpSink(certificate=files) as sink:
        with submission(sink, tmp_path / "password", files[0]) as mta:
            assert mta.hand_over("a@b.example", "c@d.example", b"x\r\n").outcome is Outcome.TAKEN
        with submission(sink, tmp_path / "password", None) as mta, pytest.raises(UnreachableMtaError, match="certif"):
            mta.hand_over("a@b.example", "c@d.example", b"x\r\n")
        with (
            submission(sink, tmp_path / "nowhere", files[0]) as mta,
            pytest.raises(UnreachableMtaError, match="nowhere"),
        ):
            mta.hand_over("a@b.example", "c@d.example", b"x\r\n")
    assert sink.logins == ["reports\0secret"]
    assert len(sink.taken) == 1


def test_no_password_is_told_to_a_server_without_encryption(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    with (
        SmtpSink() as sink,
        submission(sink, tmp_path / "password", None) as mta,
        pytest.raises(UnreachableMtaError, match="STARTTLS"),
    ):
        mta.hand_over("a@b.example", "c@d.example", b"x\r\n")
    assert sink.logins == []


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("mx.example.org", "mx.example.org", 25), ("127.0.0.1:2525", "127.0.0.1", 2525), ("[::1]:26", "::1", 26)],
)
def test_server_address(text: str, host: str, port: int) -> None:
    assert server_address(text, 25) == (host, port)


@pytest.mark.parametrize("text", ["a:0", "a:99999", "::1", "a:b:c", ""])
def test_no_server_address(text: str) -> None:
    with pytest.raises(ValueError, match="no host:port"):
        server_address(text, 25)


PUBLIC = base64.b64encode(KEY.public).decode()
CHECK_ZONE = f"""
$TTL 60
_dmarc.reports.example.org. IN TXT "v=DMARC1; p=reject"
reports.example.org. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
reports._domainkey.reports.example.org. IN TXT "v=DKIM1; k=ed25519; p={PUBLIC}"
"""
CLIENT = bytes((192, 0, 2, 1))


@pytest.mark.parametrize(
    ("zone", "keys", "clients", "passes", "wrong"),
    [
        (CHECK_ZONE, (KEY,), [], True, []),
        (CHECK_ZONE, (KEY,), [CLIENT], True, []),
        (CHECK_ZONE, (), [CLIENT], True, []),
        (CHECK_ZONE, (), [], False, ["DMARC"]),
        (CHECK_ZONE, (KEY,), [bytes((198, 51, 100, 1))], True, []),
        (CHECK_ZONE.replace(PUBLIC, PUBLIC[::-1]), (KEY,), [CLIENT], False, ["DKIM"]),
        (CHECK_ZONE.replace("p=reject", "p=reject; rua=mailto:x@example.org"), (KEY,), [], False, ["reports"]),
        ("$TTL 60\n", (KEY,), [], False, ["DKIM", "DMARC"]),
    ],
    ids=[
        "DKIM alone",
        "both",
        "SPF alone",
        "neither is known",
        "SPF fails",
        "another key is published",
        "its record asks for reports",
        "nothing is published",
    ],
)
def test_check(zone: str, keys: tuple[SigningKey, ...], clients: list[bytes], passes: bool, wrong: list[str]) -> None:
    sender = replace(SENDER, keys=keys)
    with Dns.zone(zone) as dns:
        found = check(sample(sender, DAY), sender, clients, "mx.example.org", dns)
    assert found.passes is passes, found
    assert [each.label for each in found.findings if each.is_right is False] == wrong


def test_other_keys_have_to_be_checked_again(store: Store) -> None:
    outbox = Outbox(store)
    outbox.note_check(fingerprint(SENDER, "smtp"), NEXT_NOON)
    assert outbox.is_checked(fingerprint(SENDER, "smtp"))
    assert not outbox.is_checked(fingerprint(replace(SENDER, keys=(KEY,)), "smtp"))
    assert not outbox.is_checked(fingerprint(SENDER, "sendmail"))


def test_states_are_those_of_the_table() -> None:
    assert {each.value for each in DeliveryState} >= {"pending", "sent", "refused", "expired", "suppressed", "bounced"}


@pytest.mark.parametrize("octets", [b"", b"\xff\0", b"dmarc_milter_report_x{", b"up 1\n", b"x" * 100_000])
def test_a_file_of_figures_that_is_none_shows_nothing(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "report.prom").write_bytes(octets)
    assert list(FiguresOfReports(str(tmp_path / "report.prom")).collect()) == []
    assert list(FiguresOfReports(str(tmp_path / "missing")).collect()) == []


def test_figures_are_shown_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "report.prom"
    figures.write(path, figures.Figures({"sent": 3}, 1, 2, 100.0, 99.0))
    shown = {each.name: each.samples[0].value for each in FiguresOfReports(str(path)).collect()}
    assert shown["dmarc_milter_report_open_domains"] == 1
    assert shown["dmarc_milter_report_late_messages"] == 2
    assert figures.last_success(path) == 99.0
    figures.write(path, figures.Figures({}, 0, 0, 200.0, None))
    assert figures.last_success(path) is None
    assert [each.name for each in tmp_path.iterdir()] == ["report.prom"]
