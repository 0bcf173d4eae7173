"""What an address asks for: which messages, as criteria, and back again as links (pure).

Every state of a page is its address: so it can be kept, sent to somebody, and gone back to.
"""

import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from dmarc_milter.columns.origin import KINDS
from dmarc_milter.common.moments import moment, written
from dmarc_milter.dns.name import to_identifier
from dmarc_milter.journal.criteria import ERROR, UNKNOWN, Criteria, Network, Place, SignedBy
from dmarc_milter.journal.what_if import Method
from dmarc_milter.wording.actions import DONE

MAX_TEXT = 500
MAX_SEALERS = 10
ACTIONS = ("accept", "quarantine", "reject", "tempfail")
DMARC = ("pass", "fail", "none", "temperror", "permerror", ERROR)
SPF = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")
DKIM = ("pass", "fail", "temperror", "none")
ARC = ("pass", "fail", "none")
NONE = "none"
"""Instead of a domain or an address: messages that have none."""
UNWANTED = "not-accept"
"""Instead of what enforce does: anything but to accept."""
NOBODY = "nobody"
_FAILING = {"1": "stands_out", "list": "is_failing_list", "sealed": "is_vouched"}
_CHOICES = {
    "action": ACTIONS,
    "wanted": (*ACTIONS, UNWANTED),
    "dmarc": DMARC,
    "spf": SPF,
    "dkim": DKIM,
    "arc": ARC,
    "kind": (*KINDS, UNKNOWN),
    "judged": ("yes", "no"),
    "done": ("yes", "no"),
    "failing": tuple(_FAILING),
}
_SIGNED = ("passed", "not_passed")
_TEXTS = ("spared", "rule", "list", "host")
NAMES = (
    "q",
    "from",
    "client",
    "mail_from",
    "as",
    "sealer",
    "passed",
    "not_passed",
    "reported",
    "since",
    "until",
    *_CHOICES,
    *_TEXTS,
)
"""What an address may say of messages."""
_WORDS = {
    "accepted": ("action", "accept"),
    "quarantined": ("action", "quarantine"),
    "refused": ("action", "reject"),
    "rejected": ("action", "reject"),
    "deferred": ("action", "tempfail"),
    **{each: ("action", each) for each in ACTIONS},
    **{each: ("dmarc", each) for each in DMARC},
}
"""Words that the box understands."""


class SearchError(Exception):
    """What was asked for is nothing that can be searched for; the text says why."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which messages an address asks for."""

    values: Mapping[str, str]
    """As the address has them; only known names, without empty ones."""
    criteria: Criteria
    names_one: bool = False
    """Whether it is a queue id or a Message-ID alone: then one message may be meant."""


def search(query: Mapping[str, str], now: float) -> Search:
    """Raises SearchError."""
    values = {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}
    if any(len(each) > MAX_TEXT or not each.isprintable() for each in values.values()):
        raise SearchError(f"Something to search for has {MAX_TEXT} printable characters at most.")
    criteria = Criteria()
    for name, value in values.items():
        criteria = replace(criteria, **_of(name, value, now))
    if "q" in values:
        criteria = _boxed(criteria, values["q"])
    below = _place(query.get("before", ""))
    only = {*values} <= {"q"} and bool(criteria.queue_ids or criteria.message_id)
    return Search(values, replace(criteria, below=below), only)


def _of(name: str, value: str, now: float) -> dict[str, Any]:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise SearchError(f"{name} is one of {', '.join(_CHOICES[name])}.")
    if name == "from":
        return {"author_domain": "" if value == NONE else _domain(value)}
    if name == "client":
        return {"is_unknown_client": True} if value == NONE else {"client": _network(value)}
    if name in ("since", "until"):
        return {name: _moment(value, now)}
    if name in ("judged", "done"):
        return {f"is_{name}": value == "yes"}
    if name == "failing":
        return {_FAILING[value]: True}
    if name in _SIGNED:
        return {"signature": _signed_by(value, is_pass=name == "passed")}
    if name == "reported":
        return {"reported": _domain(value)}
    if name == "sealer":
        return {"sealers": sealers(value)}
    if name == "mail_from":
        return {"mail_from": "" if value == NONE else _domain(value)}
    if name == "as":
        return {"proves": _proves(value)}
    if (name, value) == ("wanted", UNWANTED):
        return {"is_unwanted": True}
    if name == "q":
        return {}
    field = {"spared": "override", "list": "list_id"}.get(name, name)
    return {field: value.lower() if name == "list" else value}


def _domain(text: str) -> str:
    found = to_identifier(text.rpartition("@")[2])
    if found is None:
        raise SearchError(f"{text} is no domain.")
    return found


def sealers(text: str) -> tuple[str, ...]:
    """Several domains, with commas. Raises SearchError."""
    if text.count(",") >= MAX_SEALERS:
        raise SearchError(f"{MAX_SEALERS} sealers at most can be asked for.")
    return tuple(dict.fromkeys(_domain(each.strip()) for each in text.split(",")))


def _proves(text: str) -> tuple[Method, str]:
    method, _, domain = text.partition(":")
    if text != NOBODY and (method not in ("dkim", "spf") or not domain):
        raise SearchError("as is dkim:DOMAIN, spf:DOMAIN or nobody.")
    return Method(method), domain


