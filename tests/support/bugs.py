"""Bugs put into the filter on purpose."""

from collections.abc import Callable

from dmarc_milter.judging.evaluation import MessageEvaluation


def breaking(step: Callable[[MessageEvaluation], bool]) -> Callable[[MessageEvaluation], bool]:
    """The end of the header, with a bug: a message with the field X-Broken is too much for it."""

    def end_of_headers(self: MessageEvaluation) -> bool:
        if self.header.all("x-broken"):
            raise ZeroDivisionError("made up")
        return step(self)

    return end_of_headers
