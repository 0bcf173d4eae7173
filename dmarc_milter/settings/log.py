"""[log]"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LogSection:
    """The line about each message, on standard error."""

    format: Literal["logfmt", "json"] = "logfmt"
    """"logfmt" (key=value), or "json" (every line an object) for programs that collect logs."""

    addresses: bool = False
    """Whether the whole MAIL FROM address is logged, and not only its domain."""
