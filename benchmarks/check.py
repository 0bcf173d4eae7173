"""`dmarc-milter check` on a Maildir of 10,000 messages: time, and peak memory.

.venv/bin/python -m benchmarks.check
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MESSAGES = 10_000
BODY = b"The quick brown fox jumps over the lazy dog.\r\n" * 100
ZONE = """$TTL 300
*.sender.example. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.sender.example. IN TXT "v=DMARC1; p=reject"
"""


def message(number: int) -> bytes:
    domain = b"d%d.sender.example" % (number % 500)
    return (
        b"Return-Path: <a@" + domain + b">\r\nReceived: from h (h [192.0.2.1]) by mx (Postfix) with SMTP id 1\r\n"
        b"From: <a@" + domain + b">\r\nSubject: %d\r\n\r\n" % number + BODY
    )


def run(folder: Path, count: int) -> float:
    """Seconds for a Maildir of `count` messages."""
    new = folder / str(count) / "new"
    new.mkdir(parents=True)
    for number in range(count):
        (new / f"{number:05}").write_bytes(message(number))
    (folder / "zone").write_text(ZONE)
    command = [sys.executable, "-m", "dmarc_milter", "check", str(new.parent), "--json", "--zone", str(folder / "zone")]
    started = time.perf_counter()
    with (folder / "out").open("w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
    assert f"{count} messages: {count} pass" in done.stderr, done.stderr
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), 100)
        few = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        seconds = run(Path(folder), MESSAGES)
        many = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{MESSAGES} messages in {seconds:.1f} s, {seconds / MESSAGES * 1e3:.2f} ms each")
    print(f"peak memory: {few:.0f} MB for 100 messages, {many:.0f} MB for {MESSAGES}")


if __name__ == "__main__":
    main()
