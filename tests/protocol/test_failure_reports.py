"""Failure reports of a running filter: what failed is told a few times, and then as a number, with nobody's address."""

import sqlite3
from contextlib import closing
from pathlib import Path

from dmarc_milter.cli.main import main
from dmarc_milter.demo.examples import EXAMPLES, zone_text
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import play
from tests.support.running import RunningFilter, settings
from tests.support.waiting import wait_for

REPORT = """
[report]
enabled = true
metrics_file = "{folder}/report.prom"
[report.failure]
domains = [".bank.example"]
per_hour = 3
"""
ZONE = zone_text().replace("rua=mailto:dmarc@bank.example", "rua=mailto:dmarc@bank.example; ruf=mailto:f@bank.example")


def test_what_fails_is_told_a_few_times(tmp_path: Path) -> None:
    (spoofed,) = (example for example in EXAMPLES if example.name == "spoofed")
    with NameServerThread(ZoneResolver.from_text(ZONE)) as server:
        text = settings(server) + REPORT.format(folder=tmp_path)
        running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", text)
        for _ in range(20):
            play(running, spoofed)
        path = running.journal.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as journal:
            wait_for(lambda: journal.execute("SELECT count(*) FROM messages").fetchone() == (20,), "the journal")
            kept = journal.execute("SELECT content FROM failure_reports").fetchall()
            # A worker keeps so many per hour; there may be two of them.
            assert 3 <= len(kept) <= 6
            assert not any("you@" in content for (content,) in kept)
            assert main(["report", "make", "--config", str(running.config)]) == 0
            made = journal.execute("SELECT message FROM reports WHERE kind = 'failure'").fetchall()
            assert len(made) == 3
            assert all(b"\r\nAuth-Failure: dmarc\r\n" in message for (message,) in made)
        assert running.stop() == 0
        assert "Traceback" not in running.log
