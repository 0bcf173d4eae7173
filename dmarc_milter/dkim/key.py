"""Key records (RFC 6376 3.6.1) and the keys in them (RFC 8301 3.2, RFC 8463 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from dmarc_milter.common.memo import Memo
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dkim import tags
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.signature import Signature

MIN_RSA_BITS = 1_024
"""Shorter keys do not count (RFC 8301 3.2)."""

MAX_RSA_BITS = 8_192
"""Verifiers have to manage 4096 bits (RFC 8301 3.2); the time for very long keys is an attacker's to spend."""

MAX_EXPONENT_BITS = 64
"""Everybody has 65537. Verifying takes time that grows with these bits; OpenSSL has this bound for long keys only."""

MAX_KEYS = 8
"""Key records at one name that are tried (RFC 6376 6.1.2 leaves the number to the verifier)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used."""

    key_type: str
    public_key: RSAPublicKey | Ed25519PublicKey
    bits: int
    hashes: tuple[str, ...] | None = None
    """h=: acceptable hash algorithms; None means all."""
    is_test: bool = False
    """t=y: the domain is testing DKIM."""
    is_strict: bool = False
    """t=s: the domain of i= has to be d= itself."""

    def verifies(self, signature: bytes, header_hash: bytes) -> bool:
        """Whether `signature` is right for the SHA-256 `header_hash`."""
        try:
            if isinstance(self.public_key, RSAPublicKey):
                self.public_key.verify(signature, header_hash, PKCS1v15(), Prehashed(SHA256()))
            else:
                # RFC 8463 3: PureEdDSA over the SHA-256 hash.
                self.public_key.verify(signature, header_hash)
        except InvalidSignature:
            return False
        return True


def parse(record: bytes) -> Key | Unreadable:
    """Read a key record (RFC 6376 3.6.1, RFC 8463 4): the text of a TXT record, its strings joined."""
    return _parse_once(record)


def _parse(record: bytes) -> Key | Unreadable:
    found = tags.parse(record)
    if isinstance(found, Unreadable):
        return Unreadable(DkimReason.UNREADABLE_KEY_RECORD(because=found.reason))
    if "v" in found and (found["v"] != b"DKIM1" or next(iter(found)) != "v"):
        return Unreadable(DkimReason.UNKNOWN_KEY_VERSION())
    if "p" not in found:
        return Unreadable(DkimReason.EMPTY_KEY_RECORD())
    if not found["p"]:
        return Unreadable(DkimReason.KEY_REVOKED())
    services = tags.listed(found.get("s", b"*"))
    if "*" not in services and "email" not in services:
        return Unreadable(DkimReason.KEY_NOT_FOR_MAIL())
    loaded = _load(found.get("k", b"rsa").decode("ascii", "replace").lower(), found["p"])
    if isinstance(loaded, Unreadable):
        return loaded
    flags = tags.listed(found.get("t", b""))
    return Key(
        key_type="rsa" if isinstance(loaded, RSAPublicKey) else "ed25519",
        public_key=loaded,
        bits=loaded.key_size if isinstance(loaded, RSAPublicKey) else 256,
        hashes=tuple(tags.listed(found["h"])) if "h" in found else None,
        is_test="y" in flags,
        is_strict="s" in flags,
    )


def _kept_octets(record: bytes, read: Key | Unreadable) -> int:
    """What a record and a key of OpenSSL take in memory, once it has verified something; by measurement, rounded up."""
    return 2 * len(record) + (1_000 if isinstance(read, Unreadable) else 3_000 + read.bits)


_parse_once = Memo(_parse, _kept_octets, max_octets=4 << 20, max_key=2_048)
"""The longest honest records, of 8192 bits, have 1400 octets."""


def _load(key_type: str, text: bytes) -> RSAPublicKey | Ed25519PublicKey | Unreadable:
    octets = tags.base64(text)
    if octets is None:
        return Unreadable(DkimReason.UNREADABLE_KEY())
    try:
        if key_type == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        if key_type != "rsa":
            return Unreadable(DkimReason.UNKNOWN_KEY_TYPE())
        # SubjectPublicKeyInfo, as everybody writes, or the RSAPublicKey of RFC 6376 3.6.1: both are accepted.
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return Unreadable(DkimReason.UNREADABLE_KEY())
    if not isinstance(key, RSAPublicKey):
        return Unreadable(DkimReason.OTHER_KEY_TYPE())
    return _unusable_size(key) or key


def _unusable_size(key: RSAPublicKey) -> Unreadable | None:
    if key.key_size < MIN_RSA_BITS:
        return Unreadable(DkimReason.KEY_TOO_SHORT(bits=key.key_size))
    if key.key_size > MAX_RSA_BITS:
        return Unreadable(DkimReason.KEY_TOO_LONG(bits=key.key_size))
    exponent = key.public_numbers().e
    if exponent.bit_length() > MAX_EXPONENT_BITS:
        return Unreadable(DkimReason.EXPONENT_TOO_LONG(bits=exponent.bit_length()))
    return None


def usable(records: Sequence[bytes], signature: Signature) -> list[Key] | Unreadable:
    """The keys among the TXT records of a name that may have made `signature`; else why there is none (6.1.2)."""
    fault = Unreadable(DkimReason.NO_KEY_RECORD())
    keys = []
    for record in records[:MAX_KEYS]:
        key = parse(record)
        unfit = key if isinstance(key, Unreadable) else _unfit(key, signature)
        if isinstance(key, Key) and unfit is None:
            keys.append(key)
        elif unfit is not None:
            fault = unfit
    return keys or fault


def _unfit(key: Key, signature: Signature) -> Unreadable | None:
    """6.1.2, steps 4 to 6, and t=s (3.6.1)."""
    if key.key_type != signature.algorithm.key_type:
        return Unreadable(DkimReason.KEY_OF_OTHER_ALGORITHM(key=key.key_type, algorithm=signature.algorithm.value))
    if key.hashes is not None and "sha256" not in key.hashes:
        return Unreadable(DkimReason.HASH_NOT_ALLOWED())
    if key.is_strict and signature.identity_domain != signature.domain:
        return Unreadable(DkimReason.SUBDOMAIN_NOT_ALLOWED())
    return None
