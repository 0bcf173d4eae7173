"""Who is measured: dmarc-milter and Debian's filters, each with nothing on but SPF, DKIM, ARC and DMARC.

The peers run without logging; ours with its log, journal and metrics. All ask the name server on ADDRESS. A filter that
does nothing is there, too: nobody who uses libmilter and pymilter costs less.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from tests.support.running import COMMAND, RunningFilter, environment_with
from tests.support.waiting import is_listening, wait_for

ADDRESS = "127.0.0.153"
WORKERS = 2
START_SECONDS = 120
"""rspamd compiles its expressions when it first starts."""
OURS, PAIR, NOTHING = "dmarc-milter", "OpenDKIM + OpenDMARC", "a pymilter filter that does nothing"

Contender = Callable[[Path], AbstractContextManager[tuple[list[int], list[str]]]]
"""In a folder of its own: process ids, and sockets in the order in which mail goes through them."""


@contextmanager
def name_server(zone: Path, delay: float) -> Iterator[None]:
    """On ADDRESS, with the records of a file; `delay` is in milliseconds."""
    command = [sys.executable, "-m", "benchmarks.name_server", str(zone), ADDRESS, "53", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def floor(folder: Path) -> Iterator[tuple[list[int], list[str]]]:
    """A pymilter filter that does nothing, in one process."""
    path = f"{folder}/floor"
    with subprocess.Popen([sys.executable, "-m", "benchmarks.floor", path]) as process:
        wait_for(lambda: is_listening(path), "the floor")
        yield [process.pid], [path]
        process.kill()


@contextmanager
def ours(
    folder: Path, workers: int = WORKERS, early: str = "", command: Sequence[str] = COMMAND
) -> Iterator[tuple[list[int], list[str]]]:
    """As in production: journal and metrics are on. `early` is Python code that is run before anything else."""
    text = f'workers = {workers}\n[dns]\nnameservers = ["{ADDRESS}"]\n[policy]\nmode = "enforce"\n'
    environment = environment_with(folder, early) if early else None
    running = RunningFilter(folder, f"unix:{folder}/s", text, environment, command=command)
    try:
        yield [running.process.pid], [f"{folder}/s"]
    finally:
        assert running.stop() == 0


def with_workers(workers: int, early: str = "", command: Sequence[str] = COMMAND) -> Contender:
    """Ours in another shape."""
    return lambda folder: ours(folder, workers, early, command)


@contextmanager
def _running(folder: Path, commands: dict[str, str], sockets: list[str]) -> Iterator[tuple[list[int], list[str]]]:
    """Programs by name and arguments, which see a private /etc/resolv.conf, until the block ends."""
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    processes = []
    for program, arguments in commands.items():
        script = f"mount --bind {folder}/resolv.conf /etc/resolv.conf; exec {program} {arguments}"
        command = ["unshare", "-m", "sh", "-c", script]
        processes.append(subprocess.Popen(command, env={**os.environ, "PATH": _PATH}, cwd=folder))
    paths = [f"{folder}/{name}" for name in sockets]
    wait_for(lambda: all(map(is_listening, paths)), " and ".join(commands), START_SECONDS)
    try:
        yield [each.pid for each in processes], paths
    finally:
        for each in processes:
            each.terminate()
            try:
                each.wait(5)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def c_pair(folder: Path) -> AbstractContextManager[tuple[list[int], list[str]]]:
    """OpenDKIM and OpenDMARC, the latter with its own SPF."""
    (folder / "opendkim.conf").write_text(
        f"Mode v\nSocket local:{folder}/dkim\nSyslog no\nAuthservID mx.example.org\nAlwaysAddARHeader yes\n"
        f"Nameservers {ADDRESS}\nOn-Default accept\nRequireSafeKeys no\n"
    )
    _write_opendmarc(folder, "SPFSelfValidate true\nSPFIgnoreResults true\n")
    commands = {"opendkim": f"-f -x {folder}/opendkim.conf", "opendmarc": f"-f -c {folder}/opendmarc.conf"}
    return _running(folder, commands, ["dkim", "dmarc"])


def python_chain(folder: Path) -> AbstractContextManager[tuple[list[int], list[str]]]:
    """pyspf-milter, dkimpy-milter, and OpenDMARC that reads what they found."""
    (folder / "spf.conf").write_text(
        f"debugLevel = 0\nHELO_reject = False\nMail_From_reject = False\nPermError_reject = False\n"
        f"TempError_Defer = False\nHeader_Type = AR\nAuthserv_Id = mx.example.org\nSocket = local:{folder}/spf\n"
        f"PidFile = {folder}/spf.pid\nUserID = root\n"
    )
    (folder / "dkim.conf").write_text(
        f"Mode v\nSocket local:{folder}/dkim\nSyslog no\nAuthservID mx.example.org\nUserID root\n"
        f"PidFile {folder}/dkim.pid\n"
    )
    _write_opendmarc(folder, "SPFSelfValidate false\nSPFIgnoreResults false\n")
    commands = {
        "pyspf-milter": f"{folder}/spf.conf",
        "dkimpy-milter": f"{folder}/dkim.conf",
        "opendmarc": f"-f -c {folder}/opendmarc.conf",
    }
    return _running(folder, commands, ["spf", "dkim", "dmarc"])


def _write_opendmarc(folder: Path, spf: str) -> None:
    (folder / "opendmarc.conf").write_text(
        f"Socket local:{folder}/dmarc\nSyslog false\nAuthservID mx.example.org\nTrustedAuthservIDs mx.example.org\n"
        f"RejectFailures true\n{spf}"
    )


@cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    """Where rspamd keeps its compiled expressions: made once per run, for that takes many seconds."""
    return tempfile.TemporaryDirectory()


def rspamd(folder: Path) -> AbstractContextManager[tuple[list[int], list[str]]]:
    """rspamd that speaks milter and scans in the same process; of its modules only those of this subject."""
    (folder / "rspamd.conf").write_text(
        f"""
