"""Who steps coroutines that judge mail under asyncio: apart from the other runner, for asyncio is slow to load."""

import asyncio
from typing import Any, TypeVar

from dmarc_milter.dns.answer import Answer, Question
from dmarc_milter.dns.runner import Judging
from dmarc_milter.dns.source import Source

T = TypeVar("T")


async def run_in_asyncio(coroutine: Judging[T], source: Source) -> T:
    """The result of `coroutine`, stepped by the running event loop of asyncio."""
    loop = asyncio.get_running_loop()
    answer: Answer[Any] | None = None
    try:
        while True:
            arrived: asyncio.Future[Answer[Any]] = loop.create_future()

            def tell(_question: Question, later: Answer[Any], arrived: asyncio.Future[Answer[Any]] = arrived) -> None:
                loop.call_soon_threadsafe(_settle, arrived, later)

            answer = source.ask(coroutine.send(answer), tell) or await arrived
    except StopIteration as end:
        result: T = end.value
        return result


def _settle(arrived: "asyncio.Future[Answer[Any]]", answer: Answer[Any]) -> None:
    if not arrived.cancelled():
        arrived.set_result(answer)
