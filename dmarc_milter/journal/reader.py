"""Asking the journal."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.schema import messages


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which messages are meant: all that is given must fit."""

    queue_id: str | None = None
    message_id: str | None = None
    author_domain: str | None = None
    client: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    since: float | None = None
    """Seconds since 1970."""


def find(engine: Engine, criteria: Criteria, limit: int) -> list[Row]:
    """The newest messages that fit, newest first."""
    query = sa.select(messages).order_by(messages.c.time.desc())
    for column, value in (
        (messages.c.queue_id, criteria.queue_id),
        (messages.c.message_id, criteria.message_id),
        (messages.c.author_domain, criteria.author_domain),
    ):
        if value is not None:
            query = query.where(column == value)
    if criteria.since is not None:
        query = query.where(messages.c.time >= criteria.since)
    network = criteria.client
    if network is not None and network.num_addresses == 1:
        query = query.where(messages.c.client == str(network.network_address))
    found: list[Row] = []
    with engine.connect() as connection:
        # Of a larger network the database cannot tell; it is told apart here, row by row.
        for each in connection.execution_options(stream_results=True).execute(query).mappings():
            if network is None or (each["client"] and ipaddress.ip_address(each["client"]) in network):
                found.append(dict(each))
            if len(found) >= limit:
                break
    return found


def refused_in_monitor(engine: Engine, since: float) -> Iterator[Row]:
    """What mode monitor let through that enforce would not have, oldest first."""
    query = (
        sa.select(messages)
        .where(messages.c.mode == "monitor", messages.c.time >= since, messages.c.wanted != messages.c.action)
        .order_by(messages.c.time)
    )
    with engine.connect() as connection:
        for each in connection.execution_options(stream_results=True).execute(query).mappings():
            yield dict(each)


def failing_list_mail_in_monitor(engine: Engine, since: float) -> Iterator[Row]:
    """What lists sent that fails under a policy of quarantine or reject in mode monitor, oldest first.

    Only mail that counts as a list's; where older records do not tell, it is shown.
    """
    query = (
        sa.select(messages)
        .where(messages.c.mode == "monitor", messages.c.time >= since, messages.c.list_id.is_not(None))
        .where(messages.c.dmarc == "fail", messages.c.policy.in_(("quarantine", "reject")))
        .where(sa.func.coalesce(messages.c.list_has_address, sa.true()))
        .order_by(messages.c.time)
    )
    with engine.connect() as connection:
        for each in connection.execution_options(stream_results=True).execute(query).mappings():
            yield dict(each)


def judged_in_monitor(engine: Engine, since: float) -> int:
    """How many messages mode monitor judged."""
    query = sa.select(sa.func.count()).where(
        messages.c.mode == "monitor", messages.c.time >= since, messages.c.spf.is_not(None)
    )
    with engine.connect() as connection:
        return int(connection.execute(query).scalar() or 0)
