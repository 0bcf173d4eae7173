"""The casebook: messages, with the DNS of their day, and what must be said of each."""

import tomllib
from ipaddress import ip_address

import pytest

from dmarc_milter import Envelope, Evaluated, evaluate
from dmarc_milter.api import Dns
from dmarc_milter.explaining import zone_file
from dmarc_milter.settings import config
from tests.support.conformance import FOLDER, Judged, casebook

if not casebook():
    pytest.skip(f"no casebook.jsonl in {FOLDER}", allow_module_level=True)


def said(found: Evaluated) -> dict[str, object]:
    """What was found, in the casebook's words."""
    verdict = found.verdict
    assert verdict is not None
    return {
        "domain": verdict.dmarc.author_domain,
        "spf": verdict.spf.check.result.value,
        "dmarc": verdict.dmarc.result.value,
        "action": found.disposition.action.value,
        "policy": verdict.dmarc.policy.value if verdict.dmarc.policy else None,
        "arc": verdict.arc.status.value,
        "dkim": [each.result.value for each in verdict.signatures],
    }


@pytest.mark.parametrize("case", casebook(), ids=lambda case: case.name)
def test_casebook(case: Judged) -> None:
    envelope = Envelope(ip_address(case.ip).packed, case.helo, case.mail_from)
    settings = config.parse(tomllib.loads(case.config))
    found = said(evaluate(case.message, envelope, Dns(zone_file.read(case.zone)), settings))
    assert {key: found[key] for key in case.want} == case.want
