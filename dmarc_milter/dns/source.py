"""Where answers come from, and what a coroutine that judges mail yields where it has to wait for one.

A coroutine yields a :class:`Need`: a question, until when the answer is of use, and for whom. Whoever steps the
coroutine (``dns.runner``) hands the need to a :class:`Source` and sends the answer back in.
"""

import types
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from dmarc_milter.dns.answer import Answer, OnAnswer, Question


@dataclass(slots=True, eq=False)
class Asker:
    """One message, as far as those who answer its questions know it."""

    client: bytes = b""
    """The network of the client that brought the message: clients share out what there is among them."""
    waiting: set[Any] = field(default_factory=set)
    """What the source remembers of the message's open questions."""
    has_left: bool = False
    """The message has ended: nothing is asked for it any more."""


class Need(NamedTuple):
    """An answer that somebody waits for."""

    question: Question
    deadline: float
    """``time.monotonic()``; an answer that is not there by then is a temporary failure."""
    asker: Asker
    is_reserved: bool = False
    """A question of DMARC itself, for which there is room when there is none for others."""
    is_prefetch: bool = False
    """Nobody waits yet: it is asked only where there is room to spare."""


class Source(Protocol):
    """Whoever has answers: a cache in front of name servers, or a zone file. Any thread may call it."""

    def peek(self, question: Question) -> Answer[Any] | None:
        """The answer where it is known without asking anyone, else None."""

    def ask(self, need: Need, on_answer: OnAnswer) -> Answer[Any] | None:
        """The answer where it is known, or a temporary failure where there is no room to ask.

        Else None: then `on_answer` is called exactly once, on any thread, with the answer, or with a temporary failure
        at the deadline; never once the asker has left.
        """

    def leave(self, asker: Asker) -> None:
        """Forget what `asker` waits for. What nobody else waits for is asked no longer."""


@types.coroutine
def wait(need: Need) -> Generator[Need, Answer[Any], Answer[Any]]:
    """Yield `need` to whoever steps the coroutine; gives the answer that is sent back in."""
    answer = yield need
    return answer
