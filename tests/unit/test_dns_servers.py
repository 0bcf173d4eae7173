"""Which name server is asked first, and what makes one silent."""

import os
import time
from pathlib import Path

import pytest

from dmarc_milter.api import Dns
from dmarc_milter.dns.answer import AnswerOutcome, Question, RecordType
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.servers import PROBE, PROBE_SECONDS, NameServer, ServerOrder
from dmarc_milter.dns.system import CHECK_SECONDS, SystemNameServers
from dmarc_milter.dns.upstream import Upstream
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.waiting import wait_for

A, B, C = NameServer("192.0.2.1"), NameServer("192.0.2.2"), NameServer("192.0.2.3")


@pytest.fixture
def order() -> ServerOrder:
    return ServerOrder((A, B, C), tries=2)


def make_silent(order: ServerOrder, server: NameServer, now: float) -> None:
    order.unanswered(server, now - 1, now)
    assert server in order.to_probe(now)
    order.probe_unanswered(server)


def test_as_written_until_one_is_silent(order: ServerOrder) -> None:
    assert order.attempts == (A, B, C, A, B, C)


def test_a_silent_server_is_asked_last(order: ServerOrder) -> None:
    make_silent(order, A, 100.0)
    assert order.attempts == (B, C, A, B, C, A)
    assert order.silent == {A}


def test_all_silent_is_as_written(order: ServerOrder) -> None:
    for server in (C, A, B):
        make_silent(order, server, 100.0)
    assert order.attempts == (A, B, C, A, B, C)


def test_a_packet_brings_it_back(order: ServerOrder) -> None:
    make_silent(order, A, 100.0)
    order.heard(A, 101.0)
    assert order.attempts[0] is A
    assert not order.to_probe(1000.0)


def test_silence_to_a_senders_question_alone_changes_nothing(order: ServerOrder) -> None:
    order.unanswered(A, 99.0, 100.0)
    assert order.attempts[0] is A


def test_a_server_heard_since_is_not_suspected(order: ServerOrder) -> None:
    order.heard(A, 99.5)
    order.unanswered(A, 99.0, 100.0)
    assert not order.to_probe(100.0)


def test_a_probe_per_period(order: ServerOrder) -> None:
    make_silent(order, A, 100.0)
    assert not order.to_probe(100.0 + PROBE_SECONDS / 2)
    assert order.to_probe(100.0 + PROBE_SECONDS) == [A]


def test_one_server_is_never_probed() -> None:
    order = ServerOrder((A,), tries=1)
    order.unanswered(A, 99.0, 100.0)
    assert not order.to_probe(100.0)


def test_other_servers_begin_anew(order: ServerOrder) -> None:
    make_silent(order, A, 100.0)
    order.use((A, C))
    assert (order.attempts, order.silent) == ((A, C, A, C), frozenset())
    order.heard(B, 101.0)
    order.probe_unanswered(B)
    assert not order.silent


def test_a_dead_server_costs_its_timeout_once_and_is_used_again_when_it_answers() -> None:
    zone = ZoneResolver.from_text('example.com. 60 IN TXT "a"')
    is_dead = True
    loop = Loop()
    with (
        NameServerThread(zone) as good,
        NameServerThread(zone, disturb=lambda _, wire: None if is_dead else wire) as bad,
    ):
        first, second = NameServer("127.0.0.1", bad.port), NameServer("127.0.0.1", good.port)
        upstream = Upstream((first, second), 0.1, 2, loop)
        try:
            _ask(upstream)
            wait_for(lambda: upstream.order.silent == {first}, "its silence to be known")
            bad.asked.clear()
            _ask(upstream)
            assert set(bad.asked) <= {PROBE}
            is_dead = False
            upstream.order.unanswered(first, time.monotonic(), time.monotonic() + 1)
            upstream.order._probe_at[first] = 0.0
            wait_for(lambda: not upstream.order.silent, "it to be heard again")
        finally:
            upstream.close()
            loop.close()


def write(path: Path, *servers: str) -> None:
    path.write_text("".join(f"nameserver {each}\n" for each in servers))


def test_the_systems_servers_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    write(path, "192.0.2.1")
    system = SystemNameServers(path)
    assert (system.servers, system.changed(0.0)) == ((A,), None)
    write(path, "192.0.2.2", "192.0.2.3")
    assert system.changed(CHECK_SECONDS / 2) is None
    assert system.changed(CHECK_SECONDS) == (B, C)
    assert system.changed(3 * CHECK_SECONDS) is None


def test_a_file_that_is_replaced_by_another_or_by_a_link_is_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "resolv.conf", tmp_path / "other"
    write(path, "192.0.2.1")
    system = SystemNameServers(path)
    system.changed(0.0)
    write(other, "192.0.2.2")
    path.unlink()
    path.symlink_to(other)
    assert system.changed(10.0) == (B,)
    path.unlink()
    assert system.changed(20.0) == (NameServer("127.0.0.1"),)


def test_the_same_servers_written_again_are_no_change(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    write(path, "192.0.2.1")
    system = SystemNameServers(path)
    path.write_text("# renewed\nnameserver 192.0.2.1\n")
    assert system.changed(0.0) is None


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (NameServer("192.0.2.1"), "192.0.2.1"),
        (NameServer("192.0.2.1", 5300), "192.0.2.1:5300"),
        (NameServer("2001:db8::1"), "[2001:db8::1]"),
    ],
)
def test_a_server_as_settings_write_it(server: NameServer, text: str) -> None:
    assert str(server) == text


def _ask(upstream: Upstream) -> None:
    answers: list[object] = []
    upstream.prepare(Question("example.com", RecordType.TXT), lambda _, answer: answers.append(answer.records)).start()
    wait_for(lambda: answers, "an answer")
    assert answers == [(b"a",)]


def test_who_is_done_asking_leaves_no_socket_open() -> None:
    with NameServerThread(ZoneResolver.from_text('example.com. 60 IN TXT "a"')) as server:
        before = os.listdir("/proc/self/fd")
        with Dns.servers([NameServer("127.0.0.1", server.port)]) as asked:
            questions = asked.questions()
            asking = questions.resolver(time.monotonic() + 30).resolve(Question("example.com", RecordType.TXT))
            assert asked.runner.start(asking).result(30).outcome is AnswerOutcome.RECORDS
            questions.close()
        assert os.listdir("/proc/self/fd") == before