def _signed_by(text: str, *, is_pass: bool) -> SignedBy:
    domain, _, selector = text.partition("/")
    if not domain or not selector:
        raise SearchError("A signature is asked for as DOMAIN/SELECTOR.")
    return SignedBy(domain.lower(), selector.lower(), is_pass)


def proves(method: Method, identifier: str) -> str:
    """For links to the messages that it authenticated."""
    return f"{method.value}:{identifier}" if identifier else NOBODY


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SearchError(f"{text} is no address or network.") from None


def _moment(text: str, now: float) -> float:
    try:
        # In an address, a plus sign that was not encoded has become a blank.
        return moment(text.replace(" ", "+") if "T" in text else text, now)
    except ValueError as error:
        raise SearchError(f"{error}.") from None


def _boxed(criteria: Criteria, text: str) -> Criteria:
    """The box guesses what each word is; with a hyphen before it, it must not be so."""
    for word in text.split():
        criteria = _without(criteria, word[1:]) if word[:1] == "-" and word[1:] else _with(criteria, word)
    return criteria


def _with(criteria: Criteria, word: str) -> Criteria:
    if re.fullmatch(r"<[^<>]+>", word):
        return replace(criteria, message_id=word)
    if word.lower() in _WORDS:
        name, value = _WORDS[word.lower()]
        return replace(criteria, action=value) if name == "action" else replace(criteria, dmarc=value)
    network = _maybe_network(word)
    if network is not None:
        return replace(criteria, client=network)
    domain = to_identifier(word.rpartition("@")[2])
    if domain is not None and "." in domain:
        return replace(criteria, author_domain=domain)
    return replace(criteria, queue_ids=(*criteria.queue_ids, word)[:50])


def _without(criteria: Criteria, word: str) -> Criteria:
    found = _with(Criteria(), word)
    if found.queue_ids or found.message_id:
        raise SearchError(f"-{word}: a domain, an address, a network, a result or what was done can be left out.")
    return replace(
        criteria,
        excluded_domains=(*criteria.excluded_domains, *_given(found.author_domain)),
        excluded_results=(*criteria.excluded_results, *_given(found.dmarc)),
        excluded_actions=(*criteria.excluded_actions, *_given(found.action)),
        excluded_clients=(*criteria.excluded_clients, *([found.client] if found.client else [])),
    )


def _given(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _maybe_network(word: str) -> Network | None:
    try:
        return ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        return None


def _place(text: str) -> Place | None:
    moment, _, uid = text.partition("_")
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,11}(\.[0-9]{1,20})?", moment) is None or re.fullmatch(r"[0-9A-Za-z-]{1,64}", uid) is None:
        raise SearchError("This is no place in the list: begin with its newest messages.")
    return Place(float(moment), uid)


def place(row: Mapping[str, Any]) -> str:
    """Of the last message of a page, for the address of the next one."""
    return f"{row['time']!r}_{row['uid']}"


def place_before(moment: float) -> str:
    """For the address of a page of older messages."""
    return f"{moment!r}_0"


def link(path: str, values: Mapping[str, str | None]) -> str:
    """An address; what is None or empty is left out."""
    said = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{said}" if said else path


def within(since: float, until: float) -> dict[str, str]:
    """For links to the messages of a period."""
    return {"since": written(since), "until": written(until)}


def from_exactly(since: float) -> dict[str, str]:
    """For links to all messages from the one of this moment on: of whole seconds there may be more."""
    whole = math.floor(since)
    micros = max(0, math.floor((since - whole) * 1e6) - 1)
    told = written(whole)
    return {"since": f"{told[:19]}.{micros:06}{told[19:]}"}


_LABELS = {
    "q": "",
    "from": "From ",
    "client": "client ",
    "mail_from": "MAIL FROM ",
    "as": "authenticated as ",
    "sealer": "sealed by ",
    "passed": "signature passes: ",
    "not_passed": "signature does not pass: ",
    "reported": "reported to ",
    "spared": "spared by ",
    "rule": "rule ",
    "list": "list ",
    "dmarc": "DMARC ",
    "spf": "SPF ",
    "dkim": "DKIM ",
    "arc": "ARC ",
    "action": "",
    "wanted": "enforce: ",
}
_YES_NO = {
    ("judged", "yes"): "judged",
    ("judged", "no"): "not judged",
    ("done", "no"): "enforce would have done otherwise",
    ("done", "yes"): "done as enforce does",
    ("failing", "1"): "fails, or acted on",
    ("failing", "list"): "a list's, fails under a policy",
    ("failing", "sealed"): "its sealers, if trusted, would spare it",
    ("wanted", UNWANTED): "enforce does not accept it",
}


def chips(found: Search) -> Iterable[tuple[str, str]]:
    """For each thing that is asked for: words, and the address without it."""
    for name, value in found.values.items():
        rest = {other: said for other, said in found.values.items() if other != name}
        said = DONE.get(value, value) if name in ("action", "wanted") else value
        words = _YES_NO.get((name, value)) or f"{_LABELS.get(name, f'{name} ')}{said}"
        yield words, link("/messages", rest)
