"""Other shapes of the filter beside the present one: mail as it really is, in turns, several rounds.

sudo .venv/bin/python -m benchmarks.shapes [--rounds N] [--messages N] [--python ROOT ...]   (root, as benchmarks.peers)

ROOT is a root filesystem whose python3 is to run the filter: packaging/root-filesystem ROOT trixie, and in it
apt-get install python3-milter python3-dnspython python3-dkim python3-authres python3-cryptography python3-idna
python3-prometheus-client python3-sqlalchemy python3-defusedxml python3-tqdm
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from benchmarks import corpus
from benchmarks.comparison import CONNECTIONS, Comparison, compare
from benchmarks.contenders import NOTHING, WORKERS, Contender, floor, name_server, with_workers

SOURCE = Path(__file__).resolve().parents[1]
PRESENT = f"as it is: {WORKERS} workers, one for each core"
ONE_AT_A_TIME = """
from dmarc_milter.milter import session, worker_state

def end_of_headers(self):
    self._needs_body = self._transaction is not None and self._transaction.end_of_header()
    return self.answer(session.milter.P_NR_EOH)

worker_state.HeaderThrottle.PATIENCE = 60.0
session.Session.end_of_headers = end_of_headers
"""
"""The throttle is released at the end of the message, and not at that of its header."""
NOT_THROTTLED = """
from dmarc_milter.milter import worker_state

worker_state.HeaderThrottle.acquire = lambda self: False
"""


def python_of(root: Path) -> list[str]:
    """The command, run by the python3 of another root filesystem, which sees our source, /tmp, /dev and /proc."""
    (root / "srv/source").mkdir(exist_ok=True)
    script = (
        'mount --bind "$1" "$0/srv/source" && mount --bind /tmp "$0/tmp" && mount --bind /dev "$0/dev" && '
        'mount -t proc proc "$0/proc" && root=$0 && shift && '
        'exec chroot "$root" env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=/var/tmp/compiled '
        'PYTHONPATH=/srv/source python3 -m dmarc_milter "$@"'
    )
    return ["unshare", "-m", "sh", "-c", script, str(root), str(SOURCE)]


def version_of(root: Path) -> str:
    """Which Python that is."""
    return subprocess.run(["chroot", root, "python3", "-V"], capture_output=True, text=True, check=True).stdout.strip()


def shapes(roots: list[Path]) -> dict[str, Contender]:
    """All of them, the present one first."""
    return {
        PRESENT: with_workers(WORKERS),
        "1 worker": with_workers(1),
        "4 workers: fewer threads in each": with_workers(4),
        "8 workers": with_workers(8),
        "one message at a time in each worker, header to end": with_workers(WORKERS, early=ONE_AT_A_TIME),
        "headers read by all threads at once": with_workers(WORKERS, early=NOT_THROTTLED),
        **{f"{version_of(root)} of Debian": with_workers(WORKERS, command=python_of(root)) for root in roots},
        NOTHING: floor,
    }


def table(found: Comparison) -> str:
    """Figures, and the present shape's as ratios to each."""
    lines = ["| | messages/s | CPU ms | p50 ms | p99 ms | messages/s, CPU to as it is |", "|---|---|---|---|---|---|"]
    for name, each in found.medians.items():
        ratio = found.ratios.get(name)
        ratios = "" if ratio is None else f"{1 / ratio.messages_a_second:.2f}, {1 / ratio.cpu:.2f}"
        lines.append(
            f"| {name} | {each.messages_a_second:.0f} | {each.cpu:.2f} | {each.p50:.1f} | {each.p99:.1f} | {ratios} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--python", type=Path, nargs="*", default=[], metavar="ROOT")
    options = parser.parse_args()
    senders = max(1, options.messages // 5)
    messages = corpus.real(options.messages, senders)
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(senders))
        with name_server(zone, 0):
            print(table(compare(shapes(options.python), messages, CONNECTIONS, options.rounds)))


if __name__ == "__main__":
    main()
