"""Messages as an old chain left them in a mailbox, and the DNS of today."""

from tests.support.expiring import signed
from tests.support.keys import ed25519_key, rsa_key, strings
from tests.support.signed import RSA_768

AT = 1_795_514_405
"""Tue, 24 Nov 2026 10:00:05 +0000, when all of them came in."""
ZONE = f"""$TTL 300
bank.example. IN TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject"
s._domainkey.bank.example. IN TXT {strings(rsa_key()[1])}
short._domainkey.bank.example. IN TXT {strings("v=DKIM1; p=" + RSA_768)}
revoked._domainkey.bank.example. IN TXT "v=DKIM1; p="
other._domainkey.bank.example. IN TXT {strings(rsa_key(1536)[1])}
e._domainkey.bank.example. IN TXT "{ed25519_key()[1]}"
testing._domainkey.bank.example. IN TXT {strings(rsa_key()[1] + "; t=y")}
s._domainkey.lists.example. IN TXT {strings(rsa_key()[1])}
pct.example. IN TXT "v=spf1 -all"
_dmarc.pct.example. IN TXT "v=DMARC1; p=quarantine; pct=0"
test.example. IN TXT "v=spf1 -all"
_dmarc.test.example. IN TXT "v=DMARC1; p=reject; t=y"
_dmarc.np.example. IN TXT "v=DMARC1; p=none; np=reject"
np.example. IN A 192.0.2.80
many.example. IN TXT "v=spf1 a:a.x.example a:b.x.example a:c.x.example a:d.x.example a:e.x.example a:f.x.example a:g.x.example a:h.x.example a:i.x.example a:j.x.example a:k.x.example -all"
*.x.example. IN A 192.0.2.77
_dmarc.corp.example. IN TXT "v=DMARC1; p=none"
_dmarc.dept.corp.example. IN TXT "v=DMARC1; p=reject; psd=n"
mail.dept.corp.example. IN TXT "v=spf1 -all"
corp.example. IN TXT "v=spf1 ip4:192.0.2.10 -all"
; failing: lost.example
"""
DATE = "Tue, 24 Nov 2026 10:00:05 +0000"


def body(author: str = "bank.example") -> bytes:
    """What the sender wrote."""
    return f"From: <news@{author}>\r\nSubject: Hello\r\n\r\nHello, you\r\n".encode()


def delivered(
    results: str,
    message: bytes | None = None,
    *,
    client: str | None = "192.0.2.10",
    path: str | None = "news@bank.example",
    date: str = DATE,
    authserv_id: str = "mx.example.org",
) -> bytes:
    """`message` below what the hosts of the receiver wrote: `results` are those of the old chain, without its id."""
    above = f"Return-Path: <{path}>\r\n" if path is not None else ""
    if results:
        above += f"Authentication-Results: {authserv_id}; {results}\r\n"
    if client is not None:
        above += (
            f"Received: from out.example (out.example [{client}])\r\n\tby mx.example.org (Postfix) id 4X; {date}\r\n"
        )
    return above.encode() + (body() if message is None else message)


SIGNED = signed(body())
DKIM = "dkim=pass header.d=bank.example header.s="
