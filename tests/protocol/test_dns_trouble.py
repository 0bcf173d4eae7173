"""A DNS that is dead, slow or lies: mail flows as `[policy] temperror` says, within the deadline."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.answer import Question
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import play
from tests.support.running import RunningFilter

pytestmark = pytest.mark.slow

DEADLINE = 1.5
ONE_TRY = 30
"""Seconds: whoever waits for a single try to end is no longer bound by the deadline, however busy the machine is."""

Disturb = Callable[[Question, bytes], bytes | None]
TROUBLES: dict[str, Disturb] = {
    "dead": lambda _, __: None,
    "SERVFAIL": lambda _, packet: packet[:3] + bytes([packet[3] & 0xF0 | 2]) + packet[4:],
    "REFUSED": lambda _, packet: packet[:3] + bytes([packet[3] & 0xF0 | 5]) + packet[4:],
    "garbage": lambda _, packet: packet[:2] + b"\xff" * 30,
    "cut short": lambda _, packet: packet[: len(packet) // 2],
    "only a header": lambda _, packet: packet[:12],
    "another id": lambda _, packet: bytes([packet[0] ^ 1]) + packet[1:],
    "another question": lambda _, packet: packet[:14] + b"z" + packet[15:],
    "empty packets": lambda _, __: b"",
}


def filtering(folder: Path, server: NameServerThread, temperror: str) -> RunningFilter:
    dns = f'[dns]\nnameservers = ["{server.address}"]\ntimeout = {ONE_TRY}\ntries = 2\ndeadline = {DEADLINE}\n'
    return RunningFilter(
        folder, f"unix:{folder}/socket", f'{dns}[policy]\nmode = "enforce"\ntemperror = "{temperror}"\n'
    )


@pytest.mark.parametrize(
    ("temperror", "action"), [("by-policy", "accept"), ("accept", "accept"), ("tempfail", "tempfail")]
)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_usable_answer(tmp_path: Path, trouble: str, temperror: str, action: str) -> None:
    zone = ZoneResolver.from_text(zone_text())
    with NameServerThread(zone, disturb=TROUBLES[trouble]) as server:
        running = filtering(tmp_path, server, temperror)
        started = time.monotonic()
        answer = play(running, EXAMPLES[0])
        assert time.monotonic() - started < ONE_TRY
        assert running.stop() == 0
    assert answer.action == action, answer
    if action == "accept":
        assert "spf=temperror" in answer.results
        assert "dkim=temperror" in answer.results
        assert "dmarc=temperror" in answer.results
    assert "Traceback" not in running.log


@pytest.mark.parametrize(
    ("temperror", "action"), [("by-policy", "tempfail"), ("accept", "accept"), ("tempfail", "tempfail")]
)
def test_a_policy_is_known_while_spf_and_keys_are_not(tmp_path: Path, temperror: str, action: str) -> None:
    def disturb(question: Question, packet: bytes) -> bytes | None:
        return packet if question.name.startswith("_dmarc.") else TROUBLES["SERVFAIL"](question, packet)

    with NameServerThread(ZoneResolver.from_text(zone_text()), disturb=disturb) as server:
        running = filtering(tmp_path, server, temperror)
        answer = play(running, EXAMPLES[0])
        assert running.stop() == 0
    assert answer.action == action, answer
    assert ("policy of bank.example is reject" in running.log) is (temperror == "by-policy")


def test_a_slow_dns_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    with NameServerThread(ZoneResolver.from_text(zone_text()), delay=0.3) as server:
        running = filtering(tmp_path, server, "tempfail")
        assert "dmarc=pass" in play(running, EXAMPLES[0]).results
        assert running.stop() == 0


def test_answers_that_are_always_truncated_are_asked_for_over_tcp(tmp_path: Path) -> None:
    with NameServerThread(ZoneResolver.from_text(zone_text()), truncate=True) as server:
        running = filtering(tmp_path, server, "tempfail")
        assert "dmarc=pass" in play(running, EXAMPLES[0]).results
        assert running.stop() == 0


def test_a_dns_that_comes_back(tmp_path: Path) -> None:
    with NameServerThread(ZoneResolver.from_text(zone_text()), disturb=TROUBLES["SERVFAIL"]) as server:
        running = filtering(tmp_path, server, "tempfail")
        assert play(running, EXAMPLES[0]).action == "tempfail"
        server.disturb = None
        limit = time.monotonic() + 30
        while play(running, EXAMPLES[0]).action == "tempfail":
            assert time.monotonic() < limit, "failures are kept for some seconds only"
            time.sleep(0.2)
        assert running.stop() == 0
