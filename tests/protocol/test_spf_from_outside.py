"""The OpenSPF suite once more from outside: the real filter, real DNS packets, the result read off the header."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from dmarc_milter.testing.name_server import NameServerThread
from tests.support.conformance import SpfCase, spf_cases
from tests.support.running import RunningFilter

SECTIONS = [list(cases) for _, cases in groupby(spf_cases(), key=lambda case: id(case.records))]
MESSAGE = [(b"From", b" a@author.invalid"), (b"Subject", b" x")]


@pytest.fixture(scope="module", params=SECTIONS, ids=lambda cases: cases[0].name)
def section(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[SpfCase], RunningFilter]]:
    cases: list[SpfCase] = request.param
    folder: Path = tmp_path_factory.mktemp("filter")
    with NameServerThread(cases[0].resolver) as server:
        text = f'[dns]\nnameservers = ["{server.address}"]\n'
        running = RunningFilter(folder, f"unix:{folder}/socket", text)
        yield cases, running
        assert running.stop() == 0


@pytest.mark.skipif(not SECTIONS, reason="the conformance folder with rfc7208-tests.yml is not here")
def test_section(section: tuple[list[SpfCase], RunningFilter]) -> None:
    cases, running = section
    wrong = {}
    for case in cases:
        mta = running.mta()
        mta.connect("x", case.client)
        mta.helo(case.helo)
        answer = mta.message(case.mail_from, ["b@example.org"], MESSAGE, b"x\r\n")
        mta.quit()
        match = re.search(r"\bspf=(\w+)", answer.results)
        result = match.group(1) if match else "missing"
        if result not in case.results:
            wrong[case.name] = (result, case.results)
    assert wrong == {}
