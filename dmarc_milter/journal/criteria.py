"""Which messages are meant, as values and as conditions of a query."""

import ipaddress
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.origin import octets
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.schema import STANDS_OUT, UNFILLED, VOUCHED, messages, rollups
from dmarc_milter.journal.what_if import Method

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ERROR = "error"
"""Instead of a result of DMARC: any that says that it could not be found out."""
UNKNOWN = "unknown"
"""Instead of a kind: that of records of older versions, which are not counted yet."""
_ERRORS = ("temperror", "permerror")
_STRICT = ("quarantine", "reject")


class Place(NamedTuple):
    """Where a page of the newest messages ended: the next one begins below it."""

    time: float
    uid: str


class SignedBy(NamedTuple):
    """Signatures with one key."""

    domain: str
    selector: str
    """Each: UNNAMED where the signature does not tell."""
    is_pass: bool


UNNAMED = "?"


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which messages are meant: all that is given must fit."""

    queue_ids: tuple[str, ...] = ()
    """One of these; empty: any."""
    message_id: str | None = None
    author_domain: str | None = None
    """Empty: those whose From has no usable domain."""
    client: Network | None = None
    """Of whoever handed it to us, or to the outermost of our trusted relays."""
    since: float | None = None
    """Seconds since 1970."""
    until: float | None = None
    """The same; the last moment that is meant."""
    action: str | None = None
    dmarc: str | None = None
    """A result, or ERROR."""
    spf: str | None = None
    rule: str | None = None
    list_id: str | None = None
    host: str | None = None
    override: str | None = None
    wanted: str | None = None
    """What enforce does or would have done."""
    dkim: str | None = None
    """As rollups.dkim_result() has it."""
    arc: str | None = None
    kind: str | None = None
    is_judged: bool | None = None
    is_done: bool | None = None
    """Whether what enforce wants was done."""
    stands_out: bool = False
    """Only what fails, and what was acted on or would have been."""
    is_unwanted: bool = False
    """Only what enforce does not accept, or would not."""
    is_failing_list: bool = False
    """Only what journal/seen_lists.py counts: lists' mail that fails under a policy."""
    sealers: tuple[str, ...] = ()
    """All of these have to be trusted so that the message's chain of seals vouches for it. No index has it."""
    is_vouched: bool = False
    """Only what trusting sealers would spare: what is not accepted though a valid chain vouches for it."""
    proves: tuple[Method, str] | None = None
    """What authenticated it, as what_if.best_identifier() has it. The conditions of a query leave more than that."""
    signature: SignedBy | None = None
    """One of its signatures is such a one. The conditions of a query leave more than that."""
    reported: str | None = None
    """Only what an aggregate report to this policy domain counts. No index has it."""
    mail_from: str | None = None
    """The domain of MAIL FROM; empty: those that have none. No index has it."""
    is_client_common: bool = False
    """Whether `client` sent so much that its index is of no use."""
    is_client_rare: bool = False
    """Whether it sent so little that all of it is best found by that index, and put in order then."""
    is_unknown_client: bool = False
    """Only those without a known client."""
    excluded_domains: tuple[str, ...] = ()
    excluded_results: tuple[str, ...] = ()
    """Of DMARC."""
    excluded_actions: tuple[str, ...] = ()
    excluded_clients: tuple[Network, ...] = ()
    below: Place | None = None

    def from_(self, since: float) -> "Criteria":
        """The same, from another moment on."""
        return replace(self, since=since)


def narrowed(connection: Connection, criteria: Criteria) -> Criteria | None:
    """The same, between the first and the last hour that have such messages by the counts; None where none has.

    Else what never occurs would be looked for in all of the journal.
    """
    counted = list(_counted(criteria))
    if not counted or connection.execute(sa.select(messages.c.uid).where(UNFILLED).limit(1)).first() is not None:
        # Rows of older versions may not be counted yet.
        return criteria
    for query in counted:
        first, last = connection.execute(query).one()
        if first is None:
            return None
        criteria = replace(
            criteria,
            since=max(first, criteria.since or 0.0),
            until=min(last + HOUR, criteria.until if criteria.until is not None else math.inf),
        )
    return criteria


