"""Peak memory of the running filter while ten messages of 50 MB, signed, pass through it at once.

.venv/bin/python -m benchmarks.memory
"""

import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dkim

from benchmarks.processes import peak_megabytes
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.message.header import split_message
from dmarc_milter.testing.mta import MtaResponse
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.keys import rsa_key, strings
from tests.support.running import RunningFilter

MESSAGES = 10
OCTETS = 50 << 20
BOUND_MB = 20
LINE = b"The quick  brown fox \t jumps over the lazy dog, and the dog is not amused. \r\n"


def zone() -> str:
    return f"""$TTL 300
s._domainkey.a.example. IN TXT {strings(rsa_key(2048)[1])}
_dmarc.a.example. IN TXT "v=DMARC1; p=reject"
a.example. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
"""


def signed(octets: int) -> bytes:
    message = b"From: x@a.example\r\nTo: y@example.org\r\nSubject: large\r\n\r\n" + LINE * (octets // len(LINE))
    field: bytes = dkim.sign(message, b"s", b"a.example", rsa_key(2048)[0], canonicalize=(b"relaxed", b"relaxed"))
    return field + message


def send(running: RunningFilter, message: bytes, together: threading.Barrier) -> MtaResponse:
    """Play `message`; all of them wait for each other before the body."""
    header, body = split_message(message)

    def fields() -> Iterator[tuple[bytes, bytes]]:
        for field in header:
            yield field.name.encode(), field.value
        together.wait()

    mta = running.mta()
    mta.connect("h.example", "192.0.2.7")
    mta.helo("h.example")
    answer = mta.message("x@a.example", ["y@example.org"], fields(), body)
    mta.quit()
    return answer


def peak_after(running: RunningFilter, message: bytes, pool: ThreadPoolExecutor) -> float:
    """Peak memory of the only worker, in MB, once it has judged `message` several times at once."""
    together = threading.Barrier(MESSAGES)
    answers = list(pool.map(lambda _: send(running, message, together), range(MESSAGES)))
    assert all("dmarc=pass" in each.results for each in answers), answers
    return peak_megabytes(running.workers[0])


def main() -> int:
    """Exit status 1 where memory grew by more than the bound."""
    small, large = signed(2_000), signed(OCTETS)
    with tempfile.TemporaryDirectory() as folder, NameServerThread(ZoneResolver.from_text(zone())) as server:
        running = RunningFilter(Path(folder), f"unix:{folder}/s", f'[dns]\nnameservers = ["{server.address}"]\n')
        with ThreadPoolExecutor(MESSAGES) as pool:
            # As many threads and connections as later, with small messages: what is measured are the large bodies.
            before = peak_after(running, small, pool)
            after = peak_after(running, large, pool)
        running.stop()
    grown = after - before
    print(f"peak memory of the worker: {before:.1f} MB after {MESSAGES} messages of 2 KB at once,")
    print(f"{after:.1f} MB after {MESSAGES} of {OCTETS >> 20} MB at once.")
    print(f"{grown:.1f} MB more; wanted: less than {BOUND_MB} MB")
    return int(grown >= BOUND_MB)


if __name__ == "__main__":
    sys.exit(main())
