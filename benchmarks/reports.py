"""What a day of reports costs: counted messages of many policy domains, made and signed.

.venv/bin/python -m benchmarks.reports FOLDER [--domains N] [--messages N] [--records N] [--database URL]

With `--beside`, Perl's Mail::DMARC (Debian's libmail-dmarc-perl) makes the same reports in the same run, unsigned.
The day is counted by the code that workers count with: `--records` different records per domain on average, over which
`--messages` messages are spread. Then `report make` runs as a process of its own, whose time and memory are told.
The DNS is a zone at hand: what a resolver far away takes is waited for by 64 domains at once.
"""

import argparse
import ipaddress
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dmarc_milter.columns.column import Row
from tests.support.reports import DAY, FAILS, count, prepared, row

PIECE = 20_000
CONFIG = """
[journal]
database = "{database}"
[dns]
nameservers = ["127.0.0.1:{port}"]
[report]
enabled = true
organization = "Example Ltd"
email = "dmarc@reports.example.org"
submitter = "example.org"
dkim_key = ["r:{folder}/key"]
metrics_file = "{folder}/report.prom"
"""


def rows(domains: int, records: int, seed: int = 1) -> Iterator[Row]:
    """One message per record: of each domain some senders, most of which pass."""
    chance = random.Random(seed)
    for number in range(domains):
        domain = f"d{number:06}.example"
        for _ in range(max(1, round(chance.expovariate(1 / records)))):
            client = str(ipaddress.IPv4Address(chance.randrange(192 << 24, 224 << 24)))
            more = FAILS if chance.random() < 0.2 else {}
            yield row(domain, client=client, **more)


def fill(database: str, domains: int, messages: int, records: int) -> int:
    """How many records there are."""
    prepared(database)
    made = rows(domains, records)
    times = max(1, messages // (domains * records))
    total = 0
    while piece := list(islice(made, PIECE)):
        count(database, piece, times)
        total += len(piece)
    return total


def make(folder: Path, database: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds, peak megabytes, and what `report make` said."""
    key = rsa.generate_private_key(65_537, 2_048)
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "f.toml").write_text(CONFIG.format(database=database, folder=folder, port=9))
    day = time.strftime("%Y-%m-%d", time.gmtime(DAY))
    program = [sys.executable, "-m", "dmarc_milter.cli.main"]
    command = [*program, "report", "make", "--day", day, "--config", f"{folder}/f.toml"]
    started = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    peak = int(done.stderr.split()[-1]) / 1024
    return seconds, peak, {"said": done.stdout.strip(), "status": done.returncode}


def mail_dmarc(folder: Path, domains: int, records: int) -> float | None:
    """Seconds of Mail::DMARC for the same reports; None where it is not installed."""
    ini = Path("/usr/share/perl5/auto/share/dist/Mail-DMARC/mail-dmarc.ini")
    if not ini.exists():
        return None
    (folder / "mail-dmarc.ini").write_text(ini.read_text().replace("example.com", "reports.example.org"))
    by_domain: dict[str, list[str]] = {}
    for each in rows(domains, records):
        by_domain.setdefault(each["author_domain"], []).append(each["client"])
    text = "".join(f"{domain} {' '.join(addresses)}\n" for domain, addresses in by_domain.items())
    script = Path(__file__).with_name("mail_dmarc.pl")
    done = subprocess.run(["perl", script], input=text, capture_output=True, text=True, check=True, cwd=folder)
    made, seconds = done.stdout.split()[-2:]
    assert int(made) == domains
    return float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--domains", type=int, default=200_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--records", type=int, default=5)
    parser.add_argument("--database")
    parser.add_argument("--beside", action="store_true", help="Mail::DMARC, too")
    options = parser.parse_args()
    database = options.database or f"sqlite:///{options.folder}/journal.sqlite"
    started = time.perf_counter()
    records = fill(database, options.domains, options.messages, options.records)
    print(f"{records} records of {options.domains} domains counted in {time.perf_counter() - started:.0f} s")
    seconds, peak, said = make(options.folder, database)
    print(json.dumps(said))
    each = seconds / options.domains * 1e3
    print(f"made and signed in {seconds:.1f} s, {each:.2f} ms per domain; {peak:.0f} MB at most")
    other = mail_dmarc(options.folder, options.domains, options.records) if options.beside else None
    if other is not None:
        print(f"Mail::DMARC: {other:.1f} s, unsigned; ours took {seconds / other:.2f} of that, signed and queued")


if __name__ == "__main__":
    main()
