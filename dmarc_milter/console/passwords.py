"""Who may see the pages: names with scrypt's hashes of their passwords (RFC 7914)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dmarc_milter.settings.error import ConfigError

_N, _R, _P = 16_384, 8, 1
_MEMORY = 64 * 1024 * 1024
_LENGTH = 32
MAX_PASSWORD = 1_000
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_LINE = re.compile(
    r"([A-Za-z0-9._@-]{1,64}):scrypt\$([0-9]{1,6})\$([0-9]{1,2})\$([0-9]{1,2})\$([^$]{8,64})\$([^$]{8,88})"
)


class Hash(NamedTuple):
    """A password, as the file has it."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        """Takes about 50 ms."""
        found = _scrypt(password, self.salt, self.n, self.r, self.p)
        return hmac.compare_digest(found, self.digest)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=_LENGTH)


NOBODY = Hash(_N, _R, _P, b"no such name", b"\0" * _LENGTH)
"""No password has it: a name that is not known takes as long as one that is."""


def line(name: str, password: str) -> str:
    """What goes into the file. Raises ValueError."""
    if _NAME.fullmatch(name) is None:
        raise ValueError("a name has letters, digits, dots, hyphens and underscores, 64 at most")
    if not 0 < len(password) <= MAX_PASSWORD:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    return f"{name}:scrypt${_N}${_R}${_P}${_text(salt)}${_text(digest)}"


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def load(path: Path) -> Mapping[str, Hash]:
    """The names of the file. Raises ConfigError, which never shows what a line holds."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    found: dict[str, Hash] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip() or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text.strip())
        try:
            if match is None:
                raise ValueError
            name, n, r, p, salt, digest = match.groups()
            found[name] = Hash(int(n), int(r), int(p), base64.b64decode(salt), base64.b64decode(digest))
            found[name].fits("")
        except ValueError:
            raise ConfigError(f"{path}: line {number} is none that `dmarc-milter console --password` made") from None
    if not found:
        raise ConfigError(f"{path}: nobody is in it: make a line with `dmarc-milter console --password NAME`")
    return found
