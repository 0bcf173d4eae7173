"""A corpus of mail for benchmarks, and the DNS that goes with it; the same for the same seed."""

import random
from dataclasses import dataclass

import dkim

from dmarc_milter.message.header import split_message
from tests.support.keys import ed25519_key, rsa_key, strings

LINES = {
    "text": b"The quick brown fox jumps over the lazy dog, and the dog is not amused at all.\r\n",
    "base64": b"VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZywgYW5kIHRoZSBkb2c\r\n",
    "html": b'  <td class="cell" style="color: #333">  Some text in a table,  with blanks</td>\r\n',
}
CLIENT, ELSEWHERE = "192.0.2.10", "198.51.100.9"


@dataclass(frozen=True)
class Message:
    """One message, and what DMARC has to say of it."""

    client: str
    helo: str
    mail_from: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    dmarc: str


def zone(senders: int) -> str:
    """Of each sender: SPF with an include, a key of each kind, a policy."""
    rsa, ed = strings(rsa_key(2048)[1]), strings(ed25519_key()[1])
    lines = ["$TTL 300"]
    for number in range(senders):
        name = f"d{number}.example"
        lines += [
            f'{name}. IN TXT "v=spf1 include:_spf.{name} -all"',
            f'_spf.{name}. IN TXT "v=spf1 ip4:192.0.2.0/24 ip4:203.0.113.0/26 ~all"',
            f'_dmarc.{name}. IN TXT "v=DMARC1; p=reject; rua=mailto:d@{name}"',
            f"r._domainkey.{name}. IN TXT {rsa}",
            f"e._domainkey.{name}. IN TXT {ed}",
        ]
    return "\n".join(lines) + "\n"


def messages(count: int, senders: int, seed: int = 1) -> list[Message]:
    """30 KB on average, from 2 KB to 300 KB; most signed once, some twice, some forwarded, some spoofed."""
    chance = random.Random(seed)
    return [_message(chance, chance.randrange(senders), number) for number in range(count)]


