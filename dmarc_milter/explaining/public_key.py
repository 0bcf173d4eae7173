"""Keys as people compare them: by type, bits and a digest, not by four hundred letters of base64."""

from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dmarc_milter import wording
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dkim import key
from dmarc_milter.dkim.key import Key

SHOWN_DIGITS = 16
"""Of the digest, where people read it."""


def digest(read: Key) -> str:
    """SHA-256 in hexadecimal, as ``openssl pkey -in KEY -pubout -outform DER | sha256sum`` gives it."""
    return sha256(read.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def key_text(read: Key) -> str:
    """``rsa, 2048 bits, SHA-256 0123456789abcdef``"""
    return f"{read.key_type}, {read.bits} bits, SHA-256 {digest(read)[:SHOWN_DIGITS]}"


def record_text(record: bytes) -> str:
    """What is at the name of a key."""
    read = key.parse(record)
    return f"no usable key: {wording.text(read.reason)}" if isinstance(read, Unreadable) else key_text(read)
