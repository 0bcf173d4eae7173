"""`dmarc-milter console` as a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import free_port


class RunningConsole:
    """Started on construction, over `journal`; `more` are lines of [console]."""

    def __init__(self, folder: Path, journal: str, more: str = 'filter_settings = ""\n') -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.port = port
        self.journal = journal
        file = folder / "console.toml"
        file.write_text(f'[console]\nlisten = "127.0.0.1:{port}"\n{more}[journal]\ndatabase = "{journal}"\n')
        command = [sys.executable, "-m", "dmarc_milter", "console", "--config", str(file)]
        self._log = folder / "console.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        # It says so as soon as it listens.
        assert self.process.stdout.readline().startswith("dmarc-milter console"), self.log

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self._log.read_text("utf-8", "replace")

    def stop(self, seconds: float = 5.0) -> int:
        """End it within `seconds`, as systemd does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
