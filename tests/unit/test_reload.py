"""dmarc-milter reload: what it asks of the service, and what it says of what came of it."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dmarc_milter.cli import reload
from dmarc_milter.cli.main import main
from dmarc_milter.service import state
from dmarc_milter.service.state import Reload, ReloadOutcome, ServiceState, StateFile

EARLIER = Reload(3, ReloadOutcome.REFUSED, 1.0, "an earlier one was refused")
SERVICE = ServiceState("1.2.3", os.getpid(), 1.0, None, "enforce", ("unix:/s",), "0123456789ab", reload=EARLIER)


class Service:
    """This process, as the service that is asked: what it writes after SIGHUP, one state per look."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / state.NAME
        self._file = StateFile({"RUNTIME_DIRECTORY": str(folder)})
        self.asked = 0
        self.then: list[ServiceState | None] = []
        self.write(SERVICE)

    def write(self, now: ServiceState | None) -> None:
        if now is None:
            self._file.remove()
        else:
            self._file.write(now)

    def hang_up(self, *_: object) -> None:
        self.asked += 1

    def go_on(self, *_: object) -> None:
        self.write(self.then.pop(0))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    found = Service(tmp_path)
    before = signal.signal(signal.SIGHUP, found.hang_up)
    monkeypatch.setattr(time, "sleep", found.go_on)
    yield found
    signal.signal(signal.SIGHUP, before)


def after(outcome: ReloadOutcome, number: int = 4, *, error: str = "", changes: tuple[str, ...] = ()) -> ServiceState:
    return replace(SERVICE, reload=Reload(number, outcome, 2.0, error, changes))


TAKEN = after(ReloadOutcome.TAKEN)
GONE = "dmarc-milter: no running service: the process that wrote {path} is gone\n"
OUTCOMES = {
    "changed": (
        [after(ReloadOutcome.DONE, changes=("policy.mode: monitor -> enforce", "dns.timeout: 3.0 -> 5.0"))],
        0, "policy.mode: monitor -> enforce\ndns.timeout: 3.0 -> 5.0\n", "",
    ),
    "nothing has changed": ([after(ReloadOutcome.DONE)], 0, "no setting has changed\n", ""),
    "once new workers are ready": (
        [SERVICE, TAKEN, TAKEN, after(ReloadOutcome.DONE, changes=("a: 1 -> 2",))], 0, "a: 1 -> 2\n", "",
    ),
    "another reload came between": ([after(ReloadOutcome.DONE, 5)], 0, "no setting has changed\n", ""),
    "refused": (
        [after(ReloadOutcome.REFUSED, error="/etc/x.toml: unknown key a.b")],
        1, "", "dmarc-milter: settings not reloaded: /etc/x.toml: unknown key a.b\n",
    ),
    "refused after a start of new workers": (
        [TAKEN, after(ReloadOutcome.REFUSED, error="no worker can serve")],
        1, "", "dmarc-milter: settings not reloaded: no worker can serve\n",
    ),
    "the service ended": ([TAKEN, None], 2, "", GONE),
    "another service runs": ([replace(SERVICE, pid=os.getpid() + 1)], 2, "", GONE),
}  # fmt: skip


@pytest.mark.parametrize(("then", "status", "out", "err"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_came_of_it(
    service: Service,
    capsys: pytest.CaptureFixture[str],
    then: list[ServiceState | None],
    status: int,
    out: str,
    err: str,
) -> None:
    service.then = list(then)
    assert main(["reload", "--state", str(service.path)]) == status
    assert capsys.readouterr() == (out, err.format(path=service.path))
    assert (service.asked, service.then) == (1, [])


def test_a_service_that_does_not_say(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PATIENCE_SECONDS", 0.0)
    assert main(["reload", "--state", str(service.path)]) == 2
    assert service.asked == 1
    assert capsys.readouterr().err == (
        "dmarc-milter: the service did not say within 0 s what came of it; see its log\n"
    )


def test_the_service_that_this_process_belongs_to(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd's ExecReload has its runtime folder."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(service.path.parent))
    service.then = [after(ReloadOutcome.DONE)]
    assert main(["reload"]) == 0


def test_no_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / state.NAME
    assert main(["reload", "--state", str(path)]) == 2
    said = f"dmarc-milter: no running service: {path} is not there. Start it: systemctl start dmarc-milter\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ProcessLookupError(), GONE),
        (PermissionError(), "dmarc-milter: the service: not permitted; run this as root\n"),
    ],
)
def test_a_service_that_cannot_be_asked(
    service: Service,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    said: str,
) -> None:
    def refuse(pid: int, number: int) -> None:
        assert (pid, number) == (SERVICE.pid, signal.SIGHUP)
        raise error

    monkeypatch.setattr(os, "kill", refuse)
    assert main(["reload", "--state", str(service.path)]) == 2
    assert capsys.readouterr().err == said.format(path=service.path)


def test_a_state_that_may_not_be_read(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    assert main(["reload", "--state", str(service.path)]) == 2
    assert capsys.readouterr().err == f"dmarc-milter: {service.path}: not permitted; run this as root\n"
    assert service.asked == 0
