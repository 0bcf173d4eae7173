"""One message of a file and what came of it, in the words of a table."""

from typing import NamedTuple

from dmarc_milter.api import Evaluated
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.explaining.telling import is_undecided
from dmarc_milter.judging.verdict import Action

NOT_JUDGED = "not judged"
NOT_DECIDED = "not decided"


class Judged(NamedTuple):
    """One message and its outcome."""

    name: str
    found: Evaluated
    derived: Derived

    @property
    def is_undecided(self) -> bool:
        """Whether the unknown client might have changed the outcome."""
        return is_undecided(self.found, self.derived)

    @property
    def result(self) -> str:
        """DMARC's; of a message that the filter would not judge, what it would do instead."""
        if self.is_undecided:
            return NOT_DECIDED
        if self.found.verdict is not None:
            return self.found.verdict.dmarc.result.value
        wanted = self.found.disposition.enforced_action
        return NOT_JUDGED if wanted is Action.ACCEPT else wanted.value

    @property
    def spf(self) -> str:
        """SPF's result; a dash where it was not judged."""
        verdict = self.found.verdict
        return verdict.spf.check.result.value if verdict is not None and self.derived.has_client else "-"

    @property
    def author_domain(self) -> str | None:
        """None where the message was not judged, or has none."""
        return self.found.verdict.dmarc.author_domain if self.found.verdict is not None else None

    @property
    def is_fail(self) -> bool:
        """Whether it does not pass, as the exit status tells it."""
        return self.result not in ("pass", "none", NOT_JUDGED)
