"""Signatures with the times, the algorithm and the key that a test wants: dkimpy writes neither x= nor rsa-sha1."""

import base64
import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from dkim.canonicalization import Relaxed

from dmarc_milter.message.header import split_message
from tests.support.keys import rsa_key

_HASHES = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}


def signed(
    message: bytes,
    *,
    domain: str = "bank.example",
    selector: str = "s",
    tags: str = "",
    digest: str = "sha256",
) -> bytes:
    """`message` below a DKIM-Signature over its From and Subject; `tags` (``t=1; x=2;``) are put into it as they are."""
    header, body = split_message(message)
    canonical_body = Relaxed.canonicalize_body(body)
    body_hash = base64.b64encode(hashlib.new(digest, canonical_body).digest()).decode()
    value = (
        f"v=1; a=rsa-{digest}; c=relaxed/relaxed; d={domain}; s={selector}; {tags} h=from:subject; bh={body_hash}; b="
    )
    fields = [(name.encode(), header.all(name)[0].value) for name in ("from", "subject")]
    octets = b"".join(b"".join((name, b":", text)) for name, text in Relaxed.canonicalize_headers(fields))
    ((name, text),) = Relaxed.canonicalize_headers([(b"dkim-signature", value.encode())])
    loaded = serialization.load_pem_private_key(rsa_key()[0], None)
    assert isinstance(loaded, RSAPrivateKey)
    signature = loaded.sign(octets + name + b":" + text.rstrip(b"\r\n"), padding.PKCS1v15(), _HASHES[digest])
    return f"DKIM-Signature: {value}{base64.b64encode(signature).decode()}\r\n".encode() + message
