"""Alignments that a report still has to look into where they are too many to be held: in turn, as its rows are read.

A domain may have a million envelope domains; what of them is in memory is bounded.
"""

import time
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.record import DmarcRecord
from dmarc_milter.dmarc.tree_walk import TreeWalks
from dmarc_milter.dns.message import MessageQuestions
from dmarc_milter.dns.runner import Runner
from dmarc_milter.dns.source import Source
from dmarc_milter.journal.reported import Aligned, Content
from dmarc_milter.reporting.planning import Pair, look_into
from dmarc_milter.reporting.records import Counted, pairs

WINDOW = 500
"""Rows whose alignments are looked into at once."""
AT_ONCE = 32
"""Questions that wait beside each other."""
SECONDS = 60.0
"""What the DNS may take for the pairs of one window."""

Known = ChainMap[Pair, bool]


class UnansweredError(Exception):
    """The DNS could not tell of a pair."""

    def __init__(self, why: Reason) -> None:
        super().__init__(why)
        self.why = why


class Alignments:
    """Looks into pairs of domains."""

    def __init__(self, runner: Runner, source: Source) -> None:
        self._runner = runner
        self._source = source

    def answered(self, rows: Iterable[Counted], record: DmarcRecord, known: Known) -> Iterator[Counted]:
        """The same `rows`; when one is given, `known` has what it needs, beyond what it has for all of them.

        Raises UnansweredError.
        """
        left = iter(rows)
        while window := list(islice(left, WINDOW)):
            wanted = dict.fromkeys(
                pair
                for row in window
                for pair in pairs(Content.of(row.content), record, Aligned.of(row.variant))
                if pair not in known.parents
            )
            known.maps[0] = self._ask(list(wanted))
            yield from window

    def _ask(self, wanted: Sequence[Pair]) -> dict[Pair, bool]:
        shares = [share for start in range(AT_ONCE) if (share := wanted[start::AT_ONCE])]
        questions = [MessageQuestions(self._source) for _ in shares]
        try:
            asked = [self._runner.start(_look_into(one, share)) for one, share in zip(questions, shares, strict=True)]
            found: dict[Pair, bool] = {}
            for each in asked:
                told = each.result()
                if isinstance(told, Reason):
                    raise UnansweredError(told)
                found.update(told)
        finally:
            for one in questions:
                one.close()
        return found


async def _look_into(questions: MessageQuestions, some: Iterable[Pair]) -> dict[Pair, bool] | Reason:
    return await look_into(TreeWalks(questions.resolver(time.monotonic() + SECONDS)), some)
