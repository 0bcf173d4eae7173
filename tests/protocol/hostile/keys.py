"""Keys that an attacker would publish, and ARC chains that are right but costly."""

import base64
import hashlib
import random
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.support.keys import rsa_key

_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


class Key(NamedTuple):
    """An RSA key, as numbers."""

    modulus: int
    public: int
    private: int

    @property
    def record(self) -> str:
        return _record(self.public, self.modulus)

    def sign(self, data: bytes) -> str:
        """PKCS #1 1.5 over the SHA-256 of `data`, in base64."""
        size = (self.modulus.bit_length() + 7) // 8
        info = _SHA256 + hashlib.sha256(data).digest()
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        signed = pow(int.from_bytes(padded, "big"), self.private, self.modulus)
        return base64.b64encode(signed.to_bytes(size, "big")).decode()


def _record(exponent: int, modulus: int) -> str:
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(octets).decode()


@cache
def costly_key(bits: int = 3072) -> Key:
    """A public exponent as long as the modulus: cheap to sign with, costly to verify with. OpenSSL takes such an
    exponent with moduli of up to 3072 bits."""
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=bits).private_numbers()
    order = (numbers.p - 1) * (numbers.q - 1)
    return Key(numbers.p * numbers.q, pow(65537, -1, order), 65537)


@cache
def wrong_keys(count: int = 7, bits: int = 3072) -> tuple[str, ...]:
    """Records of keys that fit nothing; any odd number is a modulus."""
    chosen = random.Random(17)
    moduli = [chosen.getrandbits(bits) | 1 << bits - 1 | 1 for _ in range(count)]
    return tuple(_record(modulus - 2 | 1, modulus) for modulus in moduli)


@cache
def wide_key(bits: int) -> str:
    """The record of a long key with a usual exponent."""
    modulus = random.Random(bits).getrandbits(bits) | 1 << bits - 1 | 1
    return _record(65537, modulus)


def plain_record() -> str:
    """What is published of the key that signs for crooks and honest senders alike."""
    return rsa_key()[1]


@cache
def plain_key() -> Key:
    """That key."""
    private = load_pem_private_key(rsa_key()[0], None)
    assert isinstance(private, rsa.RSAPrivateKey)
    numbers = private.private_numbers()
    return Key(numbers.public_numbers.n, numbers.public_numbers.e, numbers.d)


def chain(key: Key, domain: str, results: Sequence[str], from_field: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    """A chain of sets that are all right, topmost first; one for each of `results`. Their fields are in canonical form
    already."""
    signed_body = base64.b64encode(hashlib.sha256(body).digest()).decode()
    so_far: list[bytes] = []
    found: list[tuple[bytes, bytes]] = []
    for i, result in enumerate(results, 1):
        message = f"i={i}; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s; h=from; bh={signed_body}; b="
        message += key.sign(b"from:" + from_field.strip() + b"\r\narc-message-signature:" + message.encode())
        seal = f"i={i}; a=rsa-sha256; cv={'none' if i == 1 else 'pass'}; d={domain}; s=s; b="
        so_far += [f"arc-authentication-results:i={i}; {result}".encode(), f"arc-message-signature:{message}".encode()]
        seal += key.sign(b"\r\n".join([*so_far, f"arc-seal:{seal}".encode()]))
        so_far.append(f"arc-seal:{seal}".encode())
        found[:0] = [
            (b"ARC-Seal", f" {seal}".encode()),
            (b"ARC-Message-Signature", f" {message}".encode()),
            (b"ARC-Authentication-Results", f" i={i}; {result}".encode()),
        ]
    return found
