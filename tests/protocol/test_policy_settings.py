"""What the settings of [policy], [policy.indirect] and [[override]] come to in the running filter."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dkim
import pytest

from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.mta import ALL_ACTIONS, Mta, MtaResponse
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.keys import rsa_key
from tests.support.running import RunningFilter
from tests.support.zones import POLICY_ZONE

SPOOFED = [(b"From", b" <a@bank.example>"), (b"Subject", b" x")]
QUARANTINE = 0x20
"""SMFIF_QUARANTINE of the milter protocol."""
REFUSED = "550 5.7.1 Email rejected per DMARC policy for bank.example"
Fields = list[tuple[bytes, bytes]]


@contextmanager
def filtering(
    folder: Path, policy: str, milter: str = "", mode: str = "enforce"
) -> Iterator[tuple[RunningFilter, NameServerThread]]:
    with NameServerThread(ZoneResolver.from_text(POLICY_ZONE)) as server:
        text = f'{milter}[dns]\nnameservers = ["{server.address}"]\n[policy]\nmode = "{mode}"\n{policy}'
        running = RunningFilter(folder, f"unix:{folder}/socket", text)
        try:
            yield running, server
        finally:
            assert running.stop() == 0
        assert "Traceback" not in running.log


def send(
    running: RunningFilter,
    fields: Fields = SPOOFED,
    client: str = "203.0.113.5",
    mail_from: str = "a@crook.example",
    to: tuple[str, ...] = ("you@example.org",),
    authenticated: str | None = None,
    connect: Callable[[Mta], None] | None = None,
) -> MtaResponse:
    mta = running.mta()
    if connect is not None:
        connect(mta)
    else:
        mta.connect("x", client)
    mta.helo("h.crook.example")
    answer = mta.message(mail_from, to, fields, b"Hello\r\n", authenticated=authenticated)
    mta.quit()
    return answer


def test_mail_of_our_own_is_not_judged(tmp_path: Path) -> None:
    with filtering(tmp_path, 'trusted_networks = ["198.51.100.0/24"]\n') as (running, server):
        forged = (b"Authentication-Results", b" mx.example.org; dmarc=pass")
        own = [
            send(running, [forged, *SPOOFED], client="198.51.100.9"),
            send(running, [forged, *SPOOFED], authenticated="joe"),
            send(running, [forged, *SPOOFED], connect=Mta.connect_locally),
        ]
        assert server.asked == []
        assert send(running).reply == REFUSED
    for answer in own:
        assert (answer.action, answer.inserted) == ("accept", [])
        assert answer.deleted == [("Authentication-Results", 1)]
    for why in ("client is in trusted_networks", "authenticated sender", "local submission"):
        assert f'action=accept reason="not judged: {why}"' in running.log


RULES = """
[[override]]
name = "partner"
reverse_name = [".partner.example"]
from_domain = ["bank.example"]
action = "accept"
reason = "their gateway breaks signatures"
[[override]]
name = "ours-alone"
recipient_domain = ["example.org"]
from_domain = ["shop.example"]
action = "reject"
"""


def test_rules(tmp_path: Path) -> None:
    with filtering(tmp_path, RULES) as (running, _):
        accepted = send(running)
        assert accepted.action == "accept"
        shown = " ".join(accepted.results.split())
        assert 'dmarc=fail (p=reject dis=none) reason="local_policy: their gateway breaks signatures"' in shown
        # Its name does not resolve back to it.
        assert send(running, client="203.0.113.6").reply == REFUSED
        shop: Fields = [(b"From", b" <a@shop.example>")]
        assert send(running, shop).reply == "550 5.7.1 Email rejected by local policy: rule ours-alone"
        several = send(running, shop, to=("you@example.org", "x@other.example"))
        assert several.action == "accept"
        assert "dis=quarantine)" in several.results
    assert "override=local_policy rule=partner" in running.log


def test_reverse_names_are_looked_up_only_for_rules_that_ask(tmp_path: Path) -> None:
    with filtering(tmp_path, "") as (running, server):
        assert send(running).reply == REFUSED
        assert not any(question.type is RecordType.PTR for question in server.asked)


@pytest.mark.parametrize(("actions", "quarantined"), [(ALL_ACTIONS, True), (ALL_ACTIONS & ~QUARANTINE, False)])
def test_an_mta_that_has_no_quarantine_delivers_and_the_log_says_so(
    tmp_path: Path, actions: int, quarantined: bool
) -> None:
    with filtering(tmp_path, 'quarantine = "hold"\n') as (running, _):
        mta = running.mta(actions=actions)
        mta.connect("x", "203.0.113.5")
        mta.helo("h.crook.example")
        answer = mta.message("a@crook.example", ["x"], [(b"From", b" <a@shop.example>")], b"Hello\r\n")
        mta.quit()
        assert answer.action == "accept"
        assert (answer.quarantined is not None) is quarantined
        assert "dis=quarantine)" in answer.results
    assert ("the MTA offers no quarantine" in running.log) is not quarantined


def received(client: str) -> tuple[bytes, bytes]:
    value = f" from h.bank.example (h.bank.example [{client}])\r\n\tby gw.example.org (Postfix) with ESMTPS id 4X"
    return b"Received", value.encode()


def test_spf_behind_a_trusted_relay(tmp_path: Path) -> None:
    relay, theirs = "198.51.100.7", (b"Authentication-Results", b" gw.example.org; spf=pass")
    settings = f'trusted_relays = ["{relay}"]\n'
    with filtering(tmp_path, settings, 'strip_authserv_ids = ["gw.example.org"]\nreceived_spf = true\n') as (
        running,
        _,
    ):

        def through(fields: Fields, client: str = relay) -> MtaResponse:
            return send(running, fields, client=client, mail_from="a@bank.example")

        honest = through([theirs, received("192.0.2.1"), *SPOOFED])
        assert "spf=pass smtp.mailfrom=bank.example" in honest.results
        assert "dmarc=pass" in honest.results
        assert honest.deleted == []
        (field,) = [value for _, name, value in honest.inserted if name == "Received-SPF"]
        assert "client-ip=192.0.2.1;" in field
        assert "helo=h.bank.example" in field
        # The sender's own Received fields are below the relay's.
        assert through([received("203.0.113.5"), received("192.0.2.1"), *SPOOFED]).reply == REFUSED
        # The same fields from anybody else.
        assert through([theirs, received("192.0.2.1"), *SPOOFED], client="203.0.113.5").reply == REFUSED
        # What the client may have spoiled is held against it.
        assert (
            through([(b"Received", b" from a b (x [192.0.2.1]) by gw (Postfix) with SMTP"), *SPOOFED]).reply == REFUSED
        )
        unknown = through([(b"Received", b" from x by y"), *SPOOFED])
        assert unknown.action == "accept"
        assert "dis=quarantine)" in unknown.results
    assert 'spf=none spf_reason="Received field 1 of the trusted relays cannot be read"' in running.log
    assert "outer_client=192.0.2.1" in running.log


LISTED: Fields = [(b"List-Id", b" <dev.lists.example>"), (b"List-Post", b" <mailto:dev@lists.example>"), *SPOOFED]


@pytest.mark.parametrize(("setting", "shown"), [("quarantine", "dis=quarantine)"), ("accept", "mailing_list")])
def test_mailing_lists(tmp_path: Path, setting: str, shown: str) -> None:
    settings = f'[policy.indirect]\ntrusted_lists = ["lists.example"]\nmailing_list = "{setting}"\n'
    with filtering(tmp_path, settings) as (running, _):
        answer = send(running, LISTED, client="203.0.113.9", mail_from="dev-bounces@lists.example")
        assert answer.action == "accept"
        assert 'reason="mailing_list: mailing list dev.lists.example, authenticated by lists.example"' in re.sub(
            r"\s+", " ", answer.results
        )
        assert shown in answer.results
        assert send(running, LISTED).reply == REFUSED


def test_a_list_that_nobody_named_is_no_excuse(tmp_path: Path) -> None:
    with filtering(tmp_path, '[policy.indirect]\nmailing_list = "accept"\n') as (running, _):
        assert send(running, LISTED, client="203.0.113.9", mail_from="dev-bounces@lists.example").reply == REFUSED


def test_a_trusted_sealer(tmp_path: Path) -> None:
    body = b"Hello\r\n"
    fields = b"From: <a@bank.example>\r\nSubject: x\r\n"
    results = b"Authentication-Results: fwd.example; arc=none; dmarc=pass header.from=bank.example\r\n"
    sealed = dkim.arc_sign(
        results + fields + b"\r\n" + body, b"s", b"fwd.example", rsa_key()[0], b"fwd.example", [b"from", b"subject"]
    )
    chain = [(name, value.removesuffix(b"\r\n")) for name, _, value in (each.partition(b":") for each in sealed)]
    with filtering(tmp_path, '[policy.indirect]\ntrusted_sealers = ["fwd.example"]\n') as (running, _):
        answer = send(running, [*chain, *SPOOFED])
        assert answer.action == "accept"
        assert "trusted_forwarder: arc=pass, and fwd.example saw dmarc=pass" in re.sub(r"\s+", " ", answer.results)
        assert send(running, [*chain, SPOOFED[0], (b"Subject", b" y")]).reply == REFUSED


def test_replies_of_the_operator(tmp_path: Path) -> None:
    settings = (
        '[policy.reply]\nreject = "554 5.7.26 {domain} says {policy}, see https://mx.example.org/{queue_id} (100%)"\n'
    )
    with filtering(tmp_path, settings) as (running, _):
        assert send(running).reply == "554 5.7.26 bank.example says reject, see https://mx.example.org/4XDEMO (100%)"


@pytest.mark.parametrize("mode", ["monitor", "enforce"])
def test_a_header_beyond_all_bounds_is_refused_in_any_mode(tmp_path: Path, mode: str) -> None:
    with filtering(tmp_path, "", mode=mode) as (running, _):
        many: Fields = [(b"X", b" 1")] * 20_001
        assert send(running, [*many, *SPOOFED]).reply == "552 5.3.4 Header section too large"


FORGED: Fields = [(b"Authentication-Results", b" mx.example.org; dmarc=pass")]
TOO_MANY_FORGED = "550 5.7.1 More than 100 Authentication-Results fields that are not yours to write"


@pytest.mark.parametrize("mode", ["monitor", "enforce"])
def test_more_forged_fields_than_are_deleted_are_refused_in_any_mode(tmp_path: Path, mode: str) -> None:
    honest: Fields = [(b"From", b" <a@other.example>")]
    with filtering(tmp_path, "", mode=mode) as (running, _):
        answer = send(running, [*FORGED * 101, *honest])
        assert (answer.reply, answer.deleted, answer.inserted) == (TOO_MANY_FORGED, [], [])
        assert send(running, [*FORGED * 101, *honest], authenticated="joe").reply == TOO_MANY_FORGED
        assert len(send(running, [*FORGED * 100, *honest]).deleted) == 100


AMAVIS = (
    b"Received",
    b" from mx.example.org ([127.0.0.1]) by localhost (mx.example.org [127.0.0.1]) (amavis, port 10024) with ESMTP id x;"
    b" Thu, 26 Nov 2026 10:00:00 +0000",
)
BROUGHT = (
    b"Received",
    b" from x (x [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 4X; Thu, 26 Nov 2026 10:00:00 +0000",
)
FIELD = (b"Authentication-Results", b" mx.example.org; dmarc=pass (p=reject dis=none) header.from=bank.example")
GIVEN_BACK: dict[str, tuple[Fields, str, list[tuple[str, int]]]] = {
    "with a hop of the content filter": ([AMAVIS, FIELD, BROUGHT, *SPOOFED], "127.0.0.1", []),
    "without one": ([FIELD, BROUGHT, *SPOOFED], "127.0.0.1", []),
    "over IPv6": ([AMAVIS, FIELD, BROUGHT, *SPOOFED], "::1", []),
    "a field that the sender wrote": (
        [AMAVIS, FIELD, BROUGHT, FIELD, *SPOOFED],
        "127.0.0.1",
        [("Authentication-Results", 2)],
    ),
    "a sender's field and hop": (
        [BROUGHT, FIELD, AMAVIS, BROUGHT, *SPOOFED],
        "127.0.0.1",
        [("Authentication-Results", 1)],
    ),
    "written on this host": ([FIELD, *SPOOFED], "127.0.0.1", [("Authentication-Results", 1)]),
    "from another trusted host": ([AMAVIS, FIELD, BROUGHT, *SPOOFED], "10.1.1.1", [("Authentication-Results", 1)]),
}


@pytest.mark.parametrize(("fields", "client", "deleted"), GIVEN_BACK.values(), ids=GIVEN_BACK)
def test_our_own_field_stays_on_mail_that_a_content_filter_gives_back(
    tmp_path: Path, fields: Fields, client: str, deleted: list[tuple[str, int]]
) -> None:
    with filtering(tmp_path, 'trusted_networks = ["127.0.0.0/8", "::1", "10.0.0.0/8"]\n') as (running, _):
        answer = send(running, fields, client=client)
        assert answer.action == "accept"
        assert answer.inserted == []
        assert answer.deleted == deleted
