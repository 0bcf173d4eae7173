"""The OpenSPF test suite for RFC 7208, each case a test of its own."""

import asyncio
import ipaddress

import pytest

from dmarc_milter.spf.evaluation import check_host, identity
from dmarc_milter.spf.explanation import explain
from tests.support.conformance import SpfCase, spf_cases

CASES = spf_cases()


@pytest.mark.skipif(not CASES, reason="the conformance folder with rfc7208-tests.yml is not here")
@pytest.mark.parametrize("prefetch", [True, False], ids=["prefetch", "sequential"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_openspf_suite(case: SpfCase, prefetch: bool) -> None:
    domain, sender = identity(case.mail_from, case.helo)
    client = ipaddress.ip_address(case.client).packed
    check = asyncio.run(check_host(case.resolver, client, domain, sender, case.helo, prefetch=prefetch))
    assert check.result.value in case.results, check.reason
    if case.explanation is not None and check.result.value == "fail":
        text = asyncio.run(explain(case.resolver, check.explanation, receiver="unknown")) if check.explanation else None
        assert (text or "DEFAULT") == case.explanation
