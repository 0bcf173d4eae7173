"""[dkim]"""

from dataclasses import dataclass
from typing import Annotated

from dmarc_milter.settings.constraints import Range


@dataclass(frozen=True, slots=True)
class DkimSection:
    """Which signatures are verified, and which of them count."""

    max_signatures: Annotated[int, Range(1, 100)] = 10
    """Signatures of one message that are verified, those nearest to the From domain first. Honest mail has one to
    three. Fewer than five may leave out the one that counts."""

    allow_partial_body: bool = False
    """Whether a signature counts that covers only the start of the body (l=). Anybody can append to such a message.
    Leave it, unless a correspondent signs so and cannot be moved."""
