"""Runs of making and sending that are killed at every statement, on whichever database."""

import re
from collections.abc import Callable
from itertools import count as numbers

from dmarc_milter.reporting.outbox import Outbox
from dmarc_milter.reporting.sending import UNLIMITED, Dispatcher
from dmarc_milter.reporting.store import Store
from dmarc_milter.reporting.transport import Server, SmtpTransport
from tests.support.dying import is_killed, kill_at
from tests.support.reports import DAY, EVERYBODY, NEXT_NOON, SENDER, count, maker, row
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import wait_for

DOMAINS = ("bank.example", "club.example", "shop.example")
Fresh = Callable[[], str]
"""Gives the URL of an empty journal."""


def run_make(store: Store) -> None:
    """As the command does."""
    one = maker(store)
    one.close_days(0)
    one.make()


def run_send(store: Store, port: int) -> None:
    """As the command does."""
    with SmtpTransport(Server("127.0.0.1", port)) as mta:
        Dispatcher(Outbox(store), SENDER, EVERYBODY, mta, UNLIMITED, lambda: NEXT_NOON).send()


def _killed_make(url: str, number: int) -> None:
    store = Store(url)
    kill_at(number, store.reading, store.writing)
    run_make(store)


def _killed_send(url: str, number: int, port: int) -> None:
    store = Store(url)
    kill_at(number, store.reading, store.writing)
    run_send(store, port)


def _state(store: Store) -> list[tuple[str, bytes, list[str]]]:
    """Every report, with its mail and its addresses."""
    return [(row.id, message, store.addresses(row.id)) for row, message in store.stored(DAY)]


def killed_while_making(fresh: Fresh) -> int:
    """Checks that each report is there once in the end; at how many statements it was killed."""
    expected: list[tuple[str, bytes, list[str]]] = []
    for number in numbers(-1):
        url = fresh()
        count(url, map(row, DOMAINS))
        was_killed = number >= 0 and is_killed(_killed_make, url, number)
        store = Store(url)

        def is_done(store: Store = store) -> bool:
            run_make(store)
            return store.open_jobs() == 0

        # PostgreSQL may still hold what the dead one had locked.
        wait_for(is_done, "the domains that the dead one had in hand")
        expected = expected or _state(store)
        assert len(expected) == len(DOMAINS)
        assert _state(store) == expected, f"killed at statement {number}"
        store.close()
        if number >= 0 and not was_killed:
            return number
    raise AssertionError


def killed_while_sending(fresh: Fresh) -> int:
    """Checks that each report reaches each address, and that a copy is a copy; at how many statements it was killed."""
    for number in numbers():
        url = fresh()
        count(url, map(row, DOMAINS))
        store = Store(url)
        run_make(store)
        with SmtpSink() as sink:
            was_killed = is_killed(_killed_send, url, number, sink.port)

            def is_done(store: Store = store, port: int = sink.port) -> bool:
                run_send(store, port)
                return Outbox(store).counts() == {"sent": len(DOMAINS)}

            wait_for(is_done, "what the dead one had in hand")
        store.close()
        assert len(set(sink.taken)) == len(DOMAINS), f"killed at statement {number}"
        assert len(sink.taken) <= len(DOMAINS) + 1
        ids = {re.findall(rb"(?m)^Message-ID: (\S+)", each.message)[0] for each in sink.taken}
        assert len(ids) == len(DOMAINS)
        if not was_killed:
            return number
    raise AssertionError
