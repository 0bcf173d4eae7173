"""DMARC Policy Records (RFC 9989 4.7, 4.8)."""

import re
from dataclasses import dataclass
from enum import Enum

from dmarc_milter.common.memo import Memo
from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.reasons import DmarcReason


class Policy(Enum):
    """Domain Owner Assessment Policy, the values of p, sp and np (RFC 9989 4.7), mildest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def one_level_below(self) -> "Policy":
        """What ``t=y`` makes of it (4.7)."""
        return Policy.QUARANTINE if self is Policy.REJECT else Policy.NONE


class AlignmentMode(Enum):
    """The values of adkim and aspf."""

    RELAXED = "r"
    STRICT = "s"


class PublicSuffix(Enum):
    """The values of psd: is this a Public Suffix Domain?"""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record with the version tag in its place. Tags that cannot be read have their defaults (4.8)."""

    policy: Policy | None
    """p; None where the record is not to be used at all: p, sp or np is not valid and no rua is (4.10.1)."""
    subdomain_policy: Policy | None = None
    """sp"""
    nonexistent_policy: Policy | None = None
    """np"""
    dkim_alignment: AlignmentMode = AlignmentMode.RELAXED
    spf_alignment: AlignmentMode = AlignmentMode.RELAXED
    public_suffix: PublicSuffix = PublicSuffix.UNKNOWN
    is_test: bool = False
    """t=y"""
    report_addresses: tuple[str, ...] = ()
    """rua: valid URIs, size suffixes dropped."""
    failure_addresses: tuple[str, ...] = ()
    """ruf"""
    failure_options: str = "0"
    """fo"""
    errors: tuple[Reason, ...] = ()
    """What was wrong or obsolete in the record."""
    text: bytes = b""
    """The record as published."""


MAX_RECORD = 16_384
"""Octets; a longer text is no record."""

_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@$&'()*+=%-]+)(![0-9]+[kmgtKMGT]?)?")
_TAG = re.compile(r"([A-Za-z]+)[ \t]*=[ \t]*(.*)", re.DOTALL)
_FAILURE_OPTIONS = frozenset("01ds")
_HISTORIC = {"pct", "rf", "ri"}
"""Tags of RFC 7489 that RFC 9989 removed: ignored as any unknown tag is."""

MAX_ADDRESSES = 20


def is_dmarc(text: bytes) -> bool:
    """Whether a TXT record begins with the version tag of DMARC (4.7: first, and case-sensitive in its value)."""
    return len(text) <= MAX_RECORD and _VERSION.match(text) is not None


def parse(text: bytes) -> DmarcRecord:
    """Read the text of a TXT record for which :func:`is_dmarc` holds (RFC 9989 4.7, 4.8).

    There is always a record: what cannot be read has its default, and stands in `errors`. Its `policy` is None where
    it makes no DMARC (4.10.1): no valid p, and nobody who wants reports.
    """
    return _parse_once(text)


def _parse(text: bytes) -> DmarcRecord:
    errors: list[Reason] = []
    tags = _tags(text.decode("utf-8", "replace"), errors)
    policies = {name: _policy(name, tags, errors) for name in ("p", "sp", "np")}
    addresses = _uris("rua", tags, errors)
    policy: Policy | None = policies["p"]
    if policy is None or any(name in tags and policies[name] is None for name in ("sp", "np")):
        # 4.10.1: as if "p=none" had been retrieved, if somebody wants reports; else no DMARC at all.
        policy = Policy.NONE if addresses else None
        policies = dict.fromkeys(policies)
    return DmarcRecord(
        policy=policy,
        subdomain_policy=policies["sp"],
        nonexistent_policy=policies["np"],
        dkim_alignment=AlignmentMode(_one_of("adkim", "rs", tags, errors)),
        spf_alignment=AlignmentMode(_one_of("aspf", "rs", tags, errors)),
        public_suffix=PublicSuffix(_one_of("psd", "uyn", tags, errors)),
        is_test=_one_of("t", "ny", tags, errors) == "y",
        report_addresses=addresses,
        failure_addresses=_uris("ruf", tags, errors),
        failure_options=_options(tags, errors),
        errors=tuple(errors),
        text=text,
    )


def _kept_octets(text: bytes, record: DmarcRecord) -> int:
    """By measurement: what a text and what was read from it take in memory."""
    words = (*record.report_addresses, *record.failure_addresses, record.failure_options)
    # Texts in errors are pieces of the record's own.
    return 700 + 5 * len(text) + sum(100 + len(word) for word in words) + 450 * len(record.errors)


_parse_once = Memo(_parse, _kept_octets, max_octets=2 << 20, max_key=MAX_RECORD)


def _tags(text: str, errors: list[Reason]) -> dict[str, str]:
    """The tags behind the version. One that is written twice cannot be read: its value is empty."""
    tags: dict[str, str] = {}
    for spec in text.split(";")[1:]:
        spec = spec.strip(" \t")
        if not spec:
            continue
        match = _TAG.fullmatch(spec)
        if match is None:
            errors.append(DmarcReason.NO_TAG(value=spec))
            continue
        name, value = match.group(1).lower(), match.group(2)
        if name in tags:
            errors.append(DmarcReason.REPEATED_TAG(tag=name))
            value = ""
        if name in _HISTORIC:
            errors.append(DmarcReason.HISTORIC_TAG(tag=name))
        tags[name] = value
    return tags


def _policy(name: str, tags: dict[str, str], errors: list[Reason]) -> Policy | None:
    try:
        return Policy(tags[name].lower()) if name in tags else None
    except ValueError:
        errors.append(DmarcReason.INVALID_POLICY(tag=name, value=tags[name]))
        return None


def _one_of(name: str, values: str, tags: dict[str, str], errors: list[Reason]) -> str:
    """The value of a tag of one letter; the first of `values` is its default."""
    value = tags.get(name, values[0]).lower()
    if len(value) == 1 and value in values:
        return value
    errors.append(DmarcReason.INVALID_VALUE(tag=name, value=value, values=", ".join(values)))
    return values[0]


def _uris(name: str, tags: dict[str, str], errors: list[Reason]) -> tuple[str, ...]:
    if name not in tags:
        return ()
    found = []
    for part in tags[name].split(",")[:MAX_ADDRESSES]:
        match = _URI.fullmatch(part.strip(" \t"))
        if match is None:
            errors.append(DmarcReason.INVALID_URI(tag=name, value=part))
        else:
            found.append(match.group(1))
    return tuple(found)


def _options(tags: dict[str, str], errors: list[Reason]) -> str:
    value = tags.get("fo", "0").replace(" ", "").lower()
    options = value.split(":")
    if set(options) <= _FAILURE_OPTIONS and len(set(options)) == len(options):
        return value
    errors.append(DmarcReason.INVALID_OPTIONS(value=value))
    return "0"
