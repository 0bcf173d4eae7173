"""An OpenDKIM of the tests' own, as a signer or as a second opinion; spoken to in the milter protocol."""

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from dmarc_milter.message.header import split_message
from dmarc_milter.testing.mta import Mta, MtaResponse
from tests.system.old_programs import end, opendkim


class OpenDkim:
    """Started on construction with `settings` as in opendkim.conf; a context manager.

    `socket` is where it listens. `prefix` is put before its command.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = folder / "socket"
        config = folder / "opendkim.conf"
        lines = {
            "Syslog": "no",
            "RequireSafeKeys": "no",
            "Socket": f"local:{self.socket}",
            "UMask": "000",
            "On-Default": "accept",
            "AuthservID": "opendkim.example",
            "AlwaysAddARHeader": "yes",
            **settings,
        }
        config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        self._process = opendkim(config, str(self.socket)).start(folder / "log", prefix)

    def __enter__(self) -> "OpenDkim":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)

    def _send(self, message: bytes, client: str) -> MtaResponse:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(30)
        connected.connect(str(self.socket))
        header, body = split_message(message)
        mta = Mta(connected)
        mta.connect("client.example", client)
        mta.helo("client.example")
        fields = [(field.name.encode(), field.value) for field in header]
        answer = mta.message("x@example.com", ["y@example.org"], fields, body)
        mta.quit()
        return answer

    def sign(self, message: bytes) -> bytes:
        """`message` with its DKIM-Signature on top."""
        answer = self._send(message, "127.0.0.1")
        fields = [
            f"{name}:{value}".replace("\n", "\r\n").encode()
            for _, name, value in answer.inserted
            if name == "DKIM-Signature"
        ]
        assert fields, answer
        return b"\r\n".join(fields) + b"\r\n" + message

    def results(self, message: bytes) -> list[str]:
        """What it says of each signature."""
        answer = self._send(message, "192.0.2.1")
        return re.findall(r"\bdkim=(\w+)", " ".join(value for _, _, value in answer.inserted))