def _counted(criteria: Criteria) -> "Iterator[sa.Select[Any]]":
    """The first and the last hour, by what was decided, and by what each method said."""
    hours, results = rollups["hours"].c, rollups["results"].c
    decided = [
        hours[name] == value
        for name in ("action", "wanted", "rule", "override", "host")
        if (value := getattr(criteria, name)) is not None
    ]
    if criteria.dmarc is not None:
        decided.append(hours.dmarc.in_(_results(criteria.dmarc)))
    if criteria.is_done is False:
        decided.append(hours.wanted != hours.action)
    if criteria.is_judged is False:
        decided.append(hours.dmarc == "")
    if decided:
        bounds = _within(hours.hour, criteria)
        yield sa.select(sa.func.min(hours.hour), sa.func.max(hours.hour)).where(*decided, *bounds)
    for method in ("spf", "dkim", "arc", "kind"):
        value = getattr(criteria, method)
        if method == "arc" and (criteria.sealers or criteria.is_vouched):
            value = "pass"
        if value is not None and not (method == "kind" and value == "unjudged"):
            said = (results.method == method, results.result == value, *_within(results.hour, criteria))
            yield sa.select(sa.func.min(results.hour), sa.func.max(results.hour)).where(*said)


def _within(hour: "sa.ColumnElement[int]", criteria: Criteria) -> "Iterator[sa.ColumnElement[bool]]":
    if criteria.since is not None:
        yield hour > criteria.since - HOUR
    if criteria.until is not None:
        yield hour <= criteria.until


def _results(dmarc: str) -> tuple[str, ...]:
    return _ERRORS if dmarc == ERROR else (dmarc,)


_EQUAL = ("message_id", "action", "spf", "rule", "list_id", "host", "override", "wanted", "arc", "kind")


def fitting(query: "sa.Select[Any]", criteria: Criteria) -> "sa.Select[Any]":
    """`query`, of these messages alone."""
    query = query.where(*_conditions(criteria), *_excluding(criteria))
    # They follow from the others, and have the index of such messages read.
    if criteria.is_vouched:
        return query.where(VOUCHED)
    return query.where(STANDS_OUT) if stand_out(criteria) else query


def stand_out(criteria: Criteria) -> bool:
    """Whether only such messages are meant as schema.STANDS_OUT has."""
    is_failing = criteria.stands_out or criteria.dmarc == "fail" or criteria.is_failing_list or criteria.is_vouched
    is_acted_on = any(each not in (None, "accept") for each in (criteria.action, criteria.wanted))
    return is_failing or is_acted_on or criteria.is_unwanted or criteria.is_done is False


def _conditions(criteria: Criteria) -> "Iterator[sa.ColumnElement[bool]]":
    columns = messages.c
    for name in _EQUAL:
        value = getattr(criteria, name)
        if value is not None:
            yield columns[name].is_(None) if (name, value) == ("kind", UNKNOWN) else columns[name] == value
    if criteria.dmarc is not None:
        results = _results(criteria.dmarc)
        yield columns.dmarc.in_(results) if len(results) > 1 else columns.dmarc == results[0]
    if criteria.is_vouched:
        yield columns.dmarc == "fail"
    if criteria.is_unwanted:
        yield columns.wanted != "accept"
    if criteria.is_failing_list:
        yield _is_failing_list()
    for sealer in criteria.sealers:
        yield sa.cast(columns.arc_vouching, sa.Text).contains(json.dumps(sealer), autoescape=True)
    if criteria.proves is not None:
        yield from _may_prove(*criteria.proves)
    if criteria.signature is not None:
        yield from _may_be_signed(criteria.signature)
    if criteria.reported is not None:
        yield _is_reported(criteria.reported)
    if criteria.mail_from is not None:
        yield _is_mail_from(criteria.mail_from)
    if criteria.queue_ids:
        yield columns.queue_id.in_(criteria.queue_ids)
    if criteria.author_domain is not None:
        yield columns.author_domain == criteria.author_domain if criteria.author_domain else _no_domain()
    if criteria.since is not None:
        yield columns.time >= criteria.since
    # One bound: SQLite begins at the first that it sees, and not at the least.
    ends = [each for each in (criteria.until, criteria.below and criteria.below.time) if each is not None]
    if ends:
        yield columns.time <= min(ends)
    if criteria.client is not None:
        source = sa.func.coalesce(columns.source, b"") if criteria.is_client_common else columns.source
        yield _is_in(source, criteria.client)
    if criteria.is_unknown_client:
        yield columns.source.is_(None)
    if criteria.dkim is not None:
        yield columns.spf.is_not(None)
        yield dkim_result() == criteria.dkim
    if criteria.is_judged is not None:
        yield columns.spf.is_not(None) if criteria.is_judged else columns.spf.is_(None)
    if criteria.is_done is not None:
        yield (columns.wanted == columns.action) if criteria.is_done else (columns.wanted != columns.action)
    if criteria.below is not None:
        moment, uid = criteria.below
        yield sa.or_(columns.time < moment, columns.uid < uid)


