"""A name server for benchmarks, in a process of its own: answers made ready beforehand, a set delay.

Usage: python -m benchmarks.name_server ZONE-FILE ADDRESS PORT DELAY-IN-MS
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import respond


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: ZoneResolver, delay: float) -> None:
        self._made: dict[bytes, bytes] = {}
        self._zone = zone
        self._delay = delay

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        key = data[2:]
        rest = self._made.get(key)
        if rest is None:
            rest = self._made[key] = respond(self._zone, data, 4096)[1][2:]
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.sendto, data[:2] + rest, addr)
        else:
            self._transport.sendto(data[:2] + rest, addr)


async def main(zone: str, address: str, port: int, delay: float) -> None:
    records = ZoneResolver.from_text(zone)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Server(records, delay), local_addr=(address, port))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) / 1000))
