"""PostgreSQL and Prometheus of the tests' own, on loopback and in folders of their own."""

import glob
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests.support.waiting import free_port, wait_for

REQUIRED = bool(os.environ.get("DMARC_MILTER_REQUIRE_SYSTEM"))


def need(program: str | None, package: str) -> str:
    """The program, or skip; where CI says that it must be there, fail."""
    if program is None:
        if REQUIRED:
            pytest.fail(f"{package} is not installed")
        pytest.skip(f"needs Debian's {package}")
    return program


def need_programs(*names: str) -> None:
    """Each of them, where root's shell finds it."""
    for name in names:
        need(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"), name)


class PostgreSql:
    """A server with one database; may be stopped and started again."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        """What an earlier one left in `folder` is started again.

        With `password`, it is asked for over the network; over the unix socket, root is believed to be root.
        """
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))
        self._bin = Path(need(programs[-1] if programs else None, "postgresql")).parent
        if os.geteuid() != 0:
            pytest.skip("needs root, to become the user postgres")
        self._folder = folder / "postgresql"
        self._port = free_port()
        if self._folder.exists():
            self.start()
            return
        self._folder.mkdir()
        shutil.chown(self._folder, "postgres")
        self._run("initdb", "-D", f"{self._folder}/data", "-A", "trust", "-U", "milter", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "milter", "journal")
        if password is not None:
            self._ask_for(password)

    def _ask_for(self, password: str) -> None:
        for statement in (f"ALTER ROLE milter PASSWORD '{password}'", "CREATE ROLE root LOGIN SUPERUSER"):
            self._run(
                "psql", "-q", "-h", "127.0.0.1", "-p", str(self._port), "-U", "milter", "-c", statement, "journal"
            )
        self.stop()
        rules = "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"
        Path(self._folder, "data", "pg_hba.conf").write_text(rules)
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://milter@127.0.0.1:{self._port}/journal"

    @property
    def local_url(self) -> str:
        """Over its unix socket, which lies in a folder of the test's own."""
        return f"postgresql:///journal?host={self._folder}&port={self._port}"

    def _run(self, program: str, *arguments: str) -> None:
        # No pipes: a server that is started would keep them open.
        with (self._folder.parent / "postgresql.log").open("a") as log:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", f"{self._bin}/{program}"]
            subprocess.run([*command, *arguments], check=True, stdout=log, stderr=log, cwd="/")

    def start(self) -> None:
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=off"
        )
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-o", options, "-l", f"{self._folder}/log", "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "immediate", "-w", "stop")


class Prometheus:
    """A server that scrapes `target` every second."""

    def __init__(self, folder: Path, target: str) -> None:
        program = need(shutil.which("prometheus"), "prometheus")
        self._port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: dmarc-milter, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with (folder / "prometheus.log").open("w") as log:
            self._process = subprocess.Popen(command, stderr=log)
        wait_for(self._is_ready, "Prometheus")

    def _is_ready(self) -> bool:
        try:
            return self._get("/-/ready") is not None
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
            content: bytes = answer.read()
            return content

    def value(self, query: str) -> float | None:
        """The one value of a query, or None where there is none yet."""
        found = json.loads(self._get(f"/api/v1/query?query={urllib.parse.quote(query)}"))["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def range(self, query: str, start: float, end: float) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """The series of a query between two times, second by second."""
        times = f"&start={start}&end={end}&step=1"
        found = json.loads(self._get(f"/api/v1/query_range?query={urllib.parse.quote(query)}{times}"))["data"]["result"]
        return [
            (each["metric"], [(float(time), float(value)) for time, value in each["values"] if value != "NaN"])
            for each in found
        ]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
