"""Signatures of other people's programs, and their opinion of ours to judge: OpenDKIM, dkimpy, Perl's Mail::DKIM."""

import base64
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from dmarc_milter.dkim.result import DkimResult
from tests.support.keys import ed25519_key, rsa_key
from tests.support.signed import verify
from tests.system.opendkim import OpenDkim
from tests.system.servers import REQUIRED, need_programs

pytestmark = pytest.mark.system

FORMS = ["simple", "relaxed"]
METHODS = [f"{header}/{body}" for header, body in product(FORMS, FORMS)]
SIGNED = [b"from", b"to", b"subject", b"x-eight"]
NAMES = {"rsa-sha256": "r._domainkey.example.com", "ed25519-sha256": "e._domainkey.example.com"}
RECORDS = {NAMES["rsa-sha256"]: [rsa_key(2048)[1]], NAMES["ed25519-sha256"]: [ed25519_key()[1]]}

BODIES = {
    "plain": b"Hello,\r\nyou.\r\n",
    "blanks": b"a  b \t c \r\n\r\n d\r\n",
    "empty": b"",
    "empty lines": b"x\r\n\r\n\r\n\r\n",
    "long": b"0123456789 abc  def\r\n" * 4000,
}
FIELDS = (
    b"From: =?utf-8?q?B=C3=BCro?= <a@example.com>\r\nTo: b@example.org,\r\n\tc@example.org\r\n"
    b"Subject:   a  folded\r\n  subject\t\r\nX-Eight: \xe4\xf6\xfc\r\nMessage-ID: <1@example.com>\r\n"
    b"Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n"
)


def needs(command: list[str], package: str) -> None:
    is_there = shutil.which(command[0]) and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not is_there and not REQUIRED:
        pytest.skip(f"needs Debian's {package}")


def ed25519_pem() -> bytes:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(ed25519_key()[0]))
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def assert_all_pass(message: bytes, algorithms: list[str]) -> None:
    found = verify(message, RECORDS)
    assert [(each.result, each.algorithm) for each in found] == [(DkimResult.PASS, each) for each in algorithms], found


def by_dkimpy(message: bytes, method: str, algorithm: str) -> bytes:
    header, body = method.encode().split(b"/")
    key = rsa_key(2048)[0] if algorithm == "rsa-sha256" else ed25519_key()[0]
    field: bytes = dkim.sign(
        message,
        algorithm[:1].encode(),
        b"example.com",
        key,
        canonicalize=(header, body),
        signature_algorithm=algorithm.encode(),
        include_headers=list(SIGNED),
    )
    return field + message


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("algorithm", NAMES)
def test_signed_by_dkimpy(method: str, algorithm: str) -> None:
    for body in BODIES.values():
        assert_all_pass(by_dkimpy(FIELDS + b"\r\n" + body, method, algorithm), [algorithm])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("algorithm", NAMES)
def test_signed_by_opendkim(open_folder: Path, method: str, algorithm: str) -> None:
    need_programs("opendkim")
    key = open_folder / "key"
    key.write_bytes(rsa_key(2048)[0] if algorithm == "rsa-sha256" else ed25519_pem())
    settings = {
        "Mode": "s",
        "Domain": "example.com",
        "Selector": algorithm[:1],
        "KeyFile": str(key),
        "Canonicalization": method,
        "SignatureAlgorithm": algorithm,
        "OversignHeaders": "From",
    }
    with OpenDkim(open_folder / "opendkim", settings) as signer:
        for body in BODIES.values():
            signed = signer.sign(FIELDS + b"\r\n" + body)
            if algorithm == "ed25519-sha256" and method.startswith("simple"):
                # OpenDKIM 2.11 signs the field without the fold before b= that it sends, and refuses that itself.
                assert verify(signed, RECORDS)[0].result is DkimResult.FAIL
                signed = signed.replace(b";\r\n\tb=", b"; b=")
            assert_all_pass(signed, [algorithm])


@pytest.mark.parametrize("method", METHODS)
def test_signed_by_mail_dkim(tmp_path: Path, method: str) -> None:
    """Debian 12's version of it signs with RSA only."""
    needs(["perl", "-MMail::DKIM", "-e", "1"], "libmail-dkim-perl")
    (tmp_path / "key").write_bytes(rsa_key(2048)[0])
    script = Path(__file__).with_name("mail_dkim_sign.pl")
    for body in BODIES.values():
        message = FIELDS + b"\r\n" + body
        command = ["perl", str(script), method, "example.com", "r", str(tmp_path / "key")]
        field = subprocess.run(command, input=message, capture_output=True, check=True).stdout
        assert_all_pass(field + message, ["rsa-sha256"])


