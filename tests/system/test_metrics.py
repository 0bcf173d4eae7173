"""Metrics of the running filter: read by Debian's Prometheus, summed over workers, dead ones too."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from dmarc_milter.cli.main import main
from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import play
from tests.support.running import RunningFilter, settings
from tests.support.waiting import wait_for
from tests.system.servers import Prometheus, need

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
QUERY = "sum(dmarc_milter_messages_total)"


def get(running: RunningFilter, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.metrics_port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def total(running: RunningFilter, name: str) -> float:
    lines = get(running, "/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))


def test_prometheus_sums_over_workers_and_over_restarts(tmp_path: Path, name_server: NameServerThread) -> None:
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    prometheus = Prometheus(tmp_path, f"127.0.0.1:{running.metrics_port}")
    for number in range(40):
        play(running, EXAMPLES[number % len(EXAMPLES)])
    wait_for(lambda: prometheus.value(QUERY) == 40, "the scrape")
    assert prometheus.value('sum(dmarc_milter_messages_total{disposition="reject",applied="yes"})') == 15
    assert prometheus.value("dmarc_milter_end_of_message_seconds_count") == 40
    killed = running.workers
    os.kill(killed[0], signal.SIGKILL)
    wait_for(lambda: len(running.workers) == 2 and killed[0] not in running.workers, "another worker")
    wait_for(lambda: total(running, 'dmarc_milter_workers{state="ready"}') == 2, "it to be ready")
    for _ in range(20):
        play(running, EXAMPLES[0])
    wait_for(lambda: prometheus.value(QUERY) == 60, "the sum with the dead worker's part")
    wait_for(lambda: prometheus.value("dmarc_milter_worker_restarts_total") == 1, "the restart")
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.log.count("serving on") == 2, "the reload")
    play(running, EXAMPLES[0])
    wait_for(lambda: prometheus.value(QUERY) == 61, "the sum after the reload")
    prometheus.stop()
    assert running.stop() == 0


RULE = '[[override]]\nname = "never"\nfrom_domain = ["x.example"]\naction = "accept"\n'


def test_names_and_labels(tmp_path: Path, name_server: NameServerThread) -> None:
    promtool = need(shutil.which("promtool"), "prometheus")
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server) + RULE)
    for scene in EXAMPLES:
        play(running, scene)
    status, text = get(running, "/metrics")
    assert status == 200
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert 'dmarc_milter_rule_matches_total{rule="never"} 0.0' in text, "a dead rule shows"
    assert "bank.example" not in text, "no domains in labels"
    assert total(running, "dmarc_milter_dns_questions_total") > 0
    wait_for(lambda: total(running, "dmarc_milter_messages_in_progress") == 0, "nothing at hand")
    wait_for(lambda: total(running, "dmarc_milter_journal_records_total") == len(EXAMPLES), "the journal")
    assert running.stop() == 0


def test_health(tmp_path: Path, name_server: NameServerThread) -> None:
    text = settings(name_server).replace("[policy]", "timeout = 0.2\ntries = 1\n[policy]")
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    assert get(running, "/healthz") == (200, "alive\n")
    assert get(running, "/readyz") == (200, "ready\n")
    assert get(running, "/")[0] == 404
    assert running.stop() == 0


def test_not_ready_without_dns(tmp_path: Path) -> None:
    text = '[dns]\nnameservers = ["127.0.0.1:9"]\ntimeout = 0.2\ntries = 1\n'
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
    status, why = get(running, "/readyz")
    assert (status, why.startswith("the DNS does not answer")) == (503, True)
    assert running.stop() == 0


def test_mail_does_not_depend_on_the_metrics_port(tmp_path: Path, name_server: NameServerThread) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        metrics = f'[metrics]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n'
        running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server) + metrics)
        wait_for(lambda: "no metrics: cannot listen" in running.log, "the warning")
        assert play(running, EXAMPLES[0]).action == "accept"
        assert running.stop() == 0


def test_alert_rules() -> None:
    promtool = need(shutil.which("promtool"), "prometheus")
    folder = ROOT / "packaging" / "prometheus"
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


REPORT = """
[report]
enabled = true
organization = "Example Ltd"
email = "dmarc@reports.example.org"
submitter = "example.org"
metrics_file = "{folder}/report.prom"
"""


def test_the_dashboard_asks_for_metrics_that_exist(tmp_path: Path, name_server: NameServerThread) -> None:
    more = RULE + REPORT.format(folder=tmp_path)
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server) + more)
    for scene in EXAMPLES:
        play(running, scene)
    wait_for(lambda: total(running, "dmarc_milter_journal_records_total") == len(EXAMPLES), "the journal")
    assert main(["report", "make", "--config", str(running.config)]) == 0
    known = set(re.findall(r"^(dmarc_milter_\w+)", get(running, "/metrics")[1], re.MULTILINE))
    dashboard = (ROOT / "packaging" / "grafana" / "dmarc-milter.json").read_text()
    expressions = [target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel.get("targets", ())]
    alerts = yaml.safe_load((ROOT / "packaging" / "prometheus" / "alerts.yml").read_text())
    expressions += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    asked = set(re.findall(r"dmarc_milter_\w+", " ".join(expressions)))
    assert len(asked) > 10
    assert asked - known == {"dmarc_milter_overrides_total"}, "appears with the first override"
    assert running.stop() == 0
