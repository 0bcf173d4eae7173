"""DKIM signatures on what we send (RFC 6376 5; RFC 8463), by the code that verifies those of others."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from dmarc_milter.dkim.body import BodyHashes, BodyHashKind
from dmarc_milter.dkim.header import canonical
from dmarc_milter.dkim.signature import Canonicalization
from dmarc_milter.message.header import Field, split_message

_NAME = "DKIM-Signature"
_SIGNED = (
    "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type",
)  # fmt: skip
_ADDED = ("from", "subject", "to", "reply-to", "cc")
"""Named once more than they are there: nobody can add one (RFC 6376 8.15)."""
MIN_BITS = 1024
"""Of an RSA key (RFC 8301 3.2)."""
_LINE = 72


class KeyFileError(Exception):
    """A private key that cannot be used; the text names the file and says why."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and where its public half is published."""

    selector: str
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """What a= of a signature says (RFC 6376 3.3, RFC 8463 3)."""
        return "rsa-sha256" if isinstance(self.private, rsa.RSAPrivateKey) else "ed25519-sha256"

    @property
    def public(self) -> bytes:
        """What p= of the key record says, decoded."""
        public = self.private.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, header: bytes) -> bytes:
        """The signature of the octets `header`, over their SHA-256 (RFC 6376 3.3.3, RFC 8463 3)."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(header, padding.PKCS1v15(), hashes.SHA256())
        # RFC 8463 3: Ed25519 signs the digest.
        return self.private.sign(hashlib.sha256(header).digest())


def load_key(setting: str) -> SigningKey:
    """A key as `[report] dkim_key` names it: selector, colon, path. Raises KeyFileError."""
    selector, _, path = setting.partition(":")
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    except OSError as error:
        raise KeyFileError(f"report.dkim_key {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What the library says of it may hold parts of the file.
        raise KeyFileError(f"report.dkim_key {path}: no private key in PEM without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise KeyFileError(f"report.dkim_key {path}: neither an RSA nor an Ed25519 key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_BITS:
        raise KeyFileError(f"report.dkim_key {path}: {key.key_size} bits are too few, {MIN_BITS} is the least")
    return SigningKey(selector, key)


def signed(message: bytes, domain: str, keys: Sequence[SigningKey], now: int) -> bytes:
    """`message` with a signature of `domain` per key in front. The same arguments give the same octets."""
    header, body = split_message(message)
    digest = _body_hash(body)
    there = [name for name in _SIGNED if header.all(name)]
    names = ":".join([*there, *(name for name in _ADDED)])
    hashed = b"".join(canonical(header.all(name)[0], Canonicalization.RELAXED) + b"\r\n" for name in there)
    fields = b""
    for key in keys:
        value = (
            f" v=1; a={key.algorithm}; c=relaxed/relaxed; d={domain};\r\n s={key.selector}; t={now};\r\n"
            f" h={_folded(names)};\r\n bh={digest};\r\n b="
        )
        unsigned = canonical(Field(_NAME, value.encode()), Canonicalization.RELAXED)
        signature = base64.b64encode(key.sign(hashed + unsigned)).decode()
        lines = "\r\n ".join(signature[start : start + _LINE] for start in range(0, len(signature), _LINE))
        fields += f"{_NAME}:{value}{lines}\r\n".encode()
    return fields + message


def _folded(names: str) -> str:
    return names.replace(":message-id", ":\r\n message-id").replace(":from:subject", ":\r\n from:subject")


def _body_hash(body: bytes) -> str:
    hasher = BodyHashes([BodyHashKind(Canonicalization.RELAXED)])
    hasher.update(body)
    (found,) = hasher.finish().values()
    return base64.b64encode(found.digest).decode()
