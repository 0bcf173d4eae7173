"""Public test suites, read from $DMARC_MILTER_CONFORMANCE, or from ../shared/conformance beside the checkout."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import Records, ZoneResolver, records_of

FOLDER = Path(
    os.environ.get("DMARC_MILTER_CONFORMANCE", Path(__file__).resolve().parents[3] / "shared" / "conformance")
)

XSD = FOLDER.parent / "standards" / "dmarc-xml-0.2.xsd"
"""The schema of aggregate reports (RFC 9990, Appendix A)."""

MIGRATE = FOLDER.parent / "research" / "migrate"
"""Cases of dmarc-milter migrate: `in`, and what has to come of it."""


@dataclass(frozen=True)
class SpfCase:
    """One case of the OpenSPF suite."""

    name: str
    client: str
    helo: str
    mail_from: str
    results: tuple[str, ...]
    explanation: str | None
    records: Records
    failing: frozenset[str]

    @property
    def resolver(self) -> ZoneResolver:
        return ZoneResolver(self.records, self.failing)


@cache
def spf_cases() -> list[SpfCase]:
    """All cases, or none where the suite is not here."""
    path = FOLDER / "rfc7208-tests.yml"
    if not path.exists():
        return []
    cases = []
    for section in yaml.safe_load_all(path.read_text("utf-8")):
        records, failing = _zone(section["zonedata"])
        for name, test in section["tests"].items():
            result = test["result"]
            cases.append(
                SpfCase(
                    name=name,
                    client=test["host"],
                    helo=test["helo"],
                    mail_from=test["mailfrom"],
                    results=(result,) if isinstance(result, str) else tuple(result),
                    explanation=test.get("explanation"),
                    records=records,
                    failing=failing,
                )
            )
    return cases


def _zone(data: Mapping[str, list[Any]]) -> tuple[Records, frozenset[str]]:
    entries: dict[str, list[tuple[RecordType, str]]] = {}
    aliases: dict[str, str] = {}
    failing = set()
    for name, items in data.items():
        key = str(name).lower().rstrip(".")
        found = entries.setdefault(key, [])
        has_txt = any(isinstance(item, dict) and "TXT" in item for item in items)
        for item in items:
            if item == "TIMEOUT":
                failing.add(key)
                continue
            ((type_, value),) = item.items()
            if (type_ == "SPF" and not has_txt) or (type_ == "TXT" and value != "NONE"):
                found.append((RecordType.TXT, _quoted(value)))
            elif type_ == "MX":
                # The suite writes "no host" as an empty name.
                found.append((RecordType.MX, f"{value[0]} {_dotted(value[1])}"))
            elif type_ == "CNAME":
                aliases[key] = value
            elif type_ in ("A", "AAAA", "PTR"):
                found.append((RecordType[type_], _dotted(value) if type_ == "PTR" else value))
    # A name that fails only where the suite gives it nothing else of that type to answer with.
    failing = {key for key in failing if not any(t is RecordType.TXT for t, _ in entries[key])}
    return _with_aliases(entries, aliases), frozenset(failing)


def _with_aliases(entries: dict[str, list[tuple[RecordType, str]]], aliases: dict[str, str]) -> Records:
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    records = {name: dict(types) for name, types in records_of(entries).items()}
    for name, target in aliases.items():
        rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.CNAME, target.rstrip(".") + ".")
        records.setdefault(name, {})[int(dns.rdatatype.CNAME)] = [rdata]
    return records


def _dotted(name: str) -> str:
    return name.rstrip(".") + "."


def _quoted(value: str | list[str]) -> str:
    strings = [value] if isinstance(value, str) else value
    return " ".join('"' + _escaped(string) + '"' for string in strings) or '""'


def _escaped(text: str) -> str:
    # The suite's YAML holds octets as characters.
    return "".join(
        f"\\{octet:03d}" if octet < 32 or octet > 126 or octet in b'"\\' else chr(octet)
        for octet in text.encode("latin-1")
    )


@dataclass(frozen=True)
class Judged:
    """One message of the casebook: what came in, and what must be said of it."""

    name: str
    message: bytes
    zone: str
    ip: str
    helo: str
    mail_from: str
    config: str
    want: Mapping[str, Any]


ENFORCE = '[policy]\nmode = "enforce"\n[journal]\nenabled = false\n'


@cache
def casebook() -> list[Judged]:
    """All messages, or none where the casebook is not here."""
    path = FOLDER / "casebook.jsonl"
    if not path.exists():
        return []
    return [_judged(json.loads(line)) for line in path.read_text().splitlines()]


def _judged(row: dict[str, Any]) -> Judged:
    row |= {"message": base64.b64decode(row["message"]), "config": row["config"] or ENFORCE}
    return Judged(**row)
