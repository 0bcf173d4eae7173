"""A day of mail counted for reports, and the reports made of it."""

import gzip
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from lxml import etree
from psycopg2.extras import execute_batch

from dmarc_milter.api import Dns
from dmarc_milter.columns.column import Row
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.reported import Statements, additions, reported
from dmarc_milter.journal.schema import prepare
from dmarc_milter.reporting.document import NAMESPACE, Reporter
from dmarc_milter.reporting.making import Maker, Sender
from dmarc_milter.reporting.planning import Rules
from dmarc_milter.reporting.signing import SigningKey
from dmarc_milter.reporting.store import Store

DAY = 1_795_651_200
"""2026-11-26 00:00 UTC."""
NOON = DAY + 43_200.0
NEXT_NOON = DAY + 86_400 + 43_200.0


def alignment(mechanism: str, domain: str, aligned: bool | None, authenticated: str = "yes") -> dict[str, Any]:
    """As the column ``alignments`` has them."""
    return {"mechanism": mechanism, "domain": domain, "authenticated": authenticated, "aligned": aligned}


def signature(domain: str | None, result: str = "pass", selector: str | None = "s") -> dict[str, Any]:
    """As the column ``dkim`` has them."""
    return {"domain": domain, "selector": selector, "result": result}


def row(domain: str = "bank.example", **changes: Any) -> Row:
    """A message of `domain` that passes by both mechanisms."""
    return {
        "time": NOON,
        "client": "192.0.2.1",
        "outer_client": None,
        "is_relayed": False,
        "mail_from": f"bounce@{domain}",
        "author_domain": domain,
        "policy_domain": domain,
        "policy_record": f"v=DMARC1; p=reject; rua=mailto:d@{domain}".encode(),
        "is_dmarc_report": False,
        "spf": "pass",
        "spf_domain": domain,
        "dkim": [signature(domain)],
        "dmarc": "pass",
        "policy": "reject",
        "published_policy": "reject",
        "alignments": [alignment("spf", domain, True), alignment("dkim", domain, True)],
        "mode": "enforce",
        "action": "accept",
        "wanted": "accept",
        "override": None,
        "rule": None,
        **changes,
    }


FAILS: Row = {
    "dmarc": "fail",
    "spf": "fail",
    "dkim": [],
    "action": "reject",
    "wanted": "reject",
    "alignments": [alignment("spf", "bank.example", True, "no")],
}
"""What makes :func:`row` a message that fails."""

OLD_REPORT = b"""<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata>
    <org_name>google.com</org_name><email>noreply@google.com</email><report_id>123</report_id>
    <date_range><begin>1795651200</begin><end>1795737599</end></date_range>
  </report_metadata>
  <policy_published><domain>bank.example</domain><p>none</p><pct>100</pct></policy_published>
  <record>
    <row><source_ip>192.0.2.1</source_ip><count>3</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>
        <reason><type>forwarded</type><comment>x</comment></reason></policy_evaluated></row>
    <identifiers><header_from>bank.example</header_from></identifiers>
    <auth_results><dkim><domain>bank.example</domain><result>pass</result></dkim>
      <spf><domain>other.example</domain><result>softfail</result></spf></auth_results>
  </record>
</feedback>
"""
"""As RFC 7489 has it, of one record."""


def journal(folder: Path) -> str:
    """The URL of an empty journal."""
    return prepared(f"sqlite:///{folder}/journal.sqlite")


def prepared(url: str) -> str:
    """The same database, with the journal's tables."""
    engine = open_engine(url, create=True)
    prepare(engine)
    engine.dispose()
    return url


def count(url: str, rows: Iterable[Row], times: int = 1) -> None:
    """Count messages as a worker does, each so many times."""
    added = additions([each | {"reported": reported(each)} for each in rows])
    for each in added[2]:
        each["messages"] *= times
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            for statement, parameters in zip(Statements.written(":{}"), added, strict=True):
                connection.executemany(statement, parameters)
        return
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for statement, parameters in zip(Statements.written("%({})s"), added, strict=True):
            execute_batch(cursor, statement, parameters, page_size=500)


REPORTER = Reporter("Example Ltd", "dmarc@reports.example.org", "https://example.org/dmarc")

SENDER = Sender("example.org", REPORTER)
EVERYBODY = Rules()


def maker(
    store: Store, zone: str = "", rules: Rules = EVERYBODY, keys: Sequence[SigningKey] = (), now: float = NEXT_NOON
) -> Maker:
    """One whose DNS is `zone`, at noon of the day after."""
    dns = Dns.zone(zone or "$TTL 60\n")
    sender = Sender("example.org", REPORTER, keys)
    return Maker(store, sender, rules, dns.runner, dns.source, lambda: now)


def parsed(octets: bytes, xsd: Path | None = None) -> Any:
    """The document in a compressed file, valid by `xsd` where it is given, as a tree without its namespace."""
    document = gzip.decompress(octets)
    assert document.isascii()
    tree = etree.fromstring(document)
    if xsd is not None:
        etree.XMLSchema(etree.parse(xsd)).assertValid(tree)
    for element in tree.iter():
        element.tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    return tree
