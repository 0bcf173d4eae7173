"""Keys for tests, and what a domain publishes of them."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID


def strings(text: str) -> str:
    """A TXT record as a zone file writes it: in strings of less than 256 octets."""
    return " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


@cache
def rsa_key(bits: int = 1024) -> tuple[bytes, str]:
    """A private key in PEM and its key record."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return private, _record(key.public_key())


def short_rsa_key() -> rsa.RSAPrivateKey:
    """Of 768 bits: newer libraries make none that is so short, and read it."""
    p = 0xF57CDCBE2BBE0C7451F0BD5053DA3A9A9272EFC20DF6F3BB0DD39F7518B597532CF1C4FAB07F09C681F7DCFD22101D09
    q = 0xC587937EAE140805DF06BC00D4626E2EDD7ED9C176F4BAA30D8B2344B506F43602977993E6BE7FB485E4C3FDD2E455AB
    exponent = 65_537
    private = pow(exponent, -1, (p - 1) * (q - 1))
    chinese = rsa.rsa_crt_dmp1(private, p), rsa.rsa_crt_dmq1(private, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, private, *chinese, rsa.RSAPublicNumbers(exponent, p * q)).private_key()


def rsa_record(bits: int, exponent: int, number: int = 0) -> str:
    """A key record whose exponent may be anything. Nobody has the private key."""
    modulus = (1 << bits) - 1 - 2 * number
    return _record(rsa.RSAPublicNumbers(exponent, modulus).public_key())


def _record(key: rsa.RSAPublicKey) -> str:
    public = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


@cache
def ed25519_key() -> tuple[bytes, str]:
    """A private key as dkimpy reads it and its key record."""
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw), "v=DKIM1; k=ed25519; p=" + base64.b64encode(public).decode()


def certificate(folder: Path, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """The files of a certificate for an address, which nobody but itself vouches for, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"
