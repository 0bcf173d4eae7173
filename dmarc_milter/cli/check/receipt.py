"""When a message came in, as a person says it."""

import os
import re
from datetime import datetime

from dmarc_milter.message.date import seconds_of

FORMS = "2026-11-24T10:00:05Z (RFC 3339), Tue, 24 Nov 2026 10:00:05 +0000 (RFC 5322), 1795514405 (seconds since 1970)"


def received(text: str) -> float | None:
    """Seconds since 1970, out of one of FORMS; None where it is none of them.

    A time without an offset is of the local time. Nothing is before 1970.
    """
    if re.fullmatch(r"[0-9]{1,11}(?:\.[0-9]{1,9})?", text):
        return float(text)
    of_mail = seconds_of(os.fsencode(text))
    if of_mail is not None:
        return of_mail
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:", text) is None:
        return None
    try:
        seconds = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if seconds >= 0 else None
