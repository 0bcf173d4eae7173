"""The supervisor in this process: what it does where the system has no room for another."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.service.metrics_process import MetricsProcess
from dmarc_milter.service.supervisor import Supervisor
from dmarc_milter.settings import config


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    settings = config.parse({"milter": {"listen": f"unix:{tmp_path}/socket", "workers": 2}})
    made = Supervisor(settings, lambda: settings)
    yield made
    for each in made._sockets:
        each.close()
    shutil.rmtree(made._metrics_folder)


def no_fork(error: int) -> None:
    raise OSError(error, os.strerror(error))


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_fails_is_tried_again_later(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int
) -> None:
    monkeypatch.setattr(os, "fork", lambda: no_fork(error))
    supervisor._start_missing()
    assert not supervisor._workers
    assert supervisor._start_again_at > 0
    assert os.strerror(error) in caplog.text
    caplog.clear()
    supervisor._start_missing()
    assert not caplog.text


def test_so_is_that_of_the_metrics_server(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(socket, "socketpair", lambda: no_fork(errno.EMFILE))
    process = MetricsProcess()
    process.keep(config.parse({"metrics": {"listen": "127.0.0.1:0"}}), lambda: None)
    assert "the metrics server could not be started" in caplog.text
    assert process.start_again_at > 0
    process.stop()
