"""Received-SPF (RFC 7208 9.1), for programs that read it; Authentication-Results says the same and more."""

import re

from dmarc_milter import wording
from dmarc_milter.common.network import address_text
from dmarc_milter.common.text import plain
from dmarc_milter.judging.verdict import Verdict

NAME = "Received-SPF"

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MAX_VALUE = 256


def field_value(receiver: str, verdict: Verdict) -> str:
    """The value of the field (RFC 7208 9.1), folded by ``\\n\\t``; `receiver` is our name.

    What senders wrote in it is printable ASCII, in a quoted-string where it is no dot-atom.
    """
    spf, envelope = verdict.spf, verdict.envelope
    pairs = [
        ("receiver", receiver),
        ("identity", spf.identity.value),
        ("envelope-from", envelope.mail_from),
        ("helo", verdict.helo),
    ]
    if verdict.client_address is not None:
        pairs.insert(1, ("client-ip", address_text(verdict.client_address)))
    values = ";\n\t".join(f"{name}={_value(value)}" for name, value in pairs)
    return f"{spf.check.result.value} ({_comment(wording.text(spf.check.reason))})\n\t{values}"


def _value(text: str) -> str:
    safe = plain(text, _MAX_VALUE)
    return safe if _DOT_ATOM.fullmatch(safe) else f'"{safe}"'


def _comment(text: str) -> str:
    return plain(text, _MAX_VALUE).replace("(", "[").replace(")", "]")