def test_several_signatures() -> None:
    message = FIELDS + b"\r\n" + BODIES["blanks"]
    algorithms: list[str] = []
    for method, algorithm in product(METHODS, NAMES):
        message = by_dkimpy(message, method, algorithm)
        algorithms.insert(0, algorithm)
    assert_all_pass(message, algorithms)


Spoil = Callable[[bytes], bytes]
SPOILED: dict[str, Spoil] = {
    "nothing": lambda message: message,
    "body appended": lambda message: message + b"x\r\n",
    "empty lines appended": lambda message: message + b"\r\n\r\n",
    "blanks in the body": lambda message: message[:-2] + b" \t\r\n",
    "subject": lambda message: message.replace(b"folded", b"changed"),
    "field name in other case": lambda message: message.replace(b"\r\nSubject:", b"\r\nSUBJECT:"),
    "blanks in the subject": lambda message: message.replace(b"a  folded", b"a folded"),
    "another From on top": lambda message: b"From: x@crook.example\r\n" + message,
    "another Subject below": lambda message: message.replace(b"Date:", b"Subject: x\r\nDate:"),
    "unsigned field": lambda message: b"X-Other: 1\r\n" + message,
    "fields in another order": lambda message: re.sub(
        rb"(Message-ID:.*?\r\n)(Date:.*?\r\n)", rb"\2\1", message, flags=re.DOTALL
    ),
    "unknown tag": lambda message: message.replace(b"v=1;", b"v=1; zz=1;", 1),
    "version 2": lambda message: message.replace(b"v=1;", b"v=2;", 1),
    "d of someone else": lambda message: message.replace(b"d=example.com", b"d=other.example", 1),
    "other selector": lambda message: message.replace(b"s=r;", b"s=e;", 1).replace(b"s=e;", b"s=r;", 1),
    "bh changed": lambda message: re.sub(rb"bh=(.)", rb"bh=Z", message, count=1),
    "b changed": lambda message: re.sub(rb"( b=)(.)", rb"\1Z", message, count=1),
    "b folded anew": lambda message: re.sub(rb"( b=)(..)", rb"\1\2\r\n\t ", message, count=1),
    "h without From": lambda message: re.sub(rb"h=from", rb"h=frog", message, count=1),
    "8-bit octet": lambda message: message.replace(b"\xe4", b"\xe5"),
}

# What the others say where it is not what the RFC says; the section decides.
DIFFERENCES = {
    # 5.4.2: the lowest From was signed, and that is still right. What a second From means is not the signature's to say
    # (8.15); DMARC has no Author Domain then.
    ("another From on top", "dkimpy"),
}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenDkim]:
    need_programs("opendkim")
    folder = tmp_path_factory.mktemp("opendkim")
    keys = folder / "keys"
    keys.write_text("".join(f"{name} {records[0]}\n" for name, records in RECORDS.items()))
    with OpenDkim(folder / "opendkim", {"Mode": "v", "TestPublicKeys": str(keys)}) as started:
        yield started


def dkimpy_says(message: bytes) -> bool:
    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        found = RECORDS.get(name.decode().rstrip("."))
        return found[0].encode() if found else None

    try:
        return bool(dkim.verify(message, dnsfunc=look_up))
    except Exception:  # noqa: BLE001 - whatever it stumbles over, it is no pass
        return False


@pytest.mark.parametrize("spoiled", SPOILED)
def test_agreement(verifier: OpenDkim, spoiled: str) -> None:
    """Generated signatures in all forms, spoiled in one way: all three programs have to see the same."""
    chance = random.Random(spoiled)
    differing = set()
    for method, algorithm in product(METHODS, NAMES):
        body = chance.choice([BODIES["plain"], BODIES["blanks"], BODIES["empty lines"]])
        message = SPOILED[spoiled](by_dkimpy(FIELDS + b"\r\n" + body, method, algorithm))
        (ours,) = verify(message, RECORDS)
        passes = ours.result is DkimResult.PASS
        others = {"opendkim": verifier.results(message) == ["pass"], "dkimpy": dkimpy_says(message)}
        differing |= {
            (spoiled, program, "pass" if theirs else "no pass", ours.reason)
            for program, theirs in others.items()
            if theirs is not passes and (spoiled, program) not in DIFFERENCES
        }
    assert differing == set()
