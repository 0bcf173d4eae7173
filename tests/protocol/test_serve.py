"""`dmarc-milter serve` as a process, spoken to in the milter protocol."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dmarc_milter.demo.examples import EXAMPLES, Example
from dmarc_milter.testing.mta import ALL_STEPS, LEADING_SPACE, NO_REPLY_FLAGS, NO_STAGE_FLAGS, Mta
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import EXPECTED, found, play
from tests.support.running import RunningFilter, environment_with, settings
from tests.support.waiting import free_port, wait_for


@pytest.fixture(scope="module", params=["unix", "inet"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, name_server: NameServerThread
) -> Iterator[RunningFilter]:
    folder = tmp_path_factory.mktemp("filter")
    address = f"unix:{folder}/socket" if request.param == "unix" else f"inet:{free_port()}@127.0.0.1"
    started = RunningFilter(folder, address, settings(name_server))
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log


def test_stages_that_are_answered(running: RunningFilter) -> None:
    """MAIL FROM, so that it is known at once; over the network all before the header (delayed ACK)."""
    mta = running.mta()
    answered = {
        each
        for each in (b"C", b"H", b"M", b"T", b"L", b"N")
        if not mta.steps & (NO_REPLY_FLAGS[each] | NO_STAGE_FLAGS.get(each, 0))
    }
    mta.quit()
    assert answered == ({b"M"} if running.address.startswith("unix:") else {b"H", b"M", b"T"})


@pytest.mark.parametrize("steps", [ALL_STEPS, ALL_STEPS & ~LEADING_SPACE, 0], ids=["all", "no-blank", "old-mta"])
@pytest.mark.parametrize("scene", EXAMPLES, ids=lambda scene: scene.name)
def test_scenes(running: RunningFilter, scene: Example, steps: int) -> None:
    answer = play(running, scene, steps=steps, chunk=7)
    expected = EXPECTED[scene.name]
    if expected is None:
        assert answer.reply.startswith("550 5.7.1 Email rejected per DMARC policy")
    else:
        assert found(answer) == expected


def test_many_messages_over_many_connections(running: RunningFilter) -> None:
    from concurrent.futures import ThreadPoolExecutor

    signed = EXAMPLES[0]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: play(running, signed), range(200)))
    assert {found(each) for each in answers} == {("pass", "pass", "pass", "accept")}


def test_an_envelope_that_is_no_utf_8_is_survived(running: RunningFilter) -> None:
    scene = EXAMPLES[0]
    mta = running.mta()
    mta.connect("x", scene.client)
    mta._stage(b"H", b"\xff\xfe\0")
    fields, body = scene.content
    mail_from = "\udcff@bank.example".encode("utf-8", "surrogateescape").decode("latin-1")
    answer = mta.message(mail_from, ["x"], fields, body)
    mta.quit()
    assert found(answer)[1:] == ("pass", "pass", "accept")


def test_aborted_message_then_another(running: RunningFilter) -> None:
    scene = EXAMPLES[0]
    mta = running.mta()
    mta.connect(scene.helo, scene.client)
    mta.helo(scene.helo)
    mta._stage(b"M", b"<x@crook.example>\0")
    mta.abort()
    fields, body = scene.content
    assert found(mta.message(scene.mail_from, ["x"], fields, body)) == ("pass", "pass", "pass", "accept")
    mta.quit()


@pytest.mark.parametrize("end", [Mta.abort, Mta.quit, lambda mta: None], ids=["aborted", "closed", "left"])
@pytest.mark.parametrize("command", [b"M", b""], ids=["in a message", "without MAIL FROM"])
def test_headers_left_midway_keep_nobody_waiting(
    tmp_path: Path, name_server: NameServerThread, end: Callable[[Mta], None], command: bytes
) -> None:
    """Messages whose header is being read take turns; who never comes to its end is not waited for.

    Whoever is kept waiting gets no answer before the connection's own time is over.
    """
    started = RunningFilter(
        tmp_path,
        f"unix:{tmp_path}/socket",
        settings(name_server).replace("workers = 2\n", "workers = 1\ndrain_seconds = 1\n"),
    )
    left = [started.mta() for _ in range(3)]
    for mta in left:
        mta.connect("x", "192.0.2.1")
        mta.helo("x")
        if command:
            mta._stage(command, b"<x@crook.example>\0")
        mta._stage(b"L", b"Subject\0 never finished\0")
        end(mta)
    for scene in EXAMPLES[:3] * 3:
        assert found(play(started, scene)) == EXPECTED[scene.name]
    assert started.stop() == 0
    assert "Traceback" not in started.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_cleanly_with_a_connection_open(tmp_path: Path, name_server: NameServerThread, number: int) -> None:
    started = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    idle = started.mta()
    idle.connect("x", "192.0.2.1")
    workers = started.workers
    assert started.stop(number) == 0
    assert not (tmp_path / "socket").exists()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the workers to end")


def test_workers_end_with_their_supervisor(tmp_path: Path, name_server: NameServerThread) -> None:
    started = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    workers = started.workers
    started.process.kill()
    started.process.wait()
    wait_for(lambda: not any(_runs(pid) for pid in workers), "the workers to end")
    # The socket file was left behind; a new filter takes its place.
    again = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    assert found(play(again, EXAMPLES[0]))[2] == "pass"
    assert again.stop() == 0


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


BUG = """
from dmarc_milter.judging import evaluation
kept = evaluation.MessageEvaluation.{method}
def broken(self, *args):
    if any(field.key == "x-bug" for field in self.header):
        raise ZeroDivisionError("made up")
    return kept(self, *args)
