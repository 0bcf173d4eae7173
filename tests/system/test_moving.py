"""Old chains of real programs, moved to this filter by the steps that `dmarc-milter migrate` tells."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.moving_shapes import SHAPES
from tests.system.servers import need_programs

pytestmark = pytest.mark.system

ANNOUNCED = {
    "no-such-subdomain": "np= is new in RFC 9989",
    "two-authors": "several domains in From are refused",
    "no-author": "so is mail without any",
}
LOCAL = ("outgoing", "cron")
"""What our own users and programs write, which nobody judges."""
BY_THE_WALK = {"rspamd": "spf-only"}
"""No public suffix list knows the names of examples, so rspamd took two names of one organization for strangers."""
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=SHAPES)
def moved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    need_programs("postfix", *SHAPES[request.param].programs)
    if os.getuid() != 0:
        pytest.skip("needs root, for namespaces")
    folder = tmp_path_factory.mktemp("host")
    for each in (folder, *folder.parents[:-2]):
        each.chmod(0o755)
    script = Path(__file__).with_name("moving_host.py")
    namespaces = ["unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*namespaces, sys.executable, str(script), str(folder), request.param],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(script.parents[2])},
    )
    assert done.returncode == 0, done.stderr
    found: Found = {"shape": {"name": request.param}, **json.loads(done.stdout)}
    return found


def outcome(became: str | list[Any]) -> tuple[Any, ...]:
    """Refused for good or for now, or the result of DMARC that the header tells."""
    if isinstance(became, list):
        return ("refused", became[0] // 100)
    return ("delivered", *sorted({match[1] for match in re.finditer(r"(?<![.\w])dmarc=(\w+)", became)}))


def fields(message: str) -> list[str]:
    header = message.partition("\n\n")[0]
    return re.findall(r"(?im)^Authentication-Results:((?:.*\n[ \t])*.*)", header)


def test_the_old_chain_goes_on_while_ours_stands_beside_it(moved: Found) -> None:
    for name, before in moved["before"].items():
        beside = moved["beside"][name]
        assert outcome(before)[0] == outcome(beside)[0], name
        if isinstance(beside, str) and name not in LOCAL:
            assert sum("new.mx.example.org" in each for each in fields(beside)) == 1, beside


@pytest.mark.parametrize("phase", ["after", "cleaned"])
def test_everything_becomes_what_it_was_but_for_what_was_announced(moved: Found, phase: str) -> None:
    for name, before in moved["before"].items():
        after = moved[phase][name]
        if name in ANNOUNCED:
            assert outcome(after)[0] == "refused"
        elif BY_THE_WALK.get(moved["shape"]["name"]) == name:
            assert (outcome(before), outcome(after)) == (("delivered", "fail"), ("delivered", "pass"))
        elif outcome(before) == ("delivered",):
            # Amavis took the result out of the header before.
            assert outcome(after)[0] == "delivered", after
        else:
            assert outcome(before) == outcome(after), f"{name}: {before}\n{after}"


@pytest.mark.parametrize("phase", ["after", "cleaned"])
def test_each_message_is_judged_once(moved: Found, phase: str) -> None:
    for name, became in moved[phase].items():
        if isinstance(became, str):
            judged = [each for each in fields(became) if "dmarc=" in each]
            assert len(judged) == (0 if name in LOCAL else 1), became
            assert name in LOCAL or fields(became) == judged


@pytest.mark.parametrize("phase", ["before", "beside", "after", "cleaned"])
def test_our_own_mail_is_signed_and_never_refused(moved: Found, phase: str) -> None:
    outgoing, cron = moved[phase]["outgoing"], moved[phase]["cron"]
    assert isinstance(outgoing, str)
    assert isinstance(cron, str)
    assert re.search(r"DKIM-Signature:.*\bd=example\.org;", outgoing, re.DOTALL)


def test_nothing_of_the_old_chain_is_asked_any_more(moved: Found) -> None:
    main_cf = str(moved["main.cf"])
    assert "8893" not in main_cf
    assert "opendmarc" not in main_cf
    assert "policyd" not in main_cf
    assert "dmarc-milter" not in next(line for line in main_cf.splitlines() if line.startswith("non_smtpd_milters"))


def test_what_spamassassin_scores_stays(moved: Found) -> None:
    for name, before in moved["before"].items():
        after = moved["cleaned"][name]
        if isinstance(before, str) and isinstance(after, str):
            assert re.findall(r"MIAB_\w+", before) == re.findall(r"MIAB_\w+", after), name


def test_nothing_bounces(moved: Found) -> None:
    assert not moved["bounced"]
