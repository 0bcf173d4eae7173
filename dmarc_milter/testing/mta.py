"""The MTA's half of the milter protocol (version 6): plays a message to a filter stage by stage, takes its answers."""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NO_REPLY_FLAGS = {
    b"L": 0x80,
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"R": 0x8000,
    b"T": 0x10000,
    b"U": 0x20000,
    b"N": 0x40000,
    b"B": 0x80000,
}
NO_STAGE_FLAGS = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"R": 0x8, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"T": 0x200}
LEADING_SPACE = 0x100000
ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF
CHUNK = 65_535


@dataclass
class MtaResponse:
    """What the filter did with a message."""

    action: str
    """accept, reject, tempfail"""
    reply: str = ""
    inserted: list[tuple[int, str, str]] = field(default_factory=list)
    """Position, name and value of fields to be put above others."""
    appended: list[tuple[str, str]] = field(default_factory=list)
    """Fields to be put below all others."""
    deleted: list[tuple[str, int]] = field(default_factory=list)
    quarantined: str | None = None

    @property
    def results(self) -> str:
        """The Authentication-Results that were added."""
        return next((value for _, name, value in self.inserted if name == "Authentication-Results"), "")


class Mta:
    """One SMTP session, seen from the filter."""

    def __init__(
        self,
        connected: socket.socket,
        steps: int = ALL_STEPS,
        actions: int = ALL_ACTIONS,
        *,
        is_buffered: bool = False,
    ) -> None:
        """Where it `is_buffered`, what needs no reply is kept back until something does, as Postfix does."""
        self._socket = connected
        self._is_buffered = is_buffered
        self._kept_back = bytearray()
        self._send(b"O", struct.pack("!III", 6, actions, steps))
        command, data = self._receive()
        assert command == b"O", command
        _, _, self.steps = struct.unpack("!III", data[:12])

    def limit(self, seconds: float) -> None:
        """How long an answer of the filter is waited for; then TimeoutError."""
        self._socket.settimeout(seconds)

    def connect(self, host: str, address: str, macros: Sequence[str] = ("j", "mx.example.org")) -> None:
        """The client has connected."""
        self._macros(b"C", macros)
        self.connect_as(host.encode(), address)

    def connect_as(self, host: bytes, address: str) -> None:
        """The same without macros, and whatever the name consists of."""
        family = b"6" if ":" in address else b"4"
        text = f"IPv6:{address}" if family == b"6" else address
        self._stage(b"C", host + b"\0" + family + struct.pack("!H", 2525) + text.encode() + b"\0")

    def connect_locally(self, macros: Sequence[str] = ("j", "mx.example.org")) -> None:
        """A message comes in without a network connection, as Sendmail says it."""
        self._macros(b"C", macros)
        self._stage(b"C", b"localhost\0U")

    def helo(self, name: str) -> None:
        """EHLO"""
        self._stage(b"H", name.encode() + b"\0")

    def packet(self, command: bytes, data: bytes = b"") -> None:
        """One packet in any order, whether or not the filter wants it; an answer is taken and left."""
        self._send(command, data)
        if command not in b"AD" and not self.steps & NO_REPLY_FLAGS[command]:
            self._receive()

    def end_of_message(self, data: bytes = b"", *, queue_id: str = "4XDEMO") -> MtaResponse:
        """The end of a message, with what is left of its body."""
        self._macros(b"E", ("i", queue_id))
        self._send(b"E", data)
        return self._answers()

    def next_connection(self) -> None:
        """SMFIC_QUIT_NC: the session ends; another follows on the same socket, and begins with :meth:`connect`."""
        self._send(b"K", b"")

    def message(
        self,
        mail_from: str,
        recipients: Iterable[str],
        fields: Iterable[tuple[bytes, bytes]],
        body: bytes,
        *,
        queue_id: str = "4XDEMO",
        chunk: int = CHUNK,
        authenticated: str | None = None,
    ) -> MtaResponse:
        """MAIL FROM to the end of the message; field values begin with the blank behind the colon."""
        self.mail_from(mail_from, () if authenticated is None else ("{auth_authen}", authenticated))
        for recipient in recipients:
            self.recipient(recipient)
        self.content(fields, body, chunk=chunk)
        return self.end_of_message(queue_id=queue_id)

    def mail_from(self, path: str, macros: Sequence[str] = ()) -> None:
        """MAIL FROM, without brackets."""
        if macros:
            self._macros(b"M", macros)
        self._stage(b"M", f"<{path}>".encode() + b"\0")

    def recipient(self, path: str) -> None:
        """RCPT TO, without brackets."""
        self._stage(b"R", f"<{path}>".encode() + b"\0")

    def content(self, fields: Iterable[tuple[bytes, bytes]], body: bytes, *, chunk: int = CHUNK) -> None:
        """DATA to the end of the body."""
        self._stage(b"T", b"")
        for name, value in fields:
            shown = value if self.steps & LEADING_SPACE else value.removeprefix(b" ")
            self._stage(b"L", name + b"\0" + shown.replace(b"\r\n", b"\n") + b"\0")
        self._stage(b"N", b"")
        for start in range(0, len(body), chunk):
            if self._stage(b"B", body[start : start + chunk]) == b"s":
                break

    def flush(self) -> None:
        """Send what is kept back."""
        if self._kept_back:
            self._socket.sendall(self._kept_back)
            self._kept_back.clear()

    def close(self) -> None:
        """The connection breaks."""
        self._socket.close()

    def quit(self) -> None:
        """End of the session."""
        self._send(b"Q", b"")
        self.flush()
        self._socket.close()

    def abort(self) -> None:
        """The message will not be finished."""
        self._send(b"A", b"")
        self.flush()

    def _macros(self, stage: bytes, macros: Sequence[str]) -> None:
        self._send(b"D", stage + b"".join(each.encode() + b"\0" for each in macros))

    def _stage(self, command: bytes, data: bytes) -> bytes:
        if self.steps & NO_STAGE_FLAGS[command]:
            return b"c"
        self._send(command, data)
        if self.steps & NO_REPLY_FLAGS[command]:
            return b"c"
        return self._receive()[0]

    def _answers(self) -> MtaResponse:
        answer = MtaResponse("")
        while True:
            command, data = self._receive()
            if command == b"i":
                name, value = data[4:].rstrip(b"\0").split(b"\0", 1)
                answer.inserted.append((struct.unpack("!I", data[:4])[0], name.decode(), value.decode()))
            elif command == b"h":
                name, value = data.rstrip(b"\0").split(b"\0", 1)
                answer.appended.append((name.decode(), value.decode()))
            elif command == b"m":
                name, value = data[4:].split(b"\0")[:2]
                assert not value, "only deletions are expected"
                answer.deleted.append((name.decode(), struct.unpack("!I", data[:4])[0]))
            elif command == b"q":
                answer.quarantined = data.rstrip(b"\0").decode()
            elif command == b"y":
                # A percent sign is sent twice: Sendmail's format character, which MTAs undo.
                answer.reply = data.rstrip(b"\0").decode().replace("%%", "%")
                answer.action = "tempfail" if answer.reply.startswith("4") else "reject"
                return answer
            elif command in _FINAL:
                answer.action = _FINAL[command]
                return answer

    def _send(self, command: bytes, data: bytes) -> None:
        self._kept_back += struct.pack("!I", len(data) + 1) + command + data
        if not self._is_buffered:
            self.flush()

    def _receive(self) -> tuple[bytes, bytes]:
        self.flush()
        (length,) = struct.unpack("!I", self._exactly(4))
        packet = self._exactly(length)
        return packet[:1], packet[1:]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(min(count - len(data), CHUNK))
            if not more:
                raise ConnectionError("the filter closed the connection")
            data += more
        return data


_FINAL = {b"c": "accept", b"a": "accept", b"r": "reject", b"t": "tempfail", b"d": "discard"}