evaluation.MessageEvaluation.{method} = broken
"""


@pytest.mark.parametrize("method", ["end_of_headers", "end_of_message", "body"])
@pytest.mark.parametrize(("on_error", "action"), [("tempfail", "tempfail"), ("reject", "reject"), ("accept", "accept")])
def test_a_bug_in_a_callback(
    tmp_path: Path, name_server: NameServerThread, method: str, on_error: str, action: str
) -> None:
    environment = environment_with(tmp_path, BUG.format(method=method))
    started = RunningFilter(
        tmp_path, f"unix:{tmp_path}/socket", settings(name_server, f'on_error = "{on_error}"\n'), environment
    )
    scene = EXAMPLES[0]
    fields, body = scene.content
    forged = (b"Authentication-Results", b" mx.example.org; dmarc=pass")
    mta = started.mta()
    mta.connect(scene.helo, scene.client)
    mta.helo(scene.helo)
    broken = mta.message(scene.mail_from, ["x"], [*fields, forged, (b"X-Bug", b" 1")], body)
    right = mta.message(scene.mail_from, ["x"], fields, body)
    mta.quit()
    assert started.stop() == 0
    assert broken.action == action
    assert found(right) == ("pass", "pass", "pass", "accept")
    assert "ZeroDivisionError: made up" in started.log
    if action == "accept":
        assert broken.deleted == [("Authentication-Results", 1)]
        assert 'dmarc=temperror reason="error in the filter"' in broken.results


def test_reload_with_good_and_with_bad_settings(tmp_path: Path, name_server: NameServerThread) -> None:
    started = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    text = started.config.read_text()
    started.config.write_text(text.replace('"enforce"', '"on"'))
    started.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "settings not reloaded" in started.log, "the refusal")
    assert "policy.mode" in started.log
    assert play(started, EXAMPLES[3]).action == "reject"
    started.config.write_text(text.replace('"enforce"', '"monitor"'))
    started.process.send_signal(signal.SIGHUP)
    wait_for(lambda: started.log.count("serving on") == 2, "the reload")
    wait_for(lambda: len(started.workers) == 2, "the old workers to end")
    assert play(started, EXAMPLES[3]).action == "accept"
    assert started.stop() == 0


def test_every_line_of_the_log_is_json_where_the_settings_say_so(tmp_path: Path, name_server: NameServerThread) -> None:
    environment = environment_with(tmp_path, BUG.format(method="end_of_headers"))
    text = settings(name_server) + '[log]\nformat = "json"\n'
    started = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text, environment)
    play(started, EXAMPLES[3])
    fields, body = EXAMPLES[0].content
    mta = started.mta()
    mta.connect("x", "192.0.2.1")
    mta.message("", ["x"], [*fields, (b"X-Bug", b" 1")], body)
    mta.quit()
    assert started.stop() == 0
    lines = [json.loads(line) for line in started.log.splitlines()]
    assert [each["action"] for each in lines if "queue_id" in each] == ["reject", "tempfail"]
    assert next(line for line in started.log.splitlines() if "queue_id" in line).startswith('{"queue_id": ')
    assert any("ZeroDivisionError" in each.get("exception", "") for each in lines)


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dmarc_milter", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_settings_are_checked_without_serving(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[policy]\nmode = "enforce"\n')
    good = command("serve", "--check-config", "--config", str(path))
    assert (good.returncode, good.stdout) == (0, f"{path}: no errors\n")
    path.write_text('[policy]\nmood = "enforce"\n')
    for arguments in (["--check-config"], []):
        bad = command("serve", *arguments, "--config", str(path))
        assert bad.returncode == 2
        assert "policy.mood" in bad.stderr
        assert bad.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_an_address_in_use(tmp_path: Path, kind: str) -> None:
    with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as taken:
        taken.bind(f"{tmp_path}/s" if kind == "unix" else ("127.0.0.1", 0))
        taken.listen()
        address = f"unix:{tmp_path}/s" if kind == "unix" else f"inet:{taken.getsockname()[1]}@127.0.0.1"
        (tmp_path / "x.toml").write_text(f'[milter]\nlisten = "{address}"\n')
        ended = command("serve", "--config", str(tmp_path / "x.toml"))
    assert ended.returncode == 2
    assert ended.stderr == f"dmarc-milter: cannot listen on {address}: address already in use\n"


def test_demo() -> None:
    shown = command("demo")
    assert shown.returncode == 0, shown.stderr
    assert "\033[" not in shown.stdout
    for text in (
        "dmarc=pass (p=reject dis=none) header.from=bank.example policy.dmarc=reject",
        "550 5.7.1 Email rejected per DMARC policy for bank.example",
        "550 5.7.1 Email rejected per DMARC policy for invoices.shop.example",
        "dmarc=none (p=none dis=none) header.from=hobby.example",
        "several different domains in From",
    ):
        assert text in " ".join(shown.stdout.split())
    assert "\033[" in command("demo", "--color", "always").stdout


def test_help_and_version() -> None:
    assert "serve" in command("--help").stdout
    assert command("--version").stdout.startswith("dmarc-milter ")
    assert command("serve", "--nonsense").returncode == 2