def plain(number: int, sender: int, size: int = 20_000, extra_fields: int = 0, signatures: int = 1) -> Message:
    """One message of a given shape, as `signatures` signers left it."""
    domain = f"d{sender}.example"
    more = b"".join(
        b"X-Field-%d: some value of a field, of no interest to anybody\r\n" % each for each in range(extra_fields)
    )
    text = more + _header(domain, number) + b"\r\n" + LINES["text"] * (size // len(LINES["text"]))
    for _ in range(signatures):
        text = _sign(text, "r", domain) + text
    header, body = split_message(text)
    fields = tuple((field.name.encode(), field.value) for field in header)
    return Message(CLIENT, f"mail.{domain}", f"bounce@{domain}", fields, body, "pass")


def real(count: int, senders: int, seed: int = 1) -> list[Message]:
    """As :func:`messages`, with headers as real mail has them: 37 fields and 4.9 KB on average, some of them long.

    One of eight was forwarded, with two sets of ARC; those are not signed for anybody here, so they fail.
    """
    chance = random.Random(seed)
    return [_message(chance, chance.randrange(senders), number, _providers_fields(chance)) for number in range(count)]


_NAMES = (
    "X-Forefront-Antispam-Report",
    "X-MS-Exchange-CrossTenant-Id",
    "X-Microsoft-Antispam-Message-Info",
    "X-Google-Smtp-Source",
    "X-Gm-Message-State",
    "X-SG-EID",
    "X-Mailgun-Sending-Ip",
    "X-Campaign",
    "Feedback-ID",
    "List-Unsubscribe-Post",
    "X-Originating-IP",
    "Thread-Topic",
)


def _providers_fields(chance: random.Random) -> bytes:
    """What providers put into a header: hops, verdicts, opaque text."""
    lines = []
    for number in range(chance.randint(10, 32)):
        length = chance.choice([20, 40, 60, 60, 80, 120, 400])
        text = "".join(chance.choices("ABCDEFabcdef0123456789+/=", k=length))
        folded = "\r\n ".join(text[start : start + 70] for start in range(0, length, 70))
        lines.append(f"{chance.choice(_NAMES)}-{number}: {folded}\r\n")
    for hop in range(chance.randint(1, 5)):
        lines.append(
            f"Received: from hop{hop}.mailer.example (2001:db8::{hop}) by\r\n hop{hop + 1}.mailer.example (2001:db8::1)"
            f" with Microsoft SMTP\r\n Server (version=TLS1_2) id 15.20.{hop}; Tue, 24 Nov 2026 12:00:00 +0000\r\n"
        )
    return "".join(lines).encode()


def _arc_sets() -> bytes:
    """Two sets of forwarders, whose seals nobody can check any more."""
    lines = []
    for instance in (2, 1):
        value = "AbCd" * 86
        folded = "\r\n ".join(value[start : start + 72] for start in range(0, len(value), 72))
        common = f"i={instance}; a=rsa-sha256; d=fwd{instance}.example; s=a; t=1795694400"
        results = (
            f"i={instance}; fwd{instance}.example; spf=pass smtp.mailfrom=a.example; dmarc=pass header.from=a.example"
        )
        lines += [
            f"ARC-Seal: {common}; cv={'none' if instance == 1 else 'pass'};\r\n b={folded}\r\n",
            f"ARC-Message-Signature: {common}; c=relaxed/relaxed;\r\n h=from:to:subject; bh=aaaa; b={folded}\r\n",
            f"ARC-Authentication-Results: {results}\r\n",
        ]
    return "".join(lines).encode()


def _message(chance: random.Random, sender: int, number: int, more: bytes = b"") -> Message:
    domain = f"d{sender}.example"
    size = min(300_000, max(2_000, int(chance.lognormvariate(9.6, 1.1))))
    kind = chance.choices(["signed", "twice", "ed25519", "unsigned", "forwarded", "spoofed"], [50, 10, 5, 15, 12, 8])[0]
    line = LINES[chance.choice(list(LINES))]
    text = _header(domain, number) + more + b"\r\n" + line * (size // len(line))
    for selector in {"signed": "r", "twice": "re", "ed25519": "e", "forwarded": "r"}.get(kind, ""):
        text = _sign(text, selector, domain) + text
    if more and kind == "forwarded":
        text = _arc_sets() + text
    header, body = split_message(text)
    fields = tuple((field.name.encode(), field.value) for field in header)
    client = ELSEWHERE if kind in ("forwarded", "spoofed") else CLIENT
    passes = kind != "spoofed"
    return Message(client, f"mail.{domain}", f"bounce@{domain}", fields, body, "pass" if passes else "fail")


def _header(domain: str, number: int) -> bytes:
    lines = [
        f"Received: from inner.{domain} (inner.{domain} [10.0.0.1])\r\n\tby mail.{domain} (Postfix) with ESMTPS"
        f" id 4X{number}\r\n\tfor <you@example.org>; Tue, 24 Nov 2026 12:00:00 +0000 (UTC)",
        f"From: Sender <news@{domain}>",
        "To: You <you@example.org>",
        f"Subject: Number {number} of a series of messages",
        "Date: Tue, 24 Nov 2026 12:00:00 +0000",
        f"Message-ID: <{number}@{domain}>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        f"List-Unsubscribe: <https://{domain}/unsubscribe/{number}>",
        "X-Mailer: a program of some name 1.2.3",
        f"Reply-To: <reply@{domain}>",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _sign(text: bytes, selector: str, domain: str) -> bytes:
    key, algorithm = (rsa_key(2048)[0], b"rsa-sha256") if selector == "r" else (ed25519_key()[0], b"ed25519-sha256")
    signed: bytes = dkim.sign(
        text,
        selector.encode(),
        domain.encode(),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        signature_algorithm=algorithm,
    )
    return signed
