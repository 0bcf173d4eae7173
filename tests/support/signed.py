"""A message, signed by dkimpy and verified by us."""

import asyncio

import dkim

from dmarc_milter.dkim.body import BodyHashes
from dmarc_milter.dkim.verification import SignatureResult, prepare, verify_all
from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from dmarc_milter.message.header import split_message
from tests.support.keys import rsa_key, strings

NOW = 1_800_000_000
MESSAGE = (
    b"From: A <a@example.com>\r\nTo: b@example.org\r\nSubject: a  folded\r\n\tsubject \r\n"
    b"X-Eight: \xe4\xf6\r\n\r\nHello  there \r\n\r\nBye\r\n\r\n"
)
FIELDS = [b"from", b"to", b"subject", b"x-eight"]
RSA_768 = (
    "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhANpi4a2BE6dBHT93Jh5y1UNwPP1FGYgV6LtVFj0Zf2l34V9CIvmFx3hXlYghD7S6RXo7nUFvlMZ/dG6g"
    "gOY/drqcq/LSLImxWwzEdGwjs3GtNirWulJOQHQawJ9uc2VhFQIDAQAB"
)
"""A public key of 768 bits, which no library makes any more."""


def sign(
    message: bytes = MESSAGE, canonicalize: tuple[bytes, bytes] = (b"relaxed", b"relaxed"), **options: object
) -> bytes:
    """The DKIM-Signature field of `message`, to be put before it; `options` are those of dkimpy, and key, selector, domain."""
    key = options.pop("key", rsa_key()[0])
    signature: bytes = dkim.sign(
        message,
        options.pop("selector", b"s"),
        options.pop("domain", b"example.com"),
        key,
        canonicalize=canonicalize,
        include_headers=list(FIELDS),
        **options,
    )
    return signature


def verify(
    message: bytes, records: dict[str, list[str]] | None = None, *, now: int = NOW, most: int = 10
) -> list[SignatureResult]:
    """What we find where the DNS has these key records (else that of `sign`), looking at no more than `most` signatures."""
    published = {"s._domainkey.example.com": [rsa_key()[1]]} if records is None else records
    zone = records_of(
        {name: [(RecordType.TXT, strings(text) or '""') for text in texts] for name, texts in published.items()}
    )
    header, body = split_message(message)
    prepared = prepare(header, "example.com", now, most)
    bodies = BodyHashes(each.body for each in prepared.prepared)
    bodies.update(body)
    return list(asyncio.run(verify_all(ZoneResolver(zone), prepared, bodies.finish())))