options {{ pidfile = "{folder}/pid"; filters = "dkim"; cache_file = "{folder}/cache"; control_socket = "{folder}/c";
  url_tld = "/usr/share/rspamd/effective_tld_names.dat"; hs_cache_dir = "{_compiled().name}"; tempdir = "{folder}";
  local_addrs = []; dns {{ nameserver = ["{ADDRESS}"]; timeout = 5s; }} }}
logging {{ type = "file"; filename = "/dev/null"; level = "silent"; }}
worker "rspamd_proxy" {{ bind_socket = "{folder}/s mode=0666"; milter = yes; timeout = 60s; count = {WORKERS};
  upstream "local" {{ default = yes; self_scan = yes; }} }}
modules {{ path = "/usr/share/rspamd/plugins/"; }}
spf {{ }} dkim {{ }} arc {{ }}
dmarc {{ actions = {{ reject = "reject"; quarantine = "add_header"; }} }}
milter_headers {{ use = ["authentication-results"];
  routines {{ authentication-results {{ add_smtp_user = false; }} }} }}
actions {{ reject = 1000; }}
"""
    )
    return _running(folder, {"rspamd": f"-f -i -c {folder}/rspamd.conf"}, ["s"])


_ALL: dict[str, tuple[Contender, tuple[str, ...]]] = {
    OURS: (ours, ()),
    PAIR: (c_pair, ("opendkim", "opendmarc")),
    "rspamd": (rspamd, ("rspamd",)),
    "pyspf-milter + dkimpy-milter + OpenDMARC": (python_chain, ("pyspf-milter", "dkimpy-milter", "opendmarc")),
}


def installed() -> dict[str, Contender]:
    """Those whose programs are there; the pair of C filters has to be."""
    found = {}
    for name, (contender, programs) in _ALL.items():
        missing = [each for each in programs if shutil.which(each, path=_PATH) is None]
        if not missing:
            found[name] = contender
        elif contender is c_pair:
            raise SystemExit(f"not installed: {', '.join(missing)} (apt-get install {' '.join(programs)})")
        else:
            print(f"{name} is left out: {', '.join(missing)} not installed", file=sys.stderr)
    return found
