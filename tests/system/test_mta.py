"""A real Postfix, and a real Sendmail, asks the real filter, with a real DNS: what an operator sees."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dkim
import pytest

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.waiting import wait_for
from tests.system.site import RECIPIENT, Site, results, transact

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("has_postfix")]

BY_NAME = {scene.name: scene for scene in EXAMPLES}


class DemoSite(Site):
    """It gets the messages of the demo."""

    def send(self, name: str, message: bytes | None = None, **changed: str) -> tuple[int, bytes]:
        """Send a message of the demo, or `message` in its envelope; returns Postfix's answer to DATA."""
        scene = BY_NAME[name]
        client, helo = changed.get("client", scene.client), changed.get("helo", scene.helo)
        return self.deliver(message or octets(name), client, helo, changed.get("mail_from", scene.mail_from))


def octets(name: str) -> bytes:
    fields, body = BY_NAME[name].content
    return b"".join(name + b":" + value + b"\r\n" for name, value in fields) + b"\r\n" + body


MakeSite = Callable[..., DemoSite]
"""Of the same arguments as Site, from `policy` on."""


@pytest.fixture(params=["postfix", "sendmail"])
def make_site(request: pytest.FixtureRequest, open_folder: Path, name_server: NameServerThread) -> Iterator[MakeSite]:
    with ExitStack() as started:

        def make(policy: str = "", **options: str) -> DemoSite:
            site = DemoSite(open_folder, name_server, policy, mta=request.param, **options)
            started.callback(site.stop)
            return site

        yield make


@pytest.fixture
def site(make_site: MakeSite) -> DemoSite:
    return make_site()


def test_signed_mail_is_delivered_with_our_header_on_top(site: DemoSite) -> None:
    assert site.send("signed")[0] == 250
    (message,) = site.mta.wait_for_delivery(1)
    (found,) = results(message)
    assert found.startswith(
        "mx.example.org; dmarc=pass (p=reject dis=none) header.from=bank.example policy.dmarc=reject; "
    )
    assert "; spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example" in found
    names = [line.partition(b":")[0].lower() for line in message.splitlines() if line[:1].isalpha()]
    assert names.index(b"authentication-results") < names.index(b"from")
    assert all(len(line) <= 78 for line in message.splitlines() if b"header.d=" in line or b"smtp.mailfrom" in line)


def test_forwarded_mail_survives_by_its_signature(site: DemoSite) -> None:
    assert site.send("forwarded")[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert "spf=fail" in found
    assert "dkim=pass" in found
    assert "dmarc=pass" in found


def test_relaxed_alignment_of_spf(site: DemoSite) -> None:
    assert site.send("spf-only")[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert "spf=pass smtp.mailfrom=mail.shop.example" in found
    assert "dmarc=pass (p=quarantine dis=none) header.from=shop.example policy.dmarc=quarantine" in found


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("spoofed", b"5.7.1 Email rejected per DMARC policy for bank.example"),
        ("no-such-subdomain", b"5.7.1 Email rejected per DMARC policy for invoices.shop.example"),
        ("two-authors", b"5.7.1 Email rejected per DMARC policy: several different domains in From"),
    ],
)
def test_refused(site: DemoSite, name: str, reply: bytes) -> None:
    assert site.send(name) == (550, reply)
    assert site.send("signed")[0] == 250
    assert len(site.mta.wait_for_delivery(1)) == 1