def _no_domain() -> "sa.ColumnElement[bool]":
    return messages.c.author_domain.is_(None)


def _is_in(source: "sa.ColumnElement[bytes]", network: Network) -> "sa.ColumnElement[bool]":
    return source.between(octets(network[0]), octets(network[-1]))


def _is_mail_from(domain: str) -> "sa.ColumnElement[bool]":
    """With `[journal] addresses`, the local part is before it."""
    if not domain:
        return messages.c.mail_from == ""
    told = sa.func.lower(messages.c.mail_from)
    return sa.or_(told == domain, told.endswith(f"@{domain}", autoescape=True))


def _is_failing_list() -> "sa.ColumnElement[bool]":
    columns = messages.c
    is_list = sa.or_(columns.list_has_address.is_(None), columns.list_has_address.is_(True))
    return sa.and_(columns.list_id.is_not(None), is_list, columns.dmarc == "fail", columns.policy.in_(_STRICT))


def _may_prove(method: Method, domain: str) -> "Iterator[sa.ColumnElement[bool]]":
    """Nearly the same as best_identifier(), which knows what comes first: few rows are read in vain."""
    columns = messages.c
    if method is Method.DKIM:
        yield _says_of_signatures("domain", domain)
    elif method is Method.SPF:
        yield sa.and_(columns.spf == "pass", columns.spf_domain == domain)
    else:
        yield dkim_result() != "pass"


def _may_be_signed(wanted: SignedBy) -> "Iterator[sa.ColumnElement[bool]]":
    """One signature may have the domain, another one the selector: signed_by() tells."""
    yield messages.c.dkim.is_not(None)
    for name, value in (("domain", wanted.domain), ("selector", wanted.selector)):
        if value != UNNAMED:
            yield _says_of_signatures(name, value)


def _says_of_signatures(name: str, value: str) -> "sa.ColumnElement[bool]":
    return sa.cast(messages.c.dkim, sa.Text).contains(f'"{name}": {json.dumps(value)}', autoescape=True)


def signed_by(row: Row) -> set[SignedBy]:
    """Of each signature of a message."""
    return {
        SignedBy(each["domain"] or UNNAMED, each["selector"] or UNNAMED, each["result"] == "pass")
        for each in row["dkim"] or ()
    }


def _is_reported(policy_domain: str) -> "sa.ColumnElement[bool]":
    """As journal/reported.py counts: what was judged under a record, was not put off, and came from an address."""
    columns = messages.c
    is_judged = sa.and_(columns.dmarc.in_(("pass", "fail", "temperror")), columns.policy.is_not(None))
    is_counted = sa.and_(is_judged, columns.action != "tempfail", columns.source.is_not(None))
    return sa.and_(columns.policy_domain == policy_domain, is_counted)


def _excluding(criteria: Criteria) -> "Iterator[sa.ColumnElement[bool]]":
    columns = messages.c
    for column, values in (
        (columns.author_domain, criteria.excluded_domains),
        (columns.dmarc, tuple(value for each in criteria.excluded_results for value in _results(each))),
        (columns.action, criteria.excluded_actions),
    ):
        if values:
            yield sa.or_(column.is_(None), column.not_in(values))
    for network in criteria.excluded_clients:
        yield sa.or_(columns.source.is_(None), sa.not_(_is_in(columns.source, network)))


def dkim_result() -> "sa.ColumnElement[str]":
    """As rollups.dkim_result() has it. Quotation marks within a value are escaped there: no sender can write these."""
    text = sa.cast(messages.c.dkim, sa.Text)
    return sa.case(
        (text.like('%"result": "pass"%'), "pass"),
        (text.like('%"result": "temperror"%'), "temperror"),
        (text.like('%"result": %'), "fail"),
        else_="none",
    )
