"""Policy, relays, lists, traces: settings of an operator, as a real Postfix hands over and delivers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dkim
import pytest

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.keys import rsa_key
from tests.support.waiting import wait_for
from tests.support.zones import POLICY_ZONE
from tests.system.postfix import Postfix
from tests.system.site import Site, results

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("has_postfix")]

SIGNED_ZONE = f's._domainkey.bank.example. IN TXT "{rsa_key()[1]}"\n'
SPOOFED = b"From: <a@bank.example>\r\nSubject: x\r\n\r\nHello\r\n"
REFUSED = (550, b"5.7.1 Email rejected per DMARC policy for bank.example")


class PolicySite(Site):
    """It gets spoofed mail."""

    def send(
        self,
        message: bytes = SPOOFED,
        client: str = "203.0.113.5",
        mail_from: str = "a@crook.example",
        login: str = "",
    ) -> tuple[int, bytes]:
        """Postfix's answer to DATA."""
        return self.deliver(message, client, "h.crook.example", mail_from, login)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of dmarc-milter with the filter's settings."""
        command = [sys.executable, "-m", "dmarc_milter", *arguments, "--config", str(self.filter.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def site(folder: Path, policy: str = "", milter: str = "", listen: str = "") -> Iterator[PolicySite]:
    with NameServerThread(ZoneResolver.from_text(POLICY_ZONE + SIGNED_ZONE)) as server:
        started = PolicySite(folder, server, policy, milter, listen)
        try:
            yield started
        finally:
            started.stop()
        assert "Traceback" not in started.filter.log


def test_trace_answers_for_the_number_that_smtp_gave(open_folder: Path) -> None:
    with site(open_folder) as running:
        accepted = running.send(SPOOFED.replace(b"bank", b"open"))
        assert accepted[0] == 250
        queue_id = accepted[1].decode().rpartition(" ")[2]
        assert running.send() == REFUSED
        wait_for(lambda: running.command("trace", queue_id).returncode == 0, "the journal")
        told = running.command("trace", queue_id).stdout
        assert told.startswith(queue_id)
        assert f"{queue_id}: accepted, mode enforce: dmarc=none" in told
        refused = running.command("trace", "--from", "bank.example", "--json")
        found = json.loads(refused.stdout)
        assert (found["action"], found["reply"]) == ("reject", " ".join(("550", REFUSED[1].decode())))
        assert f"queue_id={found['queue_id']} " in running.filter.log
        assert isinstance(running.mta, Postfix)
        assert f"{found['queue_id']}: milter-reject" in running.mta.log


RULES = """trusted_networks = ["198.51.100.0/24"]
[policy.indirect]
trusted_lists = ["lists.example"]
mailing_list = "quarantine"
[[override]]
name = "partner"
reverse_name = [".partner.example"]
from_domain = ["bank.example"]
recipient_domain = ["example.org"]
action = "accept"
"""
LISTED = b"List-Id: <dev.lists.example>\r\nList-Post: <mailto:dev@lists.example>\r\n" + SPOOFED


def test_rules_lists_and_mail_of_our_own(open_folder: Path) -> None:
    with site(open_folder, RULES) as running:
        assert running.send()[0] == 250
        assert running.send(client="203.0.113.6") == REFUSED
        assert running.send(LISTED, client="203.0.113.9", mail_from="b@lists.example")[0] == 250
        assert running.send(client="198.51.100.1")[0] == 250
        assert running.send(client="203.0.113.6", login="joe")[0] == 250
        delivered = [" ".join(results(each)) for each in running.mta.wait_for_delivery(4)]
        assert sum("local_policy: rule partner" in each for each in delivered) == 1
        assert sum("mailing_list: mailing list dev.lists.example" in each for each in delivered) == 1
        assert sum("dis=quarantine)" in each for each in delivered) == 1
        assert delivered.count("") == 2, "mail of our own gets no field"
        for why in ("client is in trusted_networks", "authenticated sender"):
            assert f'reason="not judged: {why}"' in running.filter.log


def test_behind_a_gateway(open_folder: Path) -> None:
    milter = 'strip_authserv_ids = ["gw.example.org"]\nreceived_spf = true\n'
    relayed = (
        b"Authentication-Results: gw.example.org; spf=pass\r\n"
        b"Received: from h.bank.example (h.bank.example [192.0.2.1])\r\n\tby gw.example.org (Postfix) with ESMTPS id 4X\r\n"
        b"Authentication-Results: mx.example.org; dmarc=pass header.from=forged.example\r\n"
    )
    with site(open_folder, 'trusted_relays = ["198.51.100.7"]\n', milter) as running:
        assert running.send(relayed + SPOOFED, client="198.51.100.7", mail_from="a@bank.example")[0] == 250
        assert running.send(relayed + SPOOFED, mail_from="a@bank.example") == REFUSED
        (message,) = running.mta.wait_for_delivery(1)
        found = results(message)
        assert found[0].startswith("mx.example.org; dmarc=pass (p=reject dis=none) header.from=bank.example")
        assert found[1:] == ["gw.example.org; spf=pass"]
        assert b"Received-SPF: pass (" in message
        assert b"client-ip=192.0.2.1;" in message


@pytest.mark.parametrize("form", [b"simple", b"relaxed"])
def test_folded_and_8_bit_fields_reach_us_as_they_were_signed(open_folder: Path, form: bytes) -> None:
    message = (
        b"From:   <a@bank.example>\r\nSubject: a  folded\r\n\tsubject \r\nX-Eight:\xe4\xf6\xfc\r\n"
        b"X-Empty:\r\nTo: you@example.org\r\n\r\nBody  with \t blanks \r\n\r\n\xff\r\n\r\n\r\n"
    )
    signed = (
        dkim.sign(
            message,
            b"s",
            b"bank.example",
            rsa_key()[0],
            canonicalize=(form, form),
            include_headers=[b"from", b"subject", b"x-eight", b"x-empty", b"to"],
        )
        + message
    )
    with site(open_folder) as running:
        assert running.send(signed)[0] == 250
        assert "dkim=pass header.d=bank.example" in results(running.mta.wait_for_delivery(1)[0])[0]


def test_a_unix_socket_for_postfixs_group(open_folder: Path) -> None:
    socket = open_folder / "milter.sock"
    milter = 'socket_group = "postfix"\nsocket_mode = "0660"\n'
    with site(open_folder, milter=milter, listen=f"unix:{socket}") as running:
        assert running.send() == REFUSED
        assert (socket.group(), oct(socket.stat().st_mode & 0o777)) == ("postfix", "0o660")
