"""A message, sealed by dkimpy."""

import dkim

from tests.support.keys import rsa_key

MESSAGE = (
    b"From: a@example.com\r\nTo: b@example.org\r\nSubject: x\r\n"
    b"Authentication-Results: lists.example; arc=none; spf=pass smtp.mailfrom=example.com; dmarc=pass\r\n"
    b"\r\nHello\r\n"
)
RECORD = rsa_key()[1]


def seal(message: bytes, domain: bytes = b"lists.example") -> bytes:
    """`message` with an ARC set of `domain` before it."""
    fields = dkim.arc_sign(message, b"s", domain, rsa_key()[0], b"lists.example", [b"from", b"to", b"subject"])
    return b"".join(fields) + message