def test_quarantine_by_header_is_the_default(site: DemoSite) -> None:
    assert site.send("quarantined")[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert "dmarc=fail (p=quarantine dis=quarantine) header.from=shop.example policy.dmarc=quarantine" in found


def test_null_reverse_path_is_judged_by_helo(site: DemoSite) -> None:
    message = b"From: mailer-daemon@nil.example\r\nSubject: x\r\n\r\nbounce\r\n"
    answer = site.send("signed", message, client="192.0.2.30", helo="helo.nil.example", mail_from="")
    assert answer[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert "spf=pass smtp.helo=helo.nil.example" in found
    assert "dmarc=pass" in found


def test_forged_results_are_removed_and_others_stay(site: DemoSite) -> None:
    forged = (
        b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"
        b"Authentication-Results: other.example; spf=pass\r\n"
        b'authentication-results: (x) "MX.example.org" 1;\r\n\tdkim=pass\r\n'
    )
    assert site.send("signed", forged + octets("signed"))[0] == 250
    found = results(site.mta.wait_for_delivery(1)[0])
    assert len(found) == 2
    assert found[0].startswith("mx.example.org; dmarc=pass (p=reject dis=none)")
    assert found[1] == "other.example; spf=pass"


LOOKS_LIKE_OURS = (
    b" dmarc=pass header.from=bank.example",
    b" mx.example.org; dmarc=pass header.from=bank.example",
    b" MX.Example.Org.; dmarc=pass",
    b" mx.example.org/2; dmarc=pass",
    b" other.example 2; dmarc=pass",
    b" mx.example.org id=; dmarc=pass",
    b" id=; dmarc=pass",
    b" id,; dmarc=pass",
    b" id:; dmarc=pass",
    b" =?utf-8?q?mx.example.org?=; dmarc=pass",
    b" \xef\xbb\xbfmx.example.org; dmarc=pass",
    b' "mx.example.org"; dmarc=pass',
    b" (comment) mx.example.org (comment) 1; dmarc=pass",
    b"\r\n\tmx.example.org;\r\n\tdmarc=pass",
    b" ; dmarc=pass",
    b"",
)
"""What a reader of Authentication-Results might take for ours, or for a field without an id (RFC 8601 5)."""


def test_nothing_that_looks_like_ours_stays(site: DemoSite) -> None:
    forged = b"".join(b"Authentication-Results:" + value + b"\r\n" for value in LOOKS_LIKE_OURS)
    assert site.send("signed", forged + octets("signed"))[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert found.startswith("mx.example.org; dmarc=pass (p=reject dis=none)")


def test_more_forged_results_than_can_be_removed(site: DemoSite) -> None:
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
    assert site.send("signed", 101 * forged + octets("signed"))[0] == 550
    assert site.send("signed", 100 * forged + octets("signed"))[0] == 250
    assert len(results(site.mta.wait_for_delivery(1)[0])) == 1


@pytest.mark.parametrize(
    "author",
    [
        b"Re: CEO <ceo@bank.example>",
        b"[Bank] CEO <ceo@bank.example>",
        b"CEO <ceo@bank.example",
        b'"CEO <ceo@bank.example>',
        b"CEO <<ceo@bank.example>>",
        b"=?utf-8?q?CEO_=3Cceo=40bank=2Eexample=3E?=",
        b"CEO <ceo @ bank . example>",
        b"<@mail.shop.example:ceo@bank.example>",
    ],
)
def test_an_author_that_readers_see_is_judged(make_site: MakeSite, author: bytes) -> None:
    """From the server of shop.example, for which SPF passes."""
    site = make_site()
    message = b"From: " + author + b"\r\nSubject: x\r\n\r\nHello\r\n"
    assert site.send("spf-only", message)[0] == 550


def test_a_slip_of_an_honest_sender_is_forgiven(site: DemoSite) -> None:
    for author in (b"Doe, John <john@shop.example>", b"Sales @ Acme <sales@shop.example>"):
        message = b"From: " + author + b"\r\nSubject: x\r\n\r\nHello\r\n"
        assert site.send("spf-only", message)[0] == 250
    for delivered in site.mta.wait_for_delivery(2):
        (found,) = results(delivered)
        assert "dmarc=pass (p=quarantine dis=none) header.from=shop.example" in found


def test_twenty_megabytes(site: DemoSite) -> None:
    line = b"0123456789 abcdef  ghijklm\topqrstuvwxyz\r\n"
    message = octets("spf-only") + line * (20_000_000 // len(line))
    assert site.send("spf-only", message)[0] == 250
    delivered = site.mta.wait_for_delivery(1)[0]
    assert delivered.replace(b"\r\n", b"\n").endswith((line * 100).replace(b"\r\n", b"\n"))
    assert len(delivered) > 19_000_000


def test_several_messages_in_one_session(site: DemoSite) -> None:
    with site.mta.session("192.0.2.10", "mail.bank.example") as smtp:
        assert transact(smtp, "news@bank.example", octets("signed"))[0] == 250
        assert transact(smtp, "x@crook.example", octets("spoofed"))[0] == 550
        smtp.mail("news@bank.example")
        smtp.rset()
        assert transact(smtp, "news@bank.example", octets("signed"))[0] == 250
    assert all("dmarc=pass" in results(each)[0] for each in site.mta.wait_for_delivery(2))


FAILING = {
    # the domain of From, what the settings say of temperror; lost.example's policy cannot be had, broken.example's is known
    "known policy": ("broken.example", "", 451),
    "unknown policy": ("lost.example", "", 250),
    "accept": ("broken.example", 'temperror = "accept"\n', 250),
    "tempfail": ("lost.example", 'temperror = "tempfail"\n', 451),
}


@pytest.mark.parametrize(("domain", "settings", "code"), FAILING.values(), ids=FAILING.keys())
def test_temporary_dns_failure(make_site: MakeSite, domain: str, settings: str, code: int) -> None:
    site = make_site(settings)
    message = f"From: a@{domain}\r\nSubject: x\r\n\r\nx\r\n".encode()
    answer = site.send("signed", message, mail_from=f"a@{domain}")
    assert answer[0] == code
    if code == 451:
        assert answer[1].startswith(b"4.7.24 ")
        return
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert "spf=temperror" in found
    assert "dmarc=temperror" in found


def test_quarantine_can_hold(make_site: MakeSite) -> None:
    site = make_site('quarantine = "hold"\n')
    assert site.send("quarantined")[0] == 250
    wait_for(lambda: len(site.mta.queue("hold")) == 1, "the message in the hold queue")


def test_replies_of_the_operator(make_site: MakeSite) -> None:
    site = make_site('[policy.reply]\nreject = "554 5.7.26 100% no: {domain} says {policy}"\n')
    assert site.send("spoofed") == (554, b"5.7.26 100% no: bank.example says reject")


@pytest.fixture(scope="module")
def sieve_test() -> str:
    program = shutil.which("sieve-test")
    if program is None and not os.environ.get("DMARC_MILTER_REQUIRE_SYSTEM"):
        pytest.skip("needs Debian's dovecot-sieve")
    assert program is not None
    return program


def sieve_of_the_docs() -> str:
    """The lines that docs/sieve.md gives."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "sieve.md").read_text()
    (script,) = re.findall(r"```sieve\n(.*?)```", text, re.DOTALL)
    return str(script)


@pytest.mark.parametrize(("name", "folder"), [("quarantined", "Junk"), ("signed", "INBOX")])
def test_sieve_puts_quarantined_mail_into_junk(
    site: DemoSite, open_folder: Path, sieve_test: str, name: str, folder: str
) -> None:
    """Pigeonhole on the header as a real Postfix delivered it; forged marks of the sender were removed."""
    forged = b"Authentication-Results: mx.example.org; dmarc=fail (p=reject dis=quarantine)\r\n"
    assert site.send(name, forged + octets(name))[0] == 250
    (open_folder / "message").write_bytes(site.mta.wait_for_delivery(1)[0])
    (open_folder / "junk.sieve").write_text(sieve_of_the_docs())
    for each in ("junk.sieve", "message"):
        (open_folder / each).chmod(0o644)
    settings = open_folder / "dovecot.conf"
    settings.write_text(f"mail_uid=nobody\nmail_gid=nogroup\nssl=no\nmail_location=maildir:{open_folder}/none\n")
    command = [sieve_test, "-c", str(settings), str(open_folder / "junk.sieve"), str(open_folder / "message")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={"HOME": str(open_folder)})
    (action,) = re.findall(r"store message in folder: (\S+)", said.stdout)
    assert action == folder, said.stdout + said.stderr


def test_quarantine_can_reject(make_site: MakeSite) -> None:
    site = make_site('quarantine = "reject"\n')
    assert site.send("quarantined") == (550, b"5.7.1 Email rejected per DMARC policy for shop.example")


def test_monitor_refuses_nothing(make_site: MakeSite) -> None:
    site = make_site()
    config = site.filter.config.read_text().replace('"enforce"', '"monitor"')
    site.filter.config.write_text(config)
    os.kill(site.filter.process.pid, signal.SIGHUP)
    wait_for(lambda: site.filter.log.count("serving on") == 2, "the reload")
    assert site.send("spoofed")[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert "dmarc=fail (p=reject dis=none) header.from=bank.example policy.dmarc=reject" in found
    assert "wanted=reject" in site.filter.log


def test_unix_socket(make_site: MakeSite, open_folder: Path) -> None:
    site = make_site(listen=f"unix:{open_folder}/milter.sock")
    (open_folder / "milter.sock").chmod(0o666)
    assert site.send("signed")[0] == 250
    assert "dmarc=pass" in results(site.mta.wait_for_delivery(1)[0])[0]
    site.filter.stop()
    assert not (open_folder / "milter.sock").exists()


@pytest.mark.parametrize(("default_action", "code"), [("tempfail", 451), ("accept", 250)])
def test_a_filter_that_was_killed(make_site: MakeSite, default_action: str, code: int) -> None:
    site = make_site(default_action=default_action)
    for worker in site.filter.workers:
        os.kill(worker, signal.SIGKILL)
    site.filter.process.kill()
    site.filter.process.wait()
    with site.mta.session("192.0.2.10", "mail.bank.example") as smtp:
        answer = smtp.mail("news@bank.example")
        if answer[0] == 250:
            smtp.rcpt(RECIPIENT)
            answer = smtp.data(octets("signed"))
    if code == 250:
        assert results(site.mta.wait_for_delivery(1)[0]) == []
    assert answer[0] == code


def test_a_killed_worker_is_replaced(site: DemoSite) -> None:
    (worker,) = site.filter.workers
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: site.filter.workers not in ([worker], []), "another worker")
    assert site.send("signed")[0] == 250


def test_mail_signed_by_dkimpy_on_the_spot(site: DemoSite) -> None:
    """A signature by a domain whose key the DNS does not have: refused reason, and SPF alone counts."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    message = octets("spf-only")
    signed = dkim.sign(message, b"gone", b"shop.example", key) + message
    assert site.send("spf-only", signed)[0] == 250
    (found,) = results(site.mta.wait_for_delivery(1)[0])
    assert 'dkim=permerror reason="no key published at gone._domainkey.shop.example"' in found
    assert "dmarc=pass" in found
